//! Calls that go on beside their caller.

use crate::Result;

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
