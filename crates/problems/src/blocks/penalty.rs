//! R(v, θ), the part of g that is no sum over samples, with all of its derivatives.

use nhgd_curvature::{Diagonal, LayerShape};
use nhgd_kernels::memory::{Result, append, collected, copied, filled, reserved, zeros};
use nhgd_kernels::{Scalar, vector};

/// The group of a parameter that a block does not penalise.
pub const FREE: u32 = u32::MAX;

/// R = reg‖θ‖² + Σ_blocks Σ_k (exp(v_k)/q) Σ_{j∈k} (θ_j² + ε²)^(q/2): a fixed quadratic term and blocks whose strengths
/// v_k are learned, and whose exponent q may be. q = 2 is the ridge penalty, without ε; q = 1 is close to the lasso.
/// Second derivatives are diagonal.
#[derive(Debug)]
pub struct Penalty<T> {
    regularization: T,
    blocks: Vec<(usize, Groups, Power)>,
}

/// The exponent q of a block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Power {
    /// A given one, above 0 and at most 2.
    Fixed(f64),
    /// 0.2 + 1.8 σ(v_q), where v_q follows the strengths in v.
    Learned,
}

/// ε², which keeps R smooth at 0, in the units of θ.
const SMOOTHING: f64 = 1e-6;

impl Power {
    /// Entries of v that it owns.
    pub fn len(self) -> usize {
        usize::from(self == Self::Learned)
    }

    /// Whether it owns no entry of v.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// q, and ∂q/∂v_q.
    pub fn at(self, v: f64) -> (f64, f64) {
        let share = 1.0 / (1.0 + (-v).exp());
        match self {
            Self::Fixed(q) => (q, 0.0),
            Self::Learned => (0.2 + 1.8 * share, 1.8 * share * (1.0 - share)),
        }
    }
}

/// Which parameters share a strength.
#[derive(Debug)]
pub struct Groups {
    /// The group of each parameter, or [`FREE`].
    of: Vec<u32>,
    count: usize,
}

/// What has a strength of its own.
#[derive(Debug)]
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
    ) -> Result<Result<Self, (&'static str, String, String)>> {
        let parameters: usize = layers.iter().map(|layer| layer.inputs * layer.outputs).sum();
        let wrong = |name, expected: String, got: String| Ok(Err((name, expected, got)));
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
        let mut of = reserved(parameters)?;
        for (l, layer) in layers.iter().enumerate() {
            let biased = layers.len() > 1 || layer.inputs > features; // a model of several layers is a network
            for row in 0..layer.inputs {
                let is_bias = biased && row + 1 == layer.inputs;
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
        }
        let count = of.iter().filter(|&&k| k != FREE).max().map_or(0, |&last| last as usize + 1);
        let mut used = filled(false, count.min(of.len() + 1))?;
        of.iter().for_each(|&k| {
            if let Some(used) = used.get_mut(k as usize) {
                *used = true;
            }
        });
        match used.iter().position(|&used| !used) {
            None if count > 0 => Ok(Ok(Self { of, count })),
            at => {
                let at = at.unwrap_or(0);
                wrong("groups", "every group to hold a parameter".to_string(), format!("none in group {at}"))
            }
        }
    }

    /// The same groups in memory of their own.
    pub fn copied(&self) -> Result<Self> {
        Ok(Self { of: copied(&self.of)?, count: self.count })
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

/// A block at a v.
struct Term<'a, T> {
    /// The place of its strengths in v.
    at: usize,
    groups: &'a Groups,
    strengths: Vec<T>,
    q: T,
    /// ∂q/∂v_q, 0 where q is fixed.
    slope: T,
}

impl<T: Scalar> Term<'_, T> {
    /// The parameters that are penalised, with their groups.
    fn parameters(&self) -> impl Iterator<Item = (usize, usize)> {
        let all = self.groups.of.iter().enumerate();
        all.filter(|&(_, &k)| k != FREE).map(|(j, &k)| (j, k as usize))
    }

    /// t = θ² + ε².
    fn smooth(theta: T) -> T {
        theta * theta + T::of(SMOOTHING)
    }

    /// s t^(q/2 − 1): times θ it is the gradient, and alone the curvature of the quadratic that touches R at θ from above.
    fn majorizer(&self, k: usize, theta: T) -> T {
        if self.q == T::of(2.0) {
            return self.strengths[k];
        }
        self.strengths[k] * ((T::of(0.5) * self.q - T::one()) * Self::smooth(theta).ln()).exp()
    }

    /// The second derivative, which is negative at large θ where q < 1.
    fn second(&self, k: usize, theta: T) -> T {
        let share = theta * theta / Self::smooth(theta);
        let bend = if self.q == T::of(2.0) { T::one() } else { T::one() + (self.q - T::of(2.0)) * share };
        self.majorizer(k, theta) * bend
    }

    fn value(&self, k: usize, theta: T) -> T {
        let touched = if self.q == T::of(2.0) { theta * theta } else { Self::smooth(theta) };
        self.majorizer(k, theta) * touched / self.q
    }
}

impl<T: Scalar> Penalty<T> {
    /// Each block comes with the place of its strengths in v.
    pub fn new(regularization: T, blocks: Vec<(usize, Groups, Power)>) -> Self {
        Self { regularization, blocks }
    }

    /// R = 0.
    pub fn none() -> Self {
        Self::new(T::zero(), Vec::new())
    }

    /// The penalty of as many θ, one after the other, that share v.
    pub fn repeated(&self, times: usize) -> Result<Self> {
        let blocks = self.blocks.iter().map(|(at, Groups { of, count }, power)| {
            let mut repeated = reserved(of.len() * times)?;
            (0..times).for_each(|_| repeated.extend_from_slice(of));
            Ok((*at, Groups { of: repeated, count: *count }, *power))
        });
        Ok(Self::new(self.regularization, blocks.collect::<Result<_>>()?))
    }

    /// Whether the entries of v from this place on are strengths.
    pub fn owns(&self, at: usize) -> bool {
        self.blocks.iter().any(|block| block.0 == at)
    }

    /// The blocks at v.
    fn terms(&self, outer: &[T]) -> Result<Vec<Term<'_, T>>> {
        let mut terms = Vec::new();
        for (at, groups, power) in &self.blocks {
            let (q, slope) = power.at(outer.get(at + groups.count).map_or(0.0, |v| v.wide()));
            let strengths = collected(outer[*at..][..groups.count].iter().map(|v| v.exp()))?;
            terms.push(Term { at: *at, groups, strengths, q: T::of(q), slope: T::of(slope) });
        }
        Ok(terms)
    }

    /// R.
    pub fn value(&self, outer: &[T], inner: &[T]) -> Result<f64> {
        let fixed = self.regularization.wide() * vector::dot(inner, inner).wide();
        let terms = self.terms(outer)?;
        let learned = terms
            .iter()
            .map(|term| term.parameters().map(|(j, k)| term.value(k, inner[j]).wide()).sum::<f64>());
        Ok(fixed + learned.sum::<f64>())
    }

    /// gradient ← gradient + ∇_θ R.
    pub fn add_gradient(&self, outer: &[T], inner: &[T], gradient: &mut [T]) -> Result<()> {
        self.add(outer, inner, inner, gradient, |term, k, theta| term.majorizer(k, theta))
    }

    /// product ← product + ∇²_θ R x.
    pub fn add_product(&self, outer: &[T], inner: &[T], x: &[T], product: &mut [T]) -> Result<()> {
        self.add(outer, inner, x, product, |term, k, theta| term.second(k, theta))
    }

    /// product ← product + Dx, where D has the entries `curvature` beside the fixed term.
    fn add(
        &self,
        outer: &[T],
        inner: &[T],
        x: &[T],
        product: &mut [T],
        curvature: impl Fn(&Term<'_, T>, usize, T) -> T,
    ) -> Result<()> {
        let terms = self.terms(outer)?;
        vector::axpy(self.regularization + self.regularization, x, product);
        for term in terms {
            for (j, k) in term.parameters() {
                product[j] += curvature(&term, k, inner[j]) * x[j];
            }
        }
        Ok(())
    }

    /// D: the second derivatives of the quadratic that touches R at θ from above, which are those of R where q = 2.
    pub fn diagonal(&self, outer: &[T], inner: &[T]) -> Result<Diagonal<T>> {
        let double = self.regularization + self.regularization;
        if self.blocks.is_empty() {
            return Ok(Diagonal::Scalar(double));
        }
        let mut diagonal: Vec<T> = zeros(inner.len())?;
        self.add(outer, inner, &filled(T::one(), inner.len())?, &mut diagonal, |term, k, theta| {
            term.majorizer(k, theta)
        })?;
        let first = diagonal[0];
        let same = diagonal.iter().all(|&d| d == first);
        Ok(if same { Diagonal::Scalar(first) } else { Diagonal::Vector(diagonal) })
    }

    /// (∂²R/∂θ∂v)ᵀ u for every strength and every learned q: the entries of each block, and the place in v of the first.
    pub fn cross(&self, outer: &[T], inner: &[T], u: &[T]) -> Result<Vec<(usize, Vec<f64>)>> {
        let own = |term: &Term<'_, T>| {
            let mut sums: Vec<f64> = reserved(term.groups.count + 1)?;
            sums.resize(term.groups.count, 0.0);
            let mut along = 0.0;
            for (j, k) in term.parameters() {
                let change = (term.majorizer(k, inner[j]) * inner[j]).wide() * u[j].wide();
                sums[k] += change;
                if term.slope != T::zero() {
                    along += change * 0.5 * Term::smooth(inner[j]).wide().ln();
                }
            }
            if term.slope != T::zero() {
                sums.push(along * term.slope.wide());
            }
            Ok((term.at, sums))
        };
        self.terms(outer)?.iter().map(own).collect()
    }

    /// What a block with this place in v stands for: its strengths, and its q where that is learned.
    pub fn natural(&self, at: usize, outer: &[T]) -> Result<Vec<T>> {
        let own = self.terms(outer)?.into_iter().find(|term| term.at == at);
        let Some(Term { mut strengths, q, slope, .. }) = own else { return Ok(Vec::new()) };
        if slope != T::zero() {
            append(&mut strengths, &[q])?;
        }
        Ok(strengths)
    }
}

#[cfg(test)]
mod tests;
