//! One binary, since each is linked and optimised by itself.

mod agreement;
mod calls;
mod common;
mod contract;
mod kronecker;
mod precision;
mod rank_one;
mod regularizer;
mod sharing;
