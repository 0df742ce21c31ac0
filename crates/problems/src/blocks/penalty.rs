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
mod tests {
    use super::*;

    const LAYERS: [LayerShape; 2] =
        [LayerShape { inputs: 3, outputs: 2 }, LayerShape { inputs: 3, outputs: 1 }];

    fn groups(per: &Per, bias: bool, layers: &[LayerShape]) -> Vec<u32> {
        Groups::new(per, bias, layers, 2).expect("good groups").of
    }

    #[test]
    fn groups_follow_the_rows_of_layers_and_leave_a_bias_free() {
        let (one, free) = (&LAYERS[..1], FREE);
        assert_eq!(groups(&Per::All, false, &LAYERS), [0, 0, 0, 0, free, free, 0, 0, free]);
        assert_eq!(groups(&Per::Layer, true, &LAYERS), [0, 0, 0, 0, 0, 0, 1, 1, 1]);
        assert_eq!(groups(&Per::Feature, false, one), [0, 0, 1, 1, free, free]);
        assert_eq!(groups(&Per::Feature, true, one), [0, 0, 1, 1, 2, 2]);
        assert_eq!(groups(&Per::Group(vec![1, 0]), false, one), [1, 1, 0, 0, free, free]);
        assert_eq!(groups(&Per::Group(vec![0, 0]), true, one), [0, 0, 0, 0, 1, 1]);
        assert_eq!(groups(&Per::Group(vec![0, 1, 0, 1, 0, 0]), true, one), [0, 1, 0, 1, 0, 0]);
    }

    #[test]
    fn groups_that_do_not_fit_are_refused() {
        let error = |per, layers| Groups::new(&per, false, layers, 2).expect_err("a misfit").0;
        assert_eq!(error(Per::Feature, &LAYERS[..]), "per");
        assert_eq!(error(Per::Group(vec![0, 1]), &LAYERS[..]), "groups");
        let wide = [LAYERS[0], LayerShape { inputs: 5, outputs: 1 }]; // more units than features
        assert_eq!(error(Per::Group(vec![0, 1]), &wide), "groups");
        assert_eq!(error(Per::Group(vec![0, 2]), &LAYERS[..1]), "groups");
        assert_eq!(error(Per::Group(vec![0, FREE - 1]), &LAYERS[..1]), "groups");
        assert_eq!(error(Per::Group(vec![0; 5]), &LAYERS[..1]), "groups");
    }

    #[test]
    fn derivatives_are_those_of_the_value() {
        let blocks = [(Per::Feature, true, 1), (Per::All, false, 0)]
            .map(|(per, bias, at)| (at, Groups::new(&per, bias, &LAYERS[..1], 2).expect("good groups")));
        let penalty = Penalty::new(0.1f64, blocks.to_vec());
        let (v, theta, u) =
            ([0.3, -0.5, 0.2, 1.0], [0.4, -1.0, 0.7, 0.2, -0.3, 1.5], [1.0, 0.5, -0.2, 0.3, 2.0, -1.0]);
        let mut gradient = [0.0; 6];
        penalty.add_product(&v, &theta, &mut gradient);
        let moved = |x: &[f64], j: usize, by: f64| {
            let mut x = x.to_vec();
            x[j] += by;
            x
        };
        for j in 0..6 {
            let at = |by| penalty.value(&v, &moved(&theta, j, by));
            assert!(((at(1e-6) - at(-1e-6)) / 2e-6 - gradient[j]).abs() < 1e-8);
        }
        let mut cross = [0.0; 4];
        penalty.add_cross(&v, &theta, &u, 1.0, &mut cross);
        for k in 0..4 {
            let at = |by| {
                let mut gradient = [0.0; 6];
                penalty.add_product(&moved(&v, k, by), &theta, &mut gradient);
                vector::dot(&gradient, &u)
            };
            assert!(((at(1e-6) - at(-1e-6)) / 2e-6 - cross[k]).abs() < 1e-8);
        }
        let Diagonal::Vector(d) = penalty.diagonal(&v, 6) else { panic!("a vector") };
        assert!(
            (d[5] - (0.2 + 1.0f64.exp())).abs() < 1e-15
                && (d[0] - (0.2 + (-0.5f64).exp() + 0.3f64.exp())).abs() < 1e-15
        );
    }
}
