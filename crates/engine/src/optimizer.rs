//! First-order optimisers for inner and outer steps.

use std::sync::{Mutex, MutexGuard};

use nhgd_kernels::{Scalar, vector};
use nhgd_settings::{kinds, read};

use crate::{Code, Element, Error, Result, Vector};

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
    fn from_bytes(bytes: &[u8], rule: &Rule) -> Option<Self> {
        let (numbers, odd) = bytes.as_chunks();
        let numbers: Vec<f64> = numbers.iter().map(|x| f64::from_le_bytes(*x)).collect();
        let (&[steps, first, second], moments) = numbers.split_first_chunk()?;
        let moved = (steps > 0.0) == (first > 0.0);
        let fits = match rule {
            Rule::Sgd {} => first == 0.0 && second == 0.0,
            Rule::Momentum { .. } => moved && second == 0.0,
            Rule::Adam { shared, .. } => moved && second == if *shared { first.min(1.0) } else { first },
        };
        let whole = odd.is_empty() && first >= 0.0 && first + second == moments.len() as f64;
        let counts = steps.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&steps);
        let (first, second) = moments.split_at_checked(first as usize)?;
        (fits && whole && counts).then(|| Self {
            steps: steps as u32,
            first: first.to_vec(),
            second: second.to_vec(),
        })
    }
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
    pub fn save(&self) -> Vec<u8> {
        let state = self.lock();
        let head = [f64::from(state.steps), state.first.len() as f64, state.second.len() as f64];
        head.iter().chain(&state.first).chain(&state.second).flat_map(|x| x.to_le_bytes()).collect()
    }

    /// Takes back what [`Optimizer::save`] gave, from an optimiser of the same settings. `ERR_CHECKPOINT` for other
    /// bytes, which change nothing.
    pub fn restore(&self, bytes: &[u8]) -> Result<()> {
        let state = State::from_bytes(bytes, &self.rule).ok_or_else(|| {
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
        state.steps += 1;
        match self.rule {
            Rule::Sgd {} => vector::axpy(T::of(-rate), g, x),
            Rule::Momentum { momentum } => {
                state.first.resize(x.len(), 0.0);
                for ((x, g), m) in x.iter_mut().zip(g).zip(&mut state.first) {
                    *m = momentum * *m + g.wide();
                    *x -= T::of(rate * *m);
                }
            }
            Rule::Adam { beta1, beta2, epsilon, shared } => {
                let size = x.len() as f64;
                state.first.resize(x.len(), 0.0);
                state.second.resize(if shared { 1 } else { x.len() }, 0.0);
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
mod tests {
    use super::*;

    fn after(settings: &str, gradients: &[[f64; 2]], rate: f64) -> Vec<f64> {
        let (optimizer, x) = (Optimizer::new(settings).unwrap(), Vector::from_vec(vec![1.0, -2.0]));
        for g in gradients {
            optimizer.step(&x, &Vector::from_vec(g.to_vec()), rate).unwrap();
        }
        x.read().unwrap()
    }

    fn close(got: Vec<f64>, expected: [f64; 2]) {
        assert!(got.iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-12), "{got:?} {expected:?}");
    }

    #[test]
    fn steps_follow_their_formulas() {
        let g = [[1.0, -3.0], [0.5, 1.0]];
        close(after(r#"{"kind":"sgd"}"#, &g, 0.1), [1.0 - 0.15, -2.0 + 0.2]);
        let m = [0.9 * 1.0 + 0.5, 0.9 * -3.0 + 1.0];
        close(
            after(r#"{"kind":"momentum","momentum":0.9}"#, &g, 0.1),
            [1.0 - 0.1 - 0.1 * m[0], -2.0 + 0.3 - 0.1 * m[1]],
        );
        // The first step of Adam is the sign of the gradient; with one second moment it keeps the direction.
        let adam =
            |shared| format!(r#"{{"kind":"adam","beta1":0.9,"beta2":0.99,"epsilon":0,"shared":{shared}}}"#);
        close(after(&adam(false), &g[..1], 0.1), [0.9, -1.9]);
        let rms = 5f64.sqrt();
        close(after(&adam(true), &g[..1], 0.1), [1.0 - 0.1 / rms, -2.0 + 0.3 / rms]);
    }

    const RULES: [&str; 4] = [
        r#"{"kind":"sgd"}"#,
        r#"{"kind":"momentum","momentum":0.9}"#,
        r#"{"kind":"adam","beta1":0.9,"beta2":0.99,"epsilon":1e-3,"shared":false}"#,
        r#"{"kind":"adam","beta1":0.9,"beta2":0.99,"epsilon":1e-3,"shared":true}"#,
    ];

    #[test]
    fn the_adaptation_is_the_derivative_of_the_last_step() {
        let (before, last, target) = ([0.7, -0.2], [1.0, -3.0], [0.3, 2.0]);
        for rule in RULES {
            let x = |g: [f64; 2]| after(rule, &[before, g], 0.1);
            let optimizer = Optimizer::new(rule).unwrap();
            let [x0, g, b, u] = [[1.0, -2.0], last, target, [0.0; 2]].map(|v| Vector::from_vec(v.to_vec()));
            optimizer.step(&x0, &Vector::from_vec(before.to_vec()), 0.1).unwrap();
            optimizer.step(&x0, &g, 0.1).unwrap();
            assert_eq!(optimizer.steps(), 2);
            optimizer.adaptation(&g, &b, 0.1, &u).unwrap();
            let expected = [0, 1].map(|j| {
                let moved = |by: f64| x(std::array::from_fn(|i| last[i] + if i == j { by } else { 0.0 }));
                let (up, down) = (moved(1e-5), moved(-1e-5));
                (0..2).map(|i| -(up[i] - down[i]) / 2e-5 * target[i]).sum::<f64>()
            });
            let got: Vec<f64> = u.read().unwrap();
            assert!(
                got.iter().zip(expected).all(|(g, e)| (g - e).abs() < 1e-8),
                "{rule}: {got:?} {expected:?}"
            );
        }
    }

    #[test]
    fn a_restored_optimiser_goes_on_with_the_same_bits() {
        let g = Vector::from_vec(vec![0.3, -0.7]);
        for (i, rule) in RULES.into_iter().enumerate() {
            let [one, other] = [0, 1].map(|_| Optimizer::new(rule).unwrap());
            let x = Vector::from_vec(vec![1.0, 2.0]);
            other.restore(&one.save()).unwrap();
            one.step(&x, &g, 0.1).unwrap();
            let saved = one.save();
            other.restore(&saved).unwrap();
            assert_eq!(other.steps(), 1);
            let y = Vector::from_vec(x.read::<f64>().unwrap());
            one.step(&x, &g, 0.1).unwrap();
            other.step(&y, &g, 0.1).unwrap();
            assert_eq!(x.read::<f64>().unwrap(), y.read::<f64>().unwrap());
            let foreign = Optimizer::new(RULES[(i + 1) % 4]).unwrap();
            for (optimizer, bytes) in [(&one, &saved[..saved.len() - 1]), (&one, &[]), (&foreign, &saved[..])]
            {
                assert_eq!(optimizer.restore(bytes).unwrap_err().code, Code::Checkpoint, "{rule}");
            }
        }
    }

    #[test]
    fn bad_settings_are_refused() {
        for bad in ["{}", r#"{"kind":"momentum","momentum":1}"#, r#"{"kind":"sgd","rate":1}"#, "nonsense"] {
            assert_eq!(Optimizer::new(bad).unwrap_err().code, Code::Range, "{bad}");
        }
        let optimizer = Optimizer::new(r#"{"kind":"sgd"}"#).unwrap();
        let x = Vector::from_vec(vec![0.0; 3]);
        assert_eq!(optimizer.step(&x, &x, 0.1).unwrap_err().code, Code::Range);
        assert_eq!(optimizer.step(&x, &Vector::from_vec(vec![0.0; 2]), 0.1).unwrap_err().code, Code::Shape);
        assert_eq!(optimizer.step(&x, &Vector::from_vec(vec![0f32; 3]), 0.1).unwrap_err().code, Code::Dtype);
        assert_eq!(optimizer.step(&x, &Vector::from_vec(vec![0.0; 3]), -1.0).unwrap_err().code, Code::Range);
    }
}
