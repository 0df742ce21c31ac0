//! A symmetric inverse under rank-one updates. It stores one half and writes it only every few updates.
//!
//! At large d the cost of an update is the memory that it moves. So A = s (B + Σ_j w_j u_j u_jᵀ), where B is stored and
//! the sum is pending: an update reads B once, for the product with the gradient, and appends a pair (w, u). When no
//! more pairs fit, the pass that forms the next product also writes them into B.

mod apply;
mod inverse;
mod multiply;
mod panels;
mod pass;
mod update;

pub use inverse::SymmetricInverse;
pub use update::Indefinite;

#[cfg(test)]
mod tests;
