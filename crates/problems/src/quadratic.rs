//! A bilevel problem whose answer is known in closed form.

use nhgd_curvature::{LayerShape, Observation, Rows, Wants};
use nhgd_kernels::memory::{Result, collected, copied, filled, reserved, zeros};
use nhgd_kernels::{MatRef, RowSet, Scalar, matvec, vector};

use crate::blocks::Penalty;
use crate::{Point, Prior, Problem};

/// g = ½ θᵀHθ − θᵀ(Cv + c₀), f = ½ (θ − t)ᵀQ(θ − t) + ½ μ‖v‖².
///
/// θ*(v) = H⁻¹(Cv + c₀), ∇Φ = μv + CᵀH⁻¹Q(θ* − t). It has one sample, inner and outer, and
/// no penalty: all of H is data, and a Fisher is given a square root of H, so that F = H.
#[derive(Debug)]
pub struct Quadratic<T> {
    h: Vec<T>,
    c: Vec<T>,
    c0: Vec<T>,
    q: Vec<T>,
    t: Vec<T>,
    root: Vec<T>,
    penalty: Penalty<T>,
    prior: Prior<T>,
}

impl<T: Scalar> Quadratic<T> {
    /// H and Q are d × d, C is d × p, c₀ and t have d entries; `root` is d × d with rootᵀ root = H.
    pub fn new([h, c, c0, q, t, root]: [Vec<T>; 6], mu: T) -> Result<Self> {
        let d = t.len();
        assert!(h.len() == d * d && q.len() == d * d && c0.len() == d && c.len().is_multiple_of(d.max(1)));
        let p = c.len() / d.max(1);
        let prior = Prior { mean: zeros(p)?, precision: filled(mu, p)? };
        Ok(Self { h, c, c0, q, t, root, penalty: Penalty::none(), prior })
    }

    fn d(&self) -> usize {
        self.t.len()
    }

    fn square<'a>(&self, a: &'a [T]) -> MatRef<'a, T> {
        MatRef::new(a, self.d(), self.d())
    }

    fn cross(&self) -> MatRef<'_, T> {
        MatRef::new(&self.c, self.d(), self.outer_len())
    }

    fn offset(&self, inner: &[T]) -> Result<Vec<T>> {
        collected(inner.iter().zip(&self.t).map(|(&x, &t)| x - t))
    }

    /// Cv + c₀.
    fn linear(&self, outer: &[T]) -> Result<Vec<T>> {
        let mut linear = copied(&self.c0)?;
        matvec(&mut linear, T::one(), T::one(), self.cross(), outer);
        Ok(linear)
    }
}

impl<T: Scalar> Problem<T> for Quadratic<T> {
    fn inner_len(&self) -> usize {
        self.d()
    }

    fn outer_len(&self) -> usize {
        self.c.len() / self.d().max(1)
    }

    fn samples(&self) -> usize {
        1
    }

    fn outer_samples(&self) -> usize {
        1
    }

    fn layers(&self) -> Vec<LayerShape> {
        Vec::new()
    }

    fn initial(&self, _seed: u64) -> Result<Vec<T>> {
        zeros(self.d())
    }

    fn penalty(&self) -> &Penalty<T> {
        &self.penalty
    }

    fn prior(&self) -> Option<&Prior<T>> {
        Some(&self.prior)
    }

    fn inner_sums(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        wants: Option<(Wants, u64)>,
        gradient: &mut [T],
    ) -> Result<(f64, Option<Observation<T>>)> {
        let linear = self.linear(point.outer)?;
        matvec(gradient, T::zero(), T::one(), self.square(&self.h), point.inner);
        let loss = 0.5 * vector::dot(point.inner, gradient).wide() - vector::dot(point.inner, &linear).wide();
        vector::axpy(-T::one(), &linear, gradient);
        let observation = wants.map(|(wants, seed)| match wants {
            Wants::Mean => Ok(Observation::Rows(Rows { data: copied(gradient)?, count: 1 })),
            _ => self.observation(point, rows, wants, seed),
        });
        Ok((loss, observation.transpose()?))
    }

    fn observation(
        &self,
        point: Point<'_, T>,
        rows: RowSet<'_>,
        wants: Wants,
        seed: u64,
    ) -> Result<Observation<T>> {
        let d = self.d();
        let mut row: Vec<T> = zeros(d)?;
        match wants {
            Wants::Mean => {
                self.inner_sums(point, rows, None, &mut row)?;
            }
            Wants::Signed(_) => {
                let mut signs = reserved(d)?;
                signs.extend(nhgd_models::signs(seed, 0..d).map(T::of));
                matvec(&mut row, T::zero(), T::one(), self.square(&self.root).t(), &signs);
            }
            Wants::Rows(_) | Wants::Factors(_) => {
                return Ok(Observation::Rows(Rows { data: copied(&self.root)?, count: d }));
            }
        }
        Ok(Observation::Rows(Rows { data: row, count: 1 }))
    }

    fn inner_losses(&self, point: Point<'_, T>, rows: RowSet<'_>) -> Result<f64> {
        Ok(self.inner_sums(point, rows, None, &mut zeros(self.d())?)?.0)
    }

    fn outer_losses(&self, point: Point<'_, T>, rows: RowSet<'_>) -> Result<f64> {
        self.outer_sums(point, rows, &mut zeros(self.d())?)
    }

    fn outer_sums(&self, point: Point<'_, T>, _rows: RowSet<'_>, target: &mut [T]) -> Result<f64> {
        let offset = self.offset(point.inner)?;
        matvec(target, T::zero(), T::one(), self.square(&self.q), &offset);
        Ok(0.5 * vector::dot(&offset, target).wide())
    }

    fn cross_sums(&self, _point: Point<'_, T>, _rows: RowSet<'_>, u: &[T], product: &mut [T]) -> Result<()> {
        matvec(product, T::one(), -T::one(), self.cross().t(), u);
        Ok(())
    }

    fn curvature_sums(
        &self,
        _point: Point<'_, T>,
        _rows: RowSet<'_>,
        u: &[T],
        product: &mut [T],
    ) -> Result<()> {
        matvec(product, T::zero(), T::one(), self.square(&self.h), u);
        Ok(())
    }

    fn curvature(&self) -> &'static str {
        "hessian"
    }

    fn bytes(&self) -> usize {
        size_of::<T>() * (3 * self.d() + self.outer_len() + 2) * self.d()
    }
}
