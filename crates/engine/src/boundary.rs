//! The results of calls that cross a binding.

use crate::{
    Batch, Features, Fisher, InverseUpdate, Optimizer, Pending, Point, Predictor, Problem, Result, Sampler,
    Samples, Step, Transition, Vector,
};

/// The result of a call, whether or not it can fail.
pub trait Outcome {
    /// What it is when the call succeeds.
    type Value;
    /// The value, or why there is none.
    fn outcome(self) -> Result<Self::Value>;
}

impl<T> Outcome for Result<T> {
    type Value = T;
    fn outcome(self) -> Self {
        self
    }
}

macro_rules! infallible {
    ($($type:ty),* $(,)?) => {$(
        impl Outcome for $type {
            type Value = Self;
            fn outcome(self) -> Result<Self> {
                Ok(self)
            }
        }
    )*};
}
infallible!((), bool, f64, u32, usize, String, &'static str, Vec<u8>, Vec<u32>, Vec<f32>, Vec<f64>);
infallible!(
    Batch,
    Features,
    Fisher,
    InverseUpdate,
    Optimizer,
    Point,
    Problem,
    Sampler,
    Samples,
    Step,
    Vector
);

/// The memory that a handle keeps, for a host that frees handles in the order of need.
pub trait Held {
    /// Bytes; 0 where they are few, or other handles account for them.
    fn held(&self) -> usize {
        0
    }
}

macro_rules! held {
    ($($type:ident $x:ident => $bytes:expr),* $(,)?) => {$(
        impl Held for $type {
            fn held(&self) -> usize {
                let $x = self;
                $bytes
            }
        }
    )*};
}
held! {
    Features x => x.0.bytes(),
    Fisher x => x.bytes(),
    InverseUpdate x => x.bytes(),
    Problem x => x.bytes(),
    Step x => 2 * x.gradient().bytes(),
    Vector x => x.bytes(),
}

macro_rules! light {
    ($($type:ty),*) => {$(impl Held for $type {})*};
}
#[cfg(not(target_family = "wasm"))]
light!(crate::Mapping);
light!(Batch, Optimizer, Point, Predictor, Sampler, Samples, Transition);

impl<R> Outcome for Pending<R> {
    type Value = Self;
    fn outcome(self) -> Result<Self> {
        Ok(self)
    }
}
