//! First-order optimisers for inner and outer steps.

use std::sync::{Mutex, MutexGuard};

use nhgd_kernels::memory::collected;
use nhgd_kernels::{Scalar, vector};
use nhgd_settings::{kinds, read};

use crate::error::reserved;
use crate::{Code, Element, Error, Result, Vector, room};

/// Settings of an optimiser.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(test, derive(ts_rs::TS), ts(rename = "OptimizerRule", tag = "kind", rename_all = "camelCase"))]
pub(crate) enum Rule {
    /// x ← x − η g.
    Sgd {},
    /// m ← μm + g, x ← x − η m.
    Momentum {
        /// μ, from 0 and below 1.
        momentum: f64,
    },
    /// Adam (Kingma & Ba 2015).
    Adam {
        /// Share of the old first moment, from 0 and below 1.
        beta1: f64,
        /// Share of the old second moment, from 0 and below 1.
        beta2: f64,
        /// Added to the root of the second moment, at least 0.
        epsilon: f64,
        /// Keeps one second moment, the mean square, for the whole vector: Adam that keeps the gradient's direction.
        shared: bool,
    },
}

kinds!(Rule by "kind" {
    "sgd" Sgd {},
    "momentum" Momentum { momentum },
    "adam" Adam { beta1, beta2, epsilon, shared },
});

/// An optimiser and its state.
#[derive(Debug)]
pub struct Optimizer {
    rule: Rule,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    steps: u32,
    first: Vec<f64>,
    second: Vec<f64>,
}

impl State {
    fn from_bytes(bytes: &[u8], rule: &Rule) -> Result<Option<Self>> {
        let (numbers, odd) = bytes.as_chunks();
        let Some((head, moments)) = numbers.split_first_chunk() else { return Ok(None) };
        let [steps, first, second] = head.map(f64::from_le_bytes);
        let moved = (steps > 0.0) == (first > 0.0);
        let fits = match rule {
            Rule::Sgd {} => first == 0.0 && second == 0.0,
            Rule::Momentum { .. } => moved && second == 0.0,
            Rule::Adam { shared, .. } => moved && second == if *shared { first.min(1.0) } else { first },
        };
        let whole = odd.is_empty() && first >= 0.0 && first + second == moments.len() as f64;
        let counts = steps.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&steps);
        if !(fits && whole && counts) {
            return Ok(None);
        }
        let (first, second) = moments.split_at(first as usize);
        let read = |moments: &[[u8; 8]]| collected(moments.iter().map(|x| f64::from_le_bytes(*x)));
        Ok(Some(Self { steps: steps as u32, first: read(first)?, second: read(second)? }))
    }
}

/// `length` new moments, 0 each, where there are fewer.
fn grown(moments: &[f64], length: usize) -> Result<Option<Vec<f64>>> {
    (moments.len() < length).then(|| room("moments", length)).transpose()
}

fn fraction(name: &str, x: f64) -> Result<()> {
    if (0.0..1.0).contains(&x) { Ok(()) } else { Err(Error::expected(Code::Range, name, "0 ≤ x < 1", x)) }
}

impl Optimizer {
    /// From settings such as `{"kind": "momentum", "momentum": 0.9}`.
    pub fn new(settings: &str) -> Result<Self> {
        let rule: Rule = read(settings).map_err(Error::settings)?;
        match rule {
            Rule::Sgd {} => {}
            Rule::Momentum { momentum } => fraction("momentum", momentum)?,
            Rule::Adam { beta1, beta2, epsilon, .. } => {
                fraction("beta1", beta1)?;
                fraction("beta2", beta2)?;
                if !(epsilon >= 0.0 && epsilon.is_finite()) {
                    return Err(Error::expected(Code::Range, "epsilon", "a number ≥ 0", epsilon));
                }
            }
        }
        Ok(Self { rule, state: Mutex::default() })
    }

    /// One step of size `rate` along `gradient`, in place.
    pub fn step(&self, x: &Vector, gradient: &Vector, rate: f64) -> Result<()> {
        if !(rate >= 0.0 && rate.is_finite()) {
            return Err(Error::expected(Code::Range, "rate", "a number ≥ 0", rate));
        }
        if x.dtype()? == f32::NAME {
            self.step_as::<f32>(x, gradient, rate)
        } else {
            self.step_as::<f64>(x, gradient, rate)
        }
    }

    /// Forgets moments and the number of steps.
    pub fn reset(&self) {
        *self.lock() = State::default();
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u32 {
        self.lock().steps
    }

    /// direction ← (∂step/∂gradient)ᵀ target, the derivative of the last step, which was one of size `rate` along
    /// `gradient`, with the moments before it held fixed. It is 0 for a parameter that never had a gradient.
    pub fn adaptation(
        &self,
        gradient: &Vector,
        target: &Vector,
        rate: f64,
        direction: &Vector,
    ) -> Result<()> {
        if gradient.dtype()? == f32::NAME {
            self.adaptation_as::<f32>(gradient, target, rate, direction)
        } else {
            self.adaptation_as::<f64>(gradient, target, rate, direction)
        }
    }

    /// Moments and the number of steps, for [`Optimizer::restore`]: the number of steps, the lengths of both moments and
    /// their entries, each a little-endian f64.
    pub fn save(&self) -> Result<Vec<u8>> {
        let state = self.lock();
        let head = [f64::from(state.steps), state.first.len() as f64, state.second.len() as f64];
        let numbers = head.iter().chain(&state.first).chain(&state.second);
        let mut bytes = reserved("optimizer", 8 * (3 + state.first.len() + state.second.len()))?;
        bytes.extend(numbers.flat_map(|x| x.to_le_bytes()));
        Ok(bytes)
    }

    /// Takes back what [`Optimizer::save`] gave, from an optimiser of the same settings. `ERR_CHECKPOINT` for other
    /// bytes, which change nothing.
    pub fn restore(&self, bytes: &[u8]) -> Result<()> {
        let state = State::from_bytes(bytes, &self.rule)?.ok_or_else(|| {
            Error::expected(Code::Checkpoint, "bytes", "a saved optimiser of this kind", "others")
        })?;
        *self.lock() = state;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn adaptation_as<T: Element>(&self, g: &Vector, b: &Vector, rate: f64, u: &Vector) -> Result<()> {
        let (mut g, mut b, mut u) = (g.lock("gradient")?, b.lock("target")?, u.lock("direction")?);
        let (g, b, u) = (g.of::<T>("gradient")?, b.of::<T>("target")?, u.of::<T>("direction")?);
        crate::error::length("target", g.len(), b.len())?;
        crate::error::length("direction", g.len(), u.len())?;
        let state = self.lock();
        let Rule::Adam { beta1, beta2, epsilon, shared } = self.rule else {
            u.iter_mut().zip(b).for_each(|(u, b)| *u = T::of(rate * b.wide()));
            return Ok(());
        };
        crate::error::length("gradient", state.first.len(), g.len())?;
        let (c1, c2) = (1.0 - beta1.powi(state.steps as i32), 1.0 - beta2.powi(state.steps as i32));
        // ∂/∂g of m̂ / (√ŝ + ε) by way of m̂, and by way of ŝ but for the factor g.
        let slopes = |i: usize| {
            let (m, root) = (state.first[i] / c1, (state.second[if shared { 0 } else { i }] / c2).sqrt());
            let through = (1.0 - beta1) / c1 / (root + epsilon);
            (root > 0.0).then(|| (through, m * (1.0 - beta2) / c2 / root / (root + epsilon).powi(2)))
        };
        let size = g.len() as f64;
        let mixed = |i: usize| slopes(i).map_or(0.0, |(_, scaled)| scaled * b[i].wide()) / size;
        let together = if shared { (0..g.len()).map(mixed).sum() } else { 0.0 };
        for i in 0..g.len() {
            let (g, b) = (g[i].wide(), b[i].wide());
            u[i] = T::of(slopes(i).map_or(0.0, |(through, scaled)| {
                rate * (through * b - if shared { together } else { scaled * b } * g)
            }));
        }
        Ok(())
    }

    fn step_as<T: Element>(&self, x: &Vector, gradient: &Vector, rate: f64) -> Result<()> {
        let (mut x, mut g) = (x.lock("x")?, gradient.lock("gradient")?);
        let (x, g) = (x.of::<T>("x")?, g.of::<T>("gradient")?);
        crate::error::length("gradient", x.len(), g.len())?;
        let mut state = self.lock();
        let state = &mut *state;
        if !state.first.is_empty() {
            crate::error::length("x", state.first.len(), x.len())?;
        }
        let (first, second) = match self.rule {
            Rule::Sgd {} => (0, 0),
            Rule::Momentum { .. } => (x.len(), 0),
            Rule::Adam { shared, .. } => (x.len(), if shared { 1 } else { x.len() }),
        };
        let (first, second) = (grown(&state.first, first)?, grown(&state.second, second)?);
        state.first = first.unwrap_or_else(|| std::mem::take(&mut state.first));
        state.second = second.unwrap_or_else(|| std::mem::take(&mut state.second));
        state.steps += 1;
        match self.rule {
            Rule::Sgd {} => vector::axpy(T::of(-rate), g, x),
            Rule::Momentum { momentum } => {
                for ((x, g), m) in x.iter_mut().zip(g).zip(&mut state.first) {
                    *m = momentum * *m + g.wide();
                    *x -= T::of(rate * *m);
                }
            }
            Rule::Adam { beta1, beta2, epsilon, shared } => {
                let size = x.len() as f64;
                if shared {
                    let square = g.iter().map(|g| g.wide() * g.wide()).sum::<f64>() / size;
                    state.second[0] = beta2 * state.second[0] + (1.0 - beta2) * square;
                }
                let (c1, c2) = (1.0 - beta1.powi(state.steps as i32), 1.0 - beta2.powi(state.steps as i32));
                for (i, (x, g)) in x.iter_mut().zip(g).enumerate() {
                    let g = g.wide();
                    let m = &mut state.first[i];
                    *m = beta1 * *m + (1.0 - beta1) * g;
                    let s = &mut state.second[if shared { 0 } else { i }];
                    if !shared {
                        *s = beta2 * *s + (1.0 - beta2) * g * g;
                    }
                    let denominator = (*s / c2).sqrt() + epsilon;
                    if denominator > 0.0 {
                        *x -= T::of(rate * (*m / c1) / denominator);
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
