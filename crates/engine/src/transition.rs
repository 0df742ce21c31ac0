//! Noise transitions behind a handle.

use nhgd_kernels::memory::{collected, zeros};

use crate::{Code, Error, Result, Vector, room, taken};

/// How wrong labels arise, see [`nhgd_problems::Transition`].
#[derive(Debug)]
pub struct Transition {
    entries: Vec<f64>,
    classes: usize,
    noise: nhgd_problems::Transition<f64>,
}

impl Transition {
    /// `entries` is C × C, row-major, all positive.
    pub fn new(entries: Vec<f64>, classes: usize) -> Result<Self> {
        if classes < 2 || classes.checked_mul(classes) != Some(entries.len()) {
            let expected = format!("{classes} × {classes} entries for two classes or more");
            return Err(Error::expected(Code::Shape, "entries", expected, entries.len()));
        }
        if let Some(odd) = entries.iter().find(|t| !(t.is_finite() && **t > 0.0)) {
            return Err(Error::expected(Code::Range, "entries", "positive numbers", odd));
        }
        let noise = nhgd_problems::Transition::new(&entries, classes)?;
        Ok(Self { entries, classes, noise })
    }

    /// Labels that are right with the probability `share`, and else any other class.
    pub fn uniform(share: f64, classes: usize) -> Result<Self> {
        let mut entries = room("transition", classes.saturating_mul(classes))?;
        entries.fill((1.0 - share) / (classes as f64 - 1.0));
        entries.iter_mut().step_by(classes + 1).for_each(|entry| *entry = share);
        Self::new(entries, classes)
    }

    /// C × C, row-major.
    pub fn entries(&self) -> Result<Vec<f64>> {
        taken("entries", &self.entries)
    }

    /// Log-odds that each label is right, where the scores of the model that gave the `probabilities`, n × C, are taken
    /// times `slope`.
    pub fn margins(&self, probabilities: &Vector, labels: &[u32], slope: f64) -> Result<Vec<f64>> {
        let rows = self.rows(probabilities, labels)?;
        let mut log_p: Vec<f64> = zeros(self.classes)?;
        let margin = |(p, &y): (&[f64], &u32)| {
            nhgd_problems::Transition::log_probabilities(p, &mut log_p);
            self.noise.margin(&log_p, y as usize, slope).0
        };
        Ok(collected(rows.chunks_exact(self.classes).zip(labels).map(margin))?)
    }

    /// The transition after one more round of expectation maximisation.
    pub fn estimate(&self, probabilities: &Vector, labels: &[u32], slope: f64) -> Result<Self> {
        let rows = self.rows(probabilities, labels)?;
        Self::new(self.noise.estimate(&rows, labels, slope)?, self.classes)
    }

    fn rows(&self, probabilities: &Vector, labels: &[u32]) -> Result<Vec<f64>> {
        let rows = probabilities.read::<f64>()?;
        if rows.len() != labels.len() * self.classes {
            let expected = format!("{} × {} entries", labels.len(), self.classes);
            return Err(Error::expected(Code::Shape, "probabilities", expected, rows.len()));
        }
        match labels.iter().find(|&&y| y as usize >= self.classes) {
            Some(y) => {
                Err(Error::expected(Code::Range, "labels", format!("classes below {}", self.classes), y))
            }
            None => Ok(rows),
        }
    }
}
