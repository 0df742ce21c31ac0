//! Arrays of JavaScript's that a call writes to.

use napi::bindgen_prelude::{Float32ArraySlice, Float64ArraySlice};

/// Entries to write to.
pub trait Out {
    type Entry;
    fn entries(&mut self) -> &mut [Self::Entry];
}

macro_rules! out {
    ($array:ident, $t:ty) => {
        impl Out for $array<'_> {
            type Entry = $t;
            fn entries(&mut self) -> &mut [$t] {
                // SAFETY: JavaScript waits for the call, and the benchmark hands each array over once.
                unsafe { self.as_mut() }
            }
        }
    };
}
out!(Float32ArraySlice, f32);
out!(Float64ArraySlice, f64);
