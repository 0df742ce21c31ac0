//! The bare kernels over resident matrices: [`Vector`](crate::Vector)s that hold row-major entries of one scalar type.

#[cfg(not(target_family = "wasm"))]
use nhgd_settings::{Value, object, text};

/// Runs `$body` with `$T` the scalar type of `$main`. Each operand is locked under its own name, has to be of that type
/// and of the given shape, and is a `&mut Vec<$T>` in the body.
macro_rules! operands {
    ($T:ident of $main:ident; $($x:ident: $shape:expr),+ => $body:expr) => {
        if $main.dtype()? == "f32" {
            type $T = f32;
            operands!(@ $T; $($x: $shape),+ => $body)
        } else {
            type $T = f64;
            operands!(@ $T; $($x: $shape),+ => $body)
        }
    };
    (@ $T:ident; $($x:ident: $shape:expr),+ => $body:expr) => {{
        $(let mut $x = $x.lock(stringify!($x))?;)+
        $(
            let $x = $x.of::<$T>(stringify!($x))?;
            $crate::error::length(stringify!($x), $crate::kernels::entries($shape), $x.len())?;
        )+
        $body
    }};
}

mod coordinate_descent;
mod factorizations;
mod inverse_update;
mod kronecker;
mod products;

pub use coordinate_descent::descend;
pub use factorizations::{cholesky_inverse, cholesky_solve, conjugate_gradients, symmetric_eigen};
pub use inverse_update::InverseUpdate;
pub use kronecker::{kronecker_solve, per_sample_gram};
pub use products::{gemm, symv, syrk, weighted_gram};

/// What the kernels chose by the caches of the machine, as JSON: for each choice its name, value and reason.
#[cfg(not(target_family = "wasm"))]
pub fn tuning() -> String {
    let choices = nhgd_kernels::tuning::choices().into_iter().map(|choice| {
        object(vec![("name", choice.name.into()), ("value", choice.value.into()), ("why", choice.why.into())])
    });
    text(&Value::Array(choices.collect()))
}

/// Entries of a shape; more than any vector has where their number overflows.
fn entries<const N: usize>(shape: [usize; N]) -> usize {
    shape.into_iter().try_fold(1, usize::checked_mul).unwrap_or(usize::MAX)
}
