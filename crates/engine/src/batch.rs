//! Which samples an oracle looks at, and who draws them.

use std::sync::{Arc, Mutex};

use nhgd_kernels::RowSet;
use rand_core::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::{Code, Error, Result};

/// A set of inner, or of outer, samples, by position.
#[derive(Clone, Debug)]
pub struct Batch {
    positions: Positions,
}

#[derive(Clone, Debug)]
enum Positions {
    First(usize),
    Listed(Arc<[u32]>),
}

impl Batch {
    /// The first `samples` samples; with n all of them.
    pub fn all(samples: usize) -> Self {
        Self { positions: Positions::First(samples) }
    }

    /// The samples at the given positions.
    pub fn of(positions: Vec<u32>) -> Self {
        Self { positions: Positions::Listed(positions.into()) }
    }

    /// Number of samples.
    pub fn length(&self) -> usize {
        self.rows().len()
    }

    pub(crate) fn rows(&self) -> RowSet<'_> {
        match &self.positions {
            Positions::First(n) => RowSet::all(*n),
            Positions::Listed(positions) => RowSet::Indices(positions),
        }
    }

    /// The same rows, known to be non-empty and below `samples`.
    pub(crate) fn checked(&self, samples: usize) -> Result<RowSet<'_>> {
        let worst = match &self.positions {
            Positions::First(n) => n.checked_sub(1),
            Positions::Listed(positions) => positions.iter().max().map(|&i| i as usize),
        };
        match worst {
            Some(i) if i < samples => Ok(self.rows()),
            Some(i) => Err(Error::expected(Code::Range, "batch", format!("positions below {samples}"), i)),
            None => Err(Error::expected(Code::Shape, "batch", "at least one sample", "none")),
        }
    }
}

/// Draws batches without replacement, shuffling anew whenever the samples are used up (xoshiro256++).
#[derive(Debug)]
pub struct Sampler(Mutex<State>);

#[derive(Debug)]
struct State {
    rng: Xoshiro256PlusPlus,
    population: Vec<u32>,
    used: usize,
}

impl Sampler {
    /// Draws from positions `0..samples`.
    pub fn new(seed: u64, samples: usize) -> Result<Self> {
        if samples == 0 || u32::try_from(samples).is_err() {
            return Err(Error::expected(Code::Range, "samples", "1 to 2³² − 1", samples));
        }
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        Ok(Self(Mutex::new(State { rng, population: (0..samples as u32).collect(), used: samples })))
    }

    /// The next `size` samples; a batch never holds one twice unless there are fewer than `size`.
    pub fn take(&self, size: usize) -> Result<Batch> {
        if size == 0 {
            return Err(Error::expected(Code::Range, "size", "at least 1", size));
        }
        let mut state = self.0.lock().unwrap_or_else(|e| e.into_inner());
        let n = state.population.len();
        if size >= n {
            return Ok(Batch::all(n));
        }
        if state.used + size > n {
            state.shuffle();
        }
        let from = state.used;
        state.used += size;
        Ok(Batch::of(state.population[from..from + size].to_vec()))
    }

    /// A seed, a whole number below 2⁵³, for something that wants random numbers of its own.
    pub fn seed(&self) -> f64 {
        (self.0.lock().unwrap_or_else(|e| e.into_inner()).rng.next_u64() >> 11) as f64
    }
}

impl State {
    /// Fisher–Yates. The bias of scaling 64 bits to below 2³² is under 2⁻³².
    fn shuffle(&mut self) {
        for i in (1..self.population.len()).rev() {
            let j = ((self.rng.next_u64() as u128 * (i as u128 + 1)) >> 64) as usize;
            self.population.swap(i, j);
        }
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(batch: &Batch) -> Vec<usize> {
        (0..batch.length()).map(|i| batch.rows().get(i)).collect()
    }

    #[test]
    fn an_epoch_uses_every_sample_once() {
        let sampler = Sampler::new(3, 12).unwrap();
        for _ in 0..3 {
            let mut seen: Vec<usize> = (0..4).flat_map(|_| positions(&sampler.take(3).unwrap())).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..12).collect::<Vec<_>>());
        }
    }

    #[test]
    fn seeds_decide_the_draws() {
        let draw = |seed| positions(&Sampler::new(seed, 1000).unwrap().take(10).unwrap());
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn bad_sizes_are_refused() {
        assert_eq!(Sampler::new(0, 0).unwrap_err().code, Code::Range);
        assert_eq!(Sampler::new(0, 5).unwrap().take(0).unwrap_err().code, Code::Range);
        assert_eq!(Sampler::new(0, 5).unwrap().take(9).unwrap().length(), 5);
        assert_eq!(Batch::of(vec![0, 7]).checked(7).unwrap_err().code, Code::Range);
        assert_eq!(Batch::of(vec![]).checked(7).unwrap_err().code, Code::Shape);
    }
}
