//! What calls that cross a binding have in common: their results and promises.

use crate::{
    Batch, Features, Fisher, InverseUpdate, Optimizer, Point, Problem, Result, Sampler, Samples, Step, Vector,
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

/// A call that goes on beside its caller, a promise in JavaScript.
pub struct Pending<R>(Box<dyn FnOnce() -> Finish<R> + Send>);

/// The part of a call that is left when there is nothing more to wait for. It runs on the caller's thread, where nobody
/// uses the caller's handles meanwhile.
pub type Finish<R> = Box<dyn FnOnce() -> Result<R> + Send>;

impl<R: Send + 'static> Pending<R> {
    /// `work` waits, on any thread, for what the call gives.
    pub fn new(work: impl FnOnce() -> Result<R> + Send + 'static) -> Self {
        Self(Box::new(move || {
            let result = work();
            Box::new(move || result)
        }))
    }

    /// Does something with the result on the caller's thread.
    pub fn then<S: Send + 'static>(self, finish: impl FnOnce(R) -> Result<S> + Send + 'static) -> Pending<S> {
        Pending(Box::new(move || {
            let result = self.wait();
            Box::new(move || finish(result()?))
        }))
    }
}

impl<R> Pending<R> {
    /// Waits; may be called on any thread.
    pub fn wait(self) -> Finish<R> {
        (self.0)()
    }
}
