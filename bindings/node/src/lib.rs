//! The engine's classes as a Node-API addon: types across, panics to errors, waiting off the main thread.
//! The classes themselves are made from ts/backend/binding.ts by bindings/generate.mjs.

#![deny(unsafe_code)]
#![allow(missing_docs, reason = "the classes are documented in ts/backend/binding.ts")]
// napi-derive generates the unsafe glue; `view` alone is written here.

use std::cell::{Cell, Ref, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use napi::bindgen_prelude::{
    AsyncTask, Either, Float32Array, Float32ArraySlice, Float64Array, Float64ArraySlice, ObjectFinalize,
    Uint8Array, Uint8ArraySlice, Uint32Array, Uint32ArraySlice,
};
use napi::{Env, Task};
use napi_derive::napi;
use nhgd_engine as engine;
use nhgd_engine::taken;

type Result<T> = napi::Result<T, &'static str>;

/// An array of the caller's that a call fills. The macro takes `&mut` for a reference to a class.
type Filled<'a, T> = &'a mut [T];

/// Runs a call of the engine; errors keep their code, a panic becomes `ERR_INTERNAL`.
fn guard<T>(call: impl FnOnce() -> engine::Result<T>) -> Result<T> {
    caught(call).map_err(|e| napi::Error::new(e.code.as_str(), e.message))
}

fn caught<T>(call: impl FnOnce() -> engine::Result<T>) -> engine::Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err(engine::Error::internal("a call")))
}

/// Node could not allocate.
fn refused(error: napi::Error) -> napi::Error<&'static str> {
    napi::Error::new(engine::Code::Memory.as_str(), error.reason.to_string())
}

/// An array on the memory of a mapped file, which keeps it mapped. Writing there changes no file.
#[allow(unsafe_code, reason = "an array on memory that JavaScript did not allocate")]
fn view(env: &Env, file: Arc<engine::MappedFile>) -> napi::Result<Uint8ArraySlice<'_>> {
    // SAFETY: the bytes stay where they are as long as `file` is there, which the array holds until it is collected.
    // The engine lets each file be viewed once.
    unsafe {
        Uint8ArraySlice::from_external(env, file.start().as_ptr(), file.len(), file, |_, file| drop(file))
    }
}

/// An object of the engine until it is freed, and the bytes that V8 was told of it.
pub struct Handle<T> {
    object: RefCell<Option<T>>,
    told: Cell<i64>,
}

impl<T: engine::Held> Handle<T> {
    fn new(env: &Env, object: T) -> Self {
        let bytes = object.held() as i64;
        tell(env, bytes);
        Self { object: RefCell::new(Some(object)), told: Cell::new(bytes) }
    }

    /// A handle to what another one holds, which told of it.
    fn sharing(object: T) -> Self {
        Self { object: RefCell::new(Some(object)), told: Cell::new(0) }
    }

    fn get(&self, name: &str) -> engine::Result<Ref<'_, T>> {
        Ref::filter_map(self.object.borrow(), Option::as_ref).map_err(|_| engine::Error::disposed(name))
    }

    fn free(&self, env: &Env) {
        drop(self.object.take());
        tell(env, -self.told.take());
    }
}

/// Tells V8 of memory that its garbage holds: without that it sees no reason to collect.
fn tell(env: &Env, bytes: i64) {
    if bytes != 0 {
        // An estimate: a host that does not want it changes nothing.
        let _ = env.adjust_external_memory(bytes);
    }
}

/// Version, SIMD level, BLAS, threads and target, as JSON.
#[napi]
pub fn info() -> String {
    engine::info()
}

/// What the promise of a failed call resolves to: a rejection would lose the code.
#[napi(object)]
pub struct Failure {
    pub code: String,
    pub message: String,
}

/// Waits off the main thread, and finishes on it.
pub struct Later<R>(Option<engine::Pending<R>>);

impl<R: Crosses> Later<R> {
    fn task(pending: engine::Pending<R>) -> AsyncTask<Self> {
        AsyncTask::new(Self(Some(pending)))
    }
}

impl<R: Crosses> Task for Later<R> {
    type Output = engine::Result<engine::Finish<R>>;
    type JsValue = Either<R::Js, Failure>;

    fn compute(&mut self) -> napi::Result<Self::Output> {
        let waited =
            || self.0.take().map(engine::Pending::wait).ok_or_else(|| engine::Error::internal("a call"));
        Ok(caught(waited))
    }

    fn resolve(&mut self, _env: Env, finish: Self::Output) -> napi::Result<Self::JsValue> {
        Ok(match finish.and_then(|finish| caught(finish)) {
            Ok(value) => Either::A(value.into()),
            Err(e) => Either::B(Failure { code: e.code.as_str().to_owned(), message: e.message }),
        })
    }
}

/// What a promise may resolve to.
pub trait Crosses: Into<Self::Js> + Send + 'static {
    type Js: napi::bindgen_prelude::ToNapiValue + napi::bindgen_prelude::TypeName;
}

impl Crosses for () {
    type Js = ();
}

impl Crosses for String {
    type Js = String;
}

impl Crosses for Vec<u8> {
    type Js = Uint8Array;
}

#[allow(clippy::all, reason = "made in one form for every type")]
pub mod classes {
    use super::*;

    include!(concat!(env!("OUT_DIR"), "/classes.rs"));
}
