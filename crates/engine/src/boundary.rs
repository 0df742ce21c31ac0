//! The results of calls that cross a binding.

use crate::{
    Batch, Features, Fisher, InverseUpdate, Optimizer, Pending, Point, Problem, Result, Sampler, Samples,
    Step, Vector,
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

impl<R> Outcome for Pending<R> {
    type Value = Self;
    fn outcome(self) -> Result<Self> {
        Ok(self)
    }
}
