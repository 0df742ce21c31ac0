//! One inner step: the gradient, and what the Fisher and the cross derivative keep of it.

use std::sync::{Arc, Mutex};

use nhgd_curvature::{Observation, Rows};

use crate::{Batch, Code, Element, Error, Result, Vector, taken};

/// The samples of a step in either scalar type, shared with the queue of a Fisher.
#[derive(Clone, Debug)]
pub(crate) enum Observed {
    F32(Arc<Observation<f32>>),
    F64(Arc<Observation<f64>>),
}

/// Wraps and unwraps observations of a scalar type.
pub(crate) trait Observable: Element {
    fn observed(observation: Observation<Self>) -> Observed;
    fn observation(observed: &Observed) -> Option<&Arc<Observation<Self>>>;
}

impl Observable for f32 {
    fn observed(observation: Observation<Self>) -> Observed {
        Observed::F32(Arc::new(observation))
    }
    fn observation(observed: &Observed) -> Option<&Arc<Observation<Self>>> {
        if let Observed::F32(o) = observed { Some(o) } else { None }
    }
}

impl Observable for f64 {
    fn observed(observation: Observation<Self>) -> Observed {
        Observed::F64(Arc::new(observation))
    }
    fn observation(observed: &Observed) -> Option<&Arc<Observation<Self>>> {
        if let Observed::F64(o) = observed { Some(o) } else { None }
    }
}

/// A slot that inner steps are written to, again and again.
#[derive(Debug)]
pub struct Step {
    gradient: Vector,
    inner: Vector,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    batch: Option<Batch>,
    observed: Option<Observed>,
}

impl Step {
    /// Room for a gradient of `length` entries.
    pub fn new(length: usize, dtype: &str) -> Result<Self> {
        Ok(Self {
            gradient: Vector::new(length, dtype)?,
            inner: Vector::new(length, dtype)?,
            kept: Mutex::default(),
        })
    }

    /// ∇_θ g at this step, a handle to the slot's own vector.
    pub fn gradient(&self) -> Vector {
        self.gradient.clone()
    }

    /// θ at which the step was taken, a handle to the slot's own vector.
    pub fn inner(&self) -> Vector {
        self.inner.clone()
    }

    /// The samples of the step.
    pub fn batch(&self) -> Result<Batch> {
        let kept = self.kept.lock().unwrap_or_else(|e| e.into_inner());
        kept.batch
            .clone()
            .ok_or_else(|| Error::expected(Code::Range, "step", "a step that was taken", "an empty one"))
    }

    /// Keeps a step that was computed elsewhere: its batch, and what a Fisher sees of it, rows of as many entries as the
    /// gradient has, one after the other, or none. The gradient and θ are written to their vectors.
    pub fn keep(&self, batch: &Batch, rows: &Vector) -> Result<()> {
        let d = self.gradient.length()?;
        let observed = match &*rows.dtype()? {
            "f32" => observed::<f32>(rows, d)?,
            _ => observed::<f64>(rows, d)?,
        };
        self.store(batch, observed);
        Ok(())
    }

    /// Frees its vectors, whoever shares them, and what it keeps.
    pub fn dispose(&self) {
        self.gradient.dispose();
        self.inner.dispose();
        *self.kept.lock().unwrap_or_else(|e| e.into_inner()) = Kept::default();
    }

    pub(crate) fn observed(&self) -> Result<Observed> {
        let kept = self.kept.lock().unwrap_or_else(|e| e.into_inner());
        let missing =
            || Error::expected(Code::Range, "step", "one that was taken for a Fisher", "one without samples");
        kept.observed.clone().ok_or_else(missing)
    }

    pub(crate) fn store(&self, batch: &Batch, observed: Option<Observed>) {
        *self.kept.lock().unwrap_or_else(|e| e.into_inner()) = Kept { batch: Some(batch.clone()), observed };
    }
}

/// Rows of `d` entries each, one after the other; nothing where there are none.
fn observed<T: Observable>(rows: &Vector, d: usize) -> Result<Option<Observed>> {
    let mut rows = rows.lock("rows")?;
    let rows = rows.of::<T>("rows")?;
    if rows.is_empty() {
        return Ok(None);
    }
    if d == 0 || !rows.len().is_multiple_of(d) {
        return Err(Error::expected(Code::Shape, "rows", format!("rows of {d} entries"), rows.len()));
    }
    let rows = Rows { data: taken("rows", rows)?, count: rows.len() / d };
    Ok(Some(T::observed(Observation::Rows(rows))))
}
