//! Inner products of per-sample gradients with many directions at once.

use nhgd_kernels::memory::{Result, append, collected, copied, grow, joined, zeros};
use nhgd_kernels::{MatMut, MatRef, Scalar, for_chunks, matmul, matvec, vector};

use crate::{Factors, LayerShape};

/// Samples per chunk, the unit that threads share.
const CHUNK: usize = 1024;
/// Terms of directions that a product takes at once, so that its results stay in cache until they are summed.
const TERMS: usize = 256;
/// What counts as rounding, in units of ε and of the direction's norm: what solves with Kronecker factors leave.
const ROUNDING: f64 = 128.0;

/// One layer of all directions as sums of products: direction j is Σ x_r y_rᵀ over the terms r that it owns.
struct Terms<T> {
    /// x, terms × inputs.
    inputs: Vec<T>,
    /// y, terms × outputs.
    outputs: Vec<T>,
    /// j of each term.
    owners: Vec<usize>,
}

impl<T: Scalar> Terms<T> {
    /// Adds the terms of direction `owner`, whose part of the layer is `matrix`, inputs × outputs.
    ///
    /// They come from Gram–Schmidt on its shorter side, the longest vector first, and end where what is left is rounding.
    /// So a product of Kronecker factors with one gradient is one term.
    fn push(&mut self, owner: usize, matrix: &[T], LayerShape { inputs, outputs }: LayerShape) -> Result<()> {
        let wide = inputs < outputs;
        let (count, length) = if wide { (inputs, outputs) } else { (outputs, inputs) };
        let mut rest = zeros(count * length)?;
        let (row, col) = if wide { (length, 1) } else { (1, length) };
        for (i, entries) in matrix.chunks_exact(outputs).enumerate() {
            entries.iter().enumerate().for_each(|(j, &x)| rest[i * row + j * col] = x);
        }
        let mut enough = T::zero();
        for term in 0..count {
            let squares: Vec<T> = collected(rest.chunks_exact(length).map(|x| vector::dot(x, x)))?;
            let left = vector::sum(&squares);
            if term == 0 {
                enough = left * (T::of(ROUNDING) * T::epsilon()).powi(2);
            }
            let mut longest = 0;
            for c in 1..count {
                if squares[c] > squares[longest] {
                    longest = c;
                }
            }
            if left <= enough {
                break;
            }
            let mut unit = copied(&rest[longest * length..][..length])?;
            vector::scale(T::one() / squares[longest].sqrt(), &mut unit);
            let mut shares = zeros(count)?;
            matvec(&mut shares, T::zero(), T::one(), MatRef::new(&rest, count, length), &unit);
            let (column, row) = (MatRef::new(&shares, count, 1), MatRef::new(&unit, 1, length));
            matmul(MatMut::new(&mut rest, count, length), T::one(), -T::one(), column, row)?;
            let (x, y) = if wide { (&shares, &unit) } else { (&unit, &shares) };
            append(&mut self.inputs, x)?;
            append(&mut self.outputs, y)?;
            grow(&mut self.owners, 1)?;
            self.owners.push(owner);
        }
        Ok(())
    }

    /// out_ij += Σ_t (a_itᵀ x_r)(s_itᵀ y_r) over the terms r of direction j and the positions t of sample i.
    fn add(
        &self,
        (a, s): (MatRef<'_, T>, MatRef<'_, T>),
        positions: usize,
        count: usize,
        out: &mut [T],
    ) -> Result<()> {
        let rows = a.rows();
        let (x, y) = (
            MatRef::new(&self.inputs, self.owners.len(), a.cols()),
            MatRef::new(&self.outputs, self.owners.len(), s.cols()),
        );
        let (mut p, mut q): (Vec<T>, Vec<T>) = (zeros(rows * TERMS)?, zeros(rows * TERMS)?);
        for (first, owners) in self.owners.chunks(TERMS).enumerate() {
            let (first, terms) = (first * TERMS, owners.len());
            let (p, q) = (&mut p[..rows * terms], &mut q[..rows * terms]);
            let part = |side: MatRef<'_, T>, of: MatRef<'_, T>, out: &mut [T]| {
                let of = of.block(first, 0, terms, of.cols()).t();
                matmul(MatMut::new(out, rows, terms), T::zero(), T::one(), side, of)
            };
            part(a, x, p)?;
            part(s, y, q)?;
            for (at, (p, q)) in p.chunks_exact(terms).zip(q.chunks_exact(terms)).enumerate() {
                let out = &mut out[at / positions * count..][..count];
                owners.iter().zip(p).zip(q).for_each(|((&j, &p), &q)| out[j] += p * q);
            }
        }
        Ok(())
    }
}

impl<T: Scalar> Factors<T> {
    /// ⟨g_i, u_j⟩ of each sample i and each direction u_j, samples × directions, of factors with one gradient per sample.
    /// `directions` are vectors of θ's length, one after the other; the weights are not looked at.
    pub fn sensitivities(&self, layers: &[LayerShape], directions: &[T], threads: usize) -> Result<Vec<T>> {
        debug_assert!(self.directions == 1, "one gradient per sample");
        let d: usize = layers.iter().map(|shape| shape.inputs * shape.outputs).sum();
        let count = directions.len() / d;
        let mut start = 0;
        let terms: Vec<_> = (layers.iter())
            .map(|&shape| {
                let span = start..start + shape.inputs * shape.outputs;
                start = span.end;
                let mut terms = Terms { inputs: Vec::new(), outputs: Vec::new(), owners: Vec::new() };
                for (j, u) in directions.chunks_exact(d).enumerate() {
                    terms.push(j, &u[span.clone()], shape)?;
                }
                Ok(terms)
            })
            .collect::<Result<_>>()?;
        let (first, shape) = (&self.layers[0], layers[0]);
        let samples = first.inputs.len() / (first.positions * shape.inputs);
        let chunks = for_chunks(samples, CHUNK, threads, |_, range| {
            let mut out = zeros(range.len() * count)?;
            for ((layer, shape), terms) in self.layers.iter().zip(layers).zip(&terms) {
                let (from, rows) = (range.start * layer.positions, range.len() * layer.positions);
                let rows_of = |data, width| {
                    MatRef::new(data, samples * layer.positions, width).block(from, 0, rows, width)
                };
                let factors = (rows_of(&layer.inputs, shape.inputs), rows_of(&layer.outputs, shape.outputs));
                terms.add(factors, layer.positions, count, &mut out)?;
            }
            Ok(out)
        })?;
        joined(&chunks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LayerFactors;

    fn numbers(n: usize, seed: usize) -> Vec<f64> {
        (0..n).map(|i| ((i * i + 7 * i + 3 * seed) as f64 * 1.3).sin()).collect()
    }

    #[test]
    fn sensitivities_are_inner_products_with_the_gradients() {
        let layers = [LayerShape { inputs: 5, outputs: 3 }, LayerShape { inputs: 4, outputs: 6 }];
        let (samples, count, d) = (300, 7, 39);
        let shared = LayerFactors {
            positions: 2,
            ..LayerFactors::new(numbers(samples * 10, 1), numbers(samples * 6, 2))
        };
        let plain = LayerFactors::new(numbers(samples * 4, 3), numbers(samples * 6, 4));
        let factors = Factors { weights: vec![1.0; samples], directions: 1, layers: vec![shared, plain] };
        let mut directions = numbers(count * d, 5);
        directions[d..2 * d].fill(0.0);
        // A direction of rank one, and one that is zero in a layer.
        for at in 0..15 {
            directions[2 * d + at] = (at / 3) as f64 * ((at % 3) as f64 - 1.5);
            directions[3 * d + at] = 0.0;
        }
        let out = factors.sensitivities(&layers, &directions, 2).unwrap();
        let rows = factors.rows(&layers).unwrap().data;
        for i in 0..samples {
            for j in 0..count {
                let expected =
                    (samples as f64).sqrt() * vector::dot(&rows[i * d..][..d], &directions[j * d..][..d]);
                assert!((out[i * count + j] - expected).abs() < 1e-12 * (1.0 + expected.abs()), "{i} {j}");
            }
        }
    }

    #[test]
    fn a_direction_has_as_many_terms_as_its_rank() {
        let shape = LayerShape { inputs: 6, outputs: 4 };
        let mut terms = Terms { inputs: Vec::new(), outputs: Vec::new(), owners: Vec::new() };
        let product: Vec<f64> = (0..24).map(|at| ((at / 4) as f64).cos() * ((at % 4) as f64).exp()).collect();
        terms.push(0, &product, shape).unwrap();
        assert_eq!(terms.owners, [0]);
        terms.push(1, &numbers(24, 9), shape).unwrap();
        assert_eq!(terms.owners, [0, 1, 1, 1, 1]);
        terms.push(2, &[0.0; 24], shape).unwrap();
        assert_eq!(terms.owners.len(), 5);
    }
}
