#![forbid(unsafe_code)]
//! What curvature is made of. Models and problems write it, Fishers read it, and neither knows the other.

mod diagonal;
mod factors;
mod observation;
mod rows;
mod sensitivities;
mod statistic;

pub use diagonal::Diagonal;
pub use factors::{Factors, LayerFactors, LayerShape, Outputs};
pub use observation::Observation;
pub use rows::Rows;
pub use statistic::{Statistic, Wants};
