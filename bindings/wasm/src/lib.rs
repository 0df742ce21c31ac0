//! The engine's classes for WebAssembly, under the names of the Node-API addon.
//! The classes themselves are made from ts/backend/binding.ts by bindings/generate.mjs.

#![deny(unsafe_code)]
#![allow(missing_docs, reason = "the classes are documented in ts/backend/binding.ts")]
// wasm-bindgen generates the unsafe glue; none is written here.

use js_sys::{JsString, Reflect};
use nhgd_engine as engine;
use wasm_bindgen::prelude::{JsError, JsValue, wasm_bindgen};

type Result<T> = std::result::Result<T, JsValue>;

/// Runs a call of the engine; errors keep their code. A panic aborts the instance, so the engine must not.
fn guard<T>(call: impl FnOnce() -> engine::Result<T>) -> Result<T> {
    call().map_err(|e| {
        let error = JsValue::from(JsError::new(&e.message));
        // Setting a property of a fresh object can't fail.
        let _ = Reflect::set(&error, &JsString::from("code"), &JsString::from(e.code.as_str()));
        error
    })
}

/// A call that goes on elsewhere is waited for in line.
fn now<R>(pending: engine::Pending<R>) -> Result<R> {
    guard(pending.wait())
}

/// Version, SIMD level, BLAS, threads and target, as JSON.
#[wasm_bindgen]
pub fn info() -> String {
    engine::info()
}

/// What workers on the same memory call, and the thread that starts them.
#[cfg(target_feature = "atomics")]
mod helpers {
    use nhgd_engine::helpers;
    use wasm_bindgen::prelude::wasm_bindgen;

    #[wasm_bindgen(js_name = expectHelpers)]
    pub fn expect_helpers(count: u32) {
        helpers::expect(count as usize);
    }
    /// Does the tasks that come. Never returns.
    #[wasm_bindgen]
    pub fn help() {
        helpers::help();
    }
    /// Tells whoever waits that this helper trapped.
    #[wasm_bindgen(js_name = giveUp)]
    pub fn give_up() {
        helpers::give_up();
    }
}

#[wasm_bindgen]
extern "C" {
    /// A [`Batch`] that may be left out: wasm-bindgen takes `Option<Batch>` by value alone, and would empty the
    /// caller's handle.
    #[wasm_bindgen(typescript_type = "Batch")]
    pub type BatchReference;
    #[wasm_bindgen(method, catch)]
    fn share(this: &BatchReference) -> Result<classes::Batch>;
}

/// A typed array of JavaScript.
trait Array<T> {
    fn length(&self) -> u32;
    fn copy_to(&self, entries: &mut [T]);
}

macro_rules! arrays {
    ($($array:ident $entry:ty),*) => {$(
        impl Array<$entry> for js_sys::$array {
            fn length(&self) -> u32 {
                js_sys::$array::length(self)
            }
            fn copy_to(&self, entries: &mut [$entry]) {
                js_sys::$array::copy_to(self, entries);
            }
        }
    )*};
}
arrays!(Uint8Array u8, Uint32Array u32, Float32Array f32, Float64Array f64);

/// A copy of a typed array, or `ERR_MEMORY`: the glue would trap where there is no room.
fn taken<T: engine::Number>(name: &str, array: &impl Array<T>) -> engine::Result<Vec<T>> {
    let mut entries = engine::room(name, array.length() as usize)?;
    array.copy_to(&mut entries);
    Ok(entries)
}

#[allow(clippy::all, reason = "made in one form for every type")]
pub mod classes {
    use super::*;

    include!(concat!(env!("OUT_DIR"), "/classes.rs"));
}
