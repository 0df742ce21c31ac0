#![forbid(unsafe_code)]
//! What both bindings expose, under the same names: handles over `f32` and `f64`, batches, steps, optimisers, the
//! Fisher with its worker queue, and errors with stable codes.
//!
//! Handles are shared: every method takes `&self`, and a handle that is in use elsewhere is refused, not corrupted.
//! Settings arrive and reports leave as JSON; numbers that are many stay in [`Vector`]s.

mod batch;
mod bilevel;
mod boundary;
mod checkpoint;
mod error;
mod exact;
mod features;
mod fisher;
mod info;
pub mod kernels;
#[cfg(not(target_family = "wasm"))]
mod mapping;
mod model;
mod optimizer;
mod pending;
mod physics;
mod point;
mod problem;
mod queue;
mod reduce;
mod step;
mod transition;
#[cfg(test)]
mod types;
mod vector;

pub use batch::{Batch, Sampler, seed_bits};
pub use boundary::{Held, Outcome};
pub use error::{Code, Error, Result, room, taken};
pub use features::{Features, Samples};
pub use fisher::Fisher;
pub use info::info;
pub use kernels::InverseUpdate;
#[cfg(not(target_family = "wasm"))]
pub use mapping::Mapping;
pub use model::Predictor;
#[cfg(not(target_family = "wasm"))]
pub use nhgd_kernels::Mapping as MappedFile;
#[cfg(all(target_arch = "wasm32", target_feature = "atomics"))]
pub use nhgd_kernels::helpers;
pub use nhgd_kernels::memory::Number;
pub use optimizer::Optimizer;
pub use pending::{Finish, Pending};
pub use point::Point;
pub use problem::Problem;
pub use step::Step;
pub use transition::Transition;
pub use vector::{Element, Vector};
