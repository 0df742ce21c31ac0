//! First-order optimisers for inner and outer steps.

use std::sync::Mutex;

use nhgd_kernels::{Scalar, vector};
use serde::Deserialize;

use crate::{Code, Element, Error, Result, Vector};

/// Settings of an [`Optimizer`].
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
enum Rule {
    /// x ← x − η g.
    Sgd {},
    /// m ← μm + g, x ← x − η m.
    Momentum { momentum: f64 },
    /// Adam (Kingma & Ba 2015); `shared` keeps one second moment, the mean square, for the whole vector.
    Adam { beta1: f64, beta2: f64, epsilon: f64, shared: bool },
}

/// An optimiser and its state.
#[derive(Debug)]
pub struct Optimizer {
    rule: Rule,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    steps: i32,
    first: Vec<f64>,
    second: Vec<f64>,
}

fn fraction(name: &str, x: f64) -> Result<()> {
    if (0.0..1.0).contains(&x) { Ok(()) } else { Err(Error::expected(Code::Range, name, "0 ≤ x < 1", x)) }
}

impl Optimizer {
    /// From settings such as `{"kind": "momentum", "momentum": 0.9}`.
    pub fn new(settings: &str) -> Result<Self> {
        let rule: Rule = serde_json::from_str(settings).map_err(Error::settings)?;
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
        *self.state.lock().unwrap_or_else(|e| e.into_inner()) = State::default();
    }

    fn step_as<T: Element>(&self, x: &Vector, gradient: &Vector, rate: f64) -> Result<()> {
        let (mut x, mut g) = (x.lock("x")?, gradient.lock("gradient")?);
        let (x, g) = (x.of::<T>("x")?, g.of::<T>("gradient")?);
        crate::error::length("gradient", x.len(), g.len())?;
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
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
                let (c1, c2) = (1.0 - beta1.powi(state.steps), 1.0 - beta2.powi(state.steps));
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
