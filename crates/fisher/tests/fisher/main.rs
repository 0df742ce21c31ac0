//! One binary, since each is linked and optimised by itself.

mod agreement;
mod common;
mod contract;
mod kronecker;
mod rank_one;
mod sharing;
