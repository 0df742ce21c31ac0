//! The one place where sums over samples become g, f and their derivatives: it divides by the count of the samples and adds
//! the penalty and the prior. Where the samples are spread over ranks, `ts/problems/sharded.ts` adds up what these have.

use nhgd_curvature::{Observation, Wants};
use nhgd_kernels::memory::{Result, zeros};
use nhgd_kernels::{RowSet, Scalar, vector};
use nhgd_problems::{Point, Problem};

/// 1 / the count of the samples.
fn share_of(count: usize) -> f64 {
    1.0 / count as f64
}

/// gradient ← ∇_θ g on a batch; returns g there, and what a Fisher wants of the batch.
pub(crate) fn inner_step<T: Scalar>(
    problem: &dyn Problem<T>,
    point: Point<'_, T>,
    rows: RowSet<'_>,
    wants: Option<(Wants, u64)>,
    gradient: &mut [T],
) -> Result<(f64, Option<Observation<T>>)> {
    let (sum, observation) = problem.inner_sums(point, rows, wants, gradient)?;
    let share = share_of(rows.len());
    vector::scale(T::of(share), gradient);
    problem.penalty().add_gradient(point.outer, point.inner, gradient)?;
    Ok((sum * share + problem.penalty().value(point.outer, point.inner)?, observation))
}

/// g over all samples.
pub(crate) fn inner_loss<T: Scalar>(problem: &dyn Problem<T>, point: Point<'_, T>) -> Result<f64> {
    let n = problem.samples();
    Ok(problem.inner_losses(point, RowSet::all(n))? * share_of(n)
        + problem.penalty().value(point.outer, point.inner)?)
}

/// f over all outer samples.
pub(crate) fn outer_loss<T: Scalar>(problem: &dyn Problem<T>, point: Point<'_, T>) -> Result<f64> {
    let m = problem.outer_samples();
    Ok(problem.outer_losses(point, RowSet::all(m))? * share_of(m)
        + of_outer(problem, point, &mut zeros(point.outer.len())?)?)
}

/// direct ← ∇_v f, target ← ∇_θ f on a batch of the outer samples; returns f there.
pub(crate) fn outer_gradient<T: Scalar>(
    problem: &dyn Problem<T>,
    point: Point<'_, T>,
    rows: RowSet<'_>,
    direct: &mut [T],
    target: &mut [T],
) -> Result<f64> {
    let sum = problem.outer_sums(point, rows, target)?;
    let share = share_of(rows.len());
    vector::scale(T::of(share), target);
    direct.fill(T::zero());
    Ok(sum * share + of_outer(problem, point, direct)?)
}

/// product ← product + scale · Lᵀu, L estimated on a batch.
pub(crate) fn cross_product<T: Scalar>(
    problem: &dyn Problem<T>,
    point: Point<'_, T>,
    rows: RowSet<'_>,
    u: &[T],
    scale: T,
    product: &mut [T],
) -> Result<()> {
    let mut sums = zeros(product.len())?;
    problem.cross_sums(point, rows, u, &mut sums)?;
    let of_penalty = problem.penalty().cross(point.outer, point.inner, u)?;
    vector::axpy(scale * T::of(share_of(rows.len())), &sums, product);
    for (at, sums) in of_penalty {
        product[at..].iter_mut().zip(sums).for_each(|(product, sum)| *product += scale * T::of(sum));
    }
    Ok(())
}

/// product ← Cu on a batch, D included; with the true Hessian in place of C where `hessian` says so.
pub(crate) fn curvature_product<T: Scalar>(
    problem: &dyn Problem<T>,
    point: Point<'_, T>,
    rows: RowSet<'_>,
    u: &[T],
    product: &mut [T],
    hessian: bool,
) -> Result<()> {
    if hessian {
        problem.hessian_sums(point, rows, u, product)?;
    } else {
        problem.curvature_sums(point, rows, u, product)?;
    }
    vector::scale(T::of(share_of(rows.len())), product);
    problem.penalty().add_product(point.outer, point.inner, u, product)
}

/// What f has that depends on v alone: the prior and the terms of the blocks. Adds its gradient.
fn of_outer<T: Scalar>(problem: &dyn Problem<T>, point: Point<'_, T>, gradient: &mut [T]) -> Result<f64> {
    let prior = problem.prior().map_or(0.0, |prior| prior.add(point.outer, gradient));
    Ok(prior + problem.direct(point.outer, gradient)?)
}
