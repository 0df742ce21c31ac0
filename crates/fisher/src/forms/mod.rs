//! The representations, one file each, beside the settings that each reads.

mod decaying;
mod dense;
mod diagonal;
mod eigenkronecker;
mod kronecker;
mod samples;
mod sketch;
mod window;

pub(crate) use decaying::DecayingDense;
pub use dense::DenseSettings;
pub(crate) use dense::HeldDense;
pub(crate) use diagonal::DiagonalFisher;
pub use diagonal::DiagonalSettings;
pub(crate) use eigenkronecker::EigenKronecker;
pub use eigenkronecker::EigenKroneckerSettings;
pub(crate) use kronecker::Kronecker;
pub use kronecker::{KroneckerDamping, KroneckerSettings};
pub(crate) use samples::Samples;
pub use samples::SamplesSettings;
pub(crate) use sketch::Sketch;
pub use sketch::SketchSettings;
pub(crate) use window::Window;
pub use window::WindowSettings;
