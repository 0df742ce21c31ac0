//! R(v, θ), the part of g that is no sum over samples, with all of its derivatives.

use nhgd_curvature::{Diagonal, LayerShape};
use nhgd_kernels::{Scalar, vector};

/// The group of a parameter that a block does not penalise.
pub const FREE: u32 = u32::MAX;

/// R = reg‖θ‖² + Σ_blocks ½ Σ_k exp(v_k) Σ_{j∈k} θ_j²: a fixed term and blocks whose strengths v_k are learned. Its
/// second derivative D is diagonal.
#[derive(Clone, Debug)]
pub struct Penalty<T> {
    regularization: T,
    blocks: Vec<(usize, Groups)>,
}

/// Which parameters share a strength.
#[derive(Clone, Debug)]
pub struct Groups {
    /// The group of each parameter, or [`FREE`].
    of: Vec<u32>,
    count: usize,
}

/// What has a strength of its own.
#[derive(Clone, Debug)]
pub enum Per {
    /// θ as a whole.
    All,
    /// Each feature, with all outputs, of a model of one layer; a bias, where it is included, is the last.
    Feature,
    /// Each layer.
    Layer,
    /// Given groups, numbered from 0: one per feature of a model of one layer, or one per parameter.
    Group(Vec<u32>),
}

impl Groups {
    /// The groups of a model with these layers and features per sample; a bias is free unless it is included. Errors
    /// tell the argument, what was expected and what came.
    pub fn new(
        per: &Per,
        bias: bool,
        layers: &[LayerShape],
        features: usize,
    ) -> Result<Self, (&'static str, String, String)> {
        let parameters: usize = layers.iter().map(|layer| layer.inputs * layer.outputs).sum();
        let wrong = |name, expected: String, got: String| Err((name, expected, got));
        if let Per::Group(groups) = per
            && groups.len() != parameters
            && (groups.len() != features || layers.len() > 1)
        {
            let per_feature =
                if layers.len() == 1 { format!("per feature ({features}) or ") } else { String::new() };
            let expected = format!("one group {per_feature}per parameter ({parameters})");
            return wrong("groups", expected, groups.len().to_string());
        }
        if matches!(per, Per::Feature) && layers.len() > 1 {
            let expected = "\"all\", \"group\" or \"layer\" for a model of several layers";
            return wrong("per", expected.to_string(), "\"feature\"".to_string());
        }
        let mut of = Vec::with_capacity(parameters);
        let mut before = features;
        for (l, layer) in layers.iter().enumerate() {
            for row in 0..layer.inputs {
                let is_bias = row == before;
                for _ in 0..layer.outputs {
                    of.push(match per {
                        _ if is_bias && !bias => FREE,
                        Per::All => 0,
                        Per::Layer => l as u32,
                        Per::Feature => row as u32,
                        Per::Group(groups) if groups.len() == parameters => groups[of.len()],
                        Per::Group(groups) if is_bias => groups.iter().max().map_or(0, |last| last + 1),
                        Per::Group(groups) => groups[row],
                    });
                }
            }
            before = layer.outputs;
        }
        let count = of.iter().filter(|&&k| k != FREE).max().map_or(0, |&last| last as usize + 1);
        let mut used = vec![false; count.min(of.len() + 1)];
        of.iter().for_each(|&k| {
            if let Some(used) = used.get_mut(k as usize) {
                *used = true;
            }
        });
        match used.iter().position(|&used| !used) {
            None if count > 0 => Ok(Self { of, count }),
            at => {
                let at = at.unwrap_or(0);
                wrong("groups", "every group to hold a parameter".to_string(), format!("none in group {at}"))
            }
        }
    }

    /// Number of groups, which is the number of strengths.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no group; a block always has one.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<T: Scalar> Penalty<T> {
    /// Each block comes with the place of its strengths in v.
    pub fn new(regularization: T, blocks: Vec<(usize, Groups)>) -> Self {
        Self { regularization, blocks }
    }

    /// R = 0.
    pub fn none() -> Self {
        Self::new(T::zero(), Vec::new())
    }

    /// Whether D moves with v.
    pub fn is_learned(&self) -> bool {
        !self.blocks.is_empty()
    }

    /// R.
    pub fn value(&self, outer: &[T], inner: &[T]) -> f64 {
        let mut product = vec![T::zero(); inner.len()];
        self.add_product(outer, inner, &mut product);
        0.5 * vector::dot(inner, &product).wide()
    }

    /// product ← product + Dx; with x = θ, Dθ is ∇_θ R.
    pub fn add_product(&self, outer: &[T], x: &[T], product: &mut [T]) {
        vector::axpy(self.regularization + self.regularization, x, product);
        for (at, groups) in &self.blocks {
            let strengths = strengths(&outer[*at..][..groups.count]);
            for ((&k, &x), product) in groups.of.iter().zip(x).zip(&mut *product) {
                if k != FREE {
                    *product += strengths[k as usize] * x;
                }
            }
        }
    }

    /// D = ∇²_θ R.
    pub fn diagonal(&self, outer: &[T], parameters: usize) -> Diagonal<T> {
        let double = self.regularization + self.regularization;
        if !self.is_learned() {
            return Diagonal::Scalar(double);
        }
        let mut diagonal = vec![T::zero(); parameters];
        self.add_product(outer, &vec![T::one(); parameters], &mut diagonal);
        let first = diagonal[0];
        if diagonal.iter().all(|&d| d == first) {
            Diagonal::Scalar(first)
        } else {
            Diagonal::Vector(diagonal)
        }
    }

    /// product ← product + scale · (∂²R/∂θ∂v)ᵀ u: exp(v_k) Σ_{j∈k} θ_j u_j for every strength.
    pub fn add_cross(&self, outer: &[T], inner: &[T], u: &[T], scale: T, product: &mut [T]) {
        for (at, groups) in &self.blocks {
            let mut sums = vec![0.0; groups.count];
            for ((&k, &x), &u) in groups.of.iter().zip(inner).zip(u) {
                if k != FREE {
                    sums[k as usize] += x.wide() * u.wide();
                }
            }
            let strengths = strengths(&outer[*at..][..groups.count]);
            for ((product, strength), sum) in product[*at..].iter_mut().zip(strengths).zip(sums) {
                *product += scale * strength * T::of(sum);
            }
        }
    }
}

fn strengths<T: Scalar>(outer: &[T]) -> Vec<T> {
    outer.iter().map(|v| v.exp()).collect()
}

#[cfg(test)]
mod tests;
