//! Dense kernels for inverse-Fisher updates and for models whose layers are skinny matrix products.
//!
//! Kernels assume operands that were checked at the edge of the library: a shape that does not fit is a
//! programming error and panics. An operation that can fail on good shapes (a factorisation, an iteration)
//! returns a `Result`.
//!
//! The module [`simd`] alone chooses the instruction set. Matrices are row-major unless a [`MatRef`] says otherwise.

pub mod activation;
pub mod aligned;
#[cfg(blas)]
mod blas;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod bytes;
pub mod cholesky;
pub mod conjugate_gradients;
pub mod coordinate_descent;
#[cfg(not(target_family = "wasm"))]
mod crew;
pub mod eigen;
pub mod entries;
mod exp;
pub mod features;
mod gemv;
#[cfg(any(all(target_arch = "wasm32", target_feature = "atomics"), feature = "helpers", test))]
pub mod helpers;
#[cfg(not(target_family = "wasm"))]
pub mod mapping;
pub mod matrix;
pub mod memory;
#[cfg(test)]
mod naive;
#[cfg(any(target_arch = "wasm32", test))]
mod packed;
mod pages;
pub mod product;
pub mod rank_one;
pub mod scalar;
pub mod simd;
pub mod skinny;
pub mod softmax;
#[cfg(not(any(blas, target_arch = "wasm32")))]
mod syrk;
pub mod threads;
pub mod triangular;
pub mod tuning;
pub mod vector;

pub use activation::{Activation, activate};
pub use aligned::Aligned;
pub use cholesky::{Cholesky, NotPositiveDefinite};
pub use conjugate_gradients::{CgOutcome, CgStop, conjugate_gradients};
pub use coordinate_descent::PenalizedQuadratic;
pub use eigen::{Eigen, NoConvergence, symmetric_eigen};
pub use entries::Entries;
pub use features::{FeatureData, Features, RowSet};
#[cfg(not(target_family = "wasm"))]
pub use mapping::{Mapped, Mapping};
pub use matrix::{MatMut, MatRef};
pub use memory::OutOfMemory;
pub use product::{blas, matmul, matvec, mirror_lower, syrk, weighted_gram};
pub use rank_one::{Indefinite, SymmetricInverse};
pub use scalar::Scalar;
pub use threads::for_chunks;
