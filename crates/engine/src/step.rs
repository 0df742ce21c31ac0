//! One inner step: the gradient, and what the Fisher and the cross derivative keep of it.

use std::sync::{Arc, Mutex};

use nhgd_curvature::{Observation, Rows};

use crate::error::{length, reserved};
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

    /// What a Fisher sees of the step, one row per sample; one row in all where it sees a sum. Rows of other processes join
    /// them in [`Step::keep_rows`].
    pub fn rows(&self) -> Result<Vector> {
        let samples = self.batch()?.length();
        match self.observed()? {
            Observed::F32(observation) => rows_of(&observation, samples),
            Observed::F64(observation) => rows_of(&observation, samples),
        }
    }

    /// Puts the rows of a whole batch, each as [`Step::rows`] gives it, in place of the samples that the step keeps.
    pub fn keep_rows(&self, batch: &Batch, rows: &Vector) -> Result<()> {
        let (samples, d) = (self.batch()?.length(), self.gradient.length()?);
        let joined = match self.observed()? {
            Observed::F32(observation) => joined(&observation, samples, rows, batch.length(), d)?,
            Observed::F64(observation) => joined(&observation, samples, rows, batch.length(), d)?,
        };
        self.store(batch, Some(joined));
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

/// How many rows an observation of so many samples has: one where it is a sum over them.
fn count_of<T>(observation: &Observation<T>, samples: usize) -> usize {
    match observation {
        Observation::Rows(Rows { count: 1, .. }) | Observation::Moments(..) => 1,
        _ => samples,
    }
}

/// The arrays of an observation of so many samples, sample by sample.
fn rows_of<T: Observable>(observation: &Observation<T>, samples: usize) -> Result<Vector> {
    let samples = count_of(observation, samples);
    let arrays = observation.arrays();
    let mut rows = reserved("rows", arrays.iter().map(|array| array.len()).sum())?;
    for i in 0..samples {
        for array in &arrays {
            let width = array.len() / samples;
            rows.extend_from_slice(&array[i * width..][..width]);
        }
    }
    Ok(Vector::from_vec(rows))
}

/// An observation of the form of another one, of `samples` samples, made of `count` rows.
fn joined<T: Observable>(
    observation: &Observation<T>,
    samples: usize,
    rows: &Vector,
    count: usize,
    d: usize,
) -> Result<Observed> {
    let mut rows = rows.lock("rows")?;
    let rows = rows.of::<T>("rows")?;
    let (own, all) = (count_of(observation, samples), count_of(observation, count));
    let widths: Vec<usize> = observation.arrays().iter().map(|array| array.len() / own).collect();
    let width = widths.iter().sum::<usize>();
    length("rows", width * all, rows.len())?;
    let room = widths.iter().map(|width| reserved("rows", width * all));
    let mut arrays = room.collect::<Result<Vec<Vec<T>>>>()?;
    for row in rows.chunks_exact(width.max(1)) {
        let mut rest = row;
        for (array, &width) in arrays.iter_mut().zip(&widths) {
            let (own, others) = rest.split_at(width);
            array.extend_from_slice(own);
            rest = others;
        }
    }
    let mut observation = observation.with_arrays(arrays);
    match &mut observation {
        Observation::Rows(rows) => rows.count = rows.data.len() / d.max(1),
        Observation::Moments(_, samples) => *samples = count,
        Observation::Factors(_) => {}
    }
    Ok(T::observed(observation))
}
