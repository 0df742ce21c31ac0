//! Which samples an oracle looks at, and who draws them.

use std::sync::{Arc, Mutex};

use nhgd_kernels::RowSet;

use crate::error::reserved;
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

    /// Another handle to the same samples.
    pub fn share(&self) -> Self {
        self.clone()
    }

    /// Number of samples.
    pub fn length(&self) -> usize {
        self.rows().len()
    }

    /// Positions of the samples, in the batch's order.
    pub fn positions(&self) -> Vec<u32> {
        match &self.positions {
            Positions::First(n) => (0..*n as u32).collect(),
            Positions::Listed(positions) => positions.to_vec(),
        }
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

/// A seed as the random numbers take it: a whole number from 0 to 2⁵³ − 1, where −0 is 0.
pub fn seed_bits(seed: f64) -> Result<u64> {
    if seed.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&seed) {
        Ok((seed + 0.0).to_bits())
    } else {
        Err(Error::expected(Code::Range, "seed", "a whole number from 0 to 2⁵³ − 1", seed))
    }
}

/// xoshiro256++ (Blackman & Vigna 2021), seeded by SplitMix64.
#[derive(Clone, Debug)]
struct Generator([u64; 4]);

impl Generator {
    fn new(seed: u64) -> Self {
        Self([1u64, 2, 3, 4].map(|i| {
            let mut z = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }))
    }

    fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }
}

/// Draws batches without replacement. It shuffles anew whenever the samples are used up.
#[derive(Debug)]
pub struct Sampler(Mutex<State>);

#[derive(Debug)]
struct State {
    random: Generator,
    population: Vec<u32>,
    used: usize,
}

impl Sampler {
    /// Draws from positions `0..samples`; for the seed see [`seed_bits`].
    pub fn new(seed: u64, samples: usize) -> Result<Self> {
        // On a 32-bit machine a larger number arrives as the largest of usize.
        if samples == 0 || samples >= u32::MAX as usize {
            return Err(Error::expected(Code::Range, "samples", "1 to 2³² − 2", samples));
        }
        let mut population = reserved("samples", samples)?;
        population.extend(0..samples as u32);
        Ok(Self(Mutex::new(State { random: Generator::new(seed), population, used: samples })))
    }

    /// The next `size` samples; a batch never holds one twice. It holds all samples where there are fewer than `size`.
    pub fn take(&self, size: usize) -> Result<Batch> {
        if size == 0 {
            return Err(Error::expected(Code::Range, "size", "at least 1", size));
        }
        let mut state = self.lock();
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
        (self.lock().random.next() >> 11) as f64
    }

    /// All that decides the draws to come, for [`Sampler::restore`]: the generator's four words, the number of samples
    /// used and the order of the samples, little-endian.
    pub fn save(&self) -> Vec<u8> {
        let state = self.lock();
        let words = state.random.0.iter().flat_map(|word| word.to_le_bytes());
        let used = (state.used as u32).to_le_bytes();
        words.chain(used).chain(state.population.iter().flat_map(|i| i.to_le_bytes())).collect()
    }

    /// Takes back what [`Sampler::save`] gave. `ERR_CHECKPOINT` for bytes of another number of samples, or of no
    /// sampler; they change nothing.
    pub fn restore(&self, bytes: &[u8]) -> Result<()> {
        let mut state = self.lock();
        let restored = State::from_bytes(bytes, state.population.len()).ok_or_else(|| {
            let expected = format!("a saved sampler of {} samples", state.population.len());
            Error::expected(Code::Checkpoint, "bytes", expected, format!("{} other bytes", bytes.len()))
        })?;
        *state = restored;
        Ok(())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl State {
    fn from_bytes(bytes: &[u8], samples: usize) -> Option<Self> {
        let (words, rest) = bytes.split_first_chunk::<32>()?;
        let (numbers, odd) = rest.as_chunks();
        let (used, population) = numbers.split_first()?;
        let used = u32::from_le_bytes(*used) as usize;
        let population: Vec<u32> = population.iter().map(|i| u32::from_le_bytes(*i)).collect();
        let mut seen = vec![false; samples];
        for i in &population {
            if std::mem::replace(seen.get_mut(*i as usize)?, true) {
                return None;
            }
        }
        let random = Generator(std::array::from_fn(|i| {
            u64::from_le_bytes(std::array::from_fn(|byte| words[8 * i + byte]))
        }));
        let whole = odd.is_empty() && population.len() == samples && used <= samples && random.0 != [0; 4];
        whole.then_some(Self { random, population, used })
    }

    /// Fisher–Yates. The bias of scaling 64 bits to below 2³² is under 2⁻³².
    fn shuffle(&mut self) {
        for i in (1..self.population.len()).rev() {
            let j = ((self.random.next() as u128 * (i as u128 + 1)) >> 64) as usize;
            self.population.swap(i, j);
        }
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(batch: &Batch) -> Vec<usize> {
        let positions: Vec<usize> = batch.positions().iter().map(|i| *i as usize).collect();
        assert_eq!(positions, (0..batch.length()).map(|i| batch.rows().get(i)).collect::<Vec<_>>());
        positions
    }

    /// The expected numbers come from the authors' C code, seeded with their SplitMix64 at 42.
    #[test]
    fn the_generator_is_xoshiro() {
        let mut random = Generator::new(42);
        assert_eq!(
            [0; 4].map(|_: u64| random.next()),
            [15021278609987233951, 5881210131331364753, 18149643915985481100, 12933668939759105464]
        );
    }

    #[test]
    fn seeds_are_whole_numbers() {
        assert_eq!(seed_bits(-0.0), seed_bits(0.0));
        assert!(seed_bits(9_007_199_254_740_991.0).is_ok());
        for seed in [f64::NAN, 0.5, -1.0, f64::INFINITY, 9_007_199_254_740_992.0] {
            assert_eq!(seed_bits(seed).unwrap_err().code, Code::Range);
        }
    }

    #[test]
    fn a_restored_sampler_goes_on_with_the_same_draws() {
        let sampler = Sampler::new(7, 10).unwrap();
        sampler.take(4).unwrap();
        let saved = sampler.save();
        let other = Sampler::new(8, 10).unwrap();
        other.restore(&saved).unwrap();
        for _ in 0..9 {
            assert_eq!(sampler.take(4).unwrap().positions(), other.take(4).unwrap().positions());
            assert_eq!(sampler.seed(), other.seed());
        }
        let twice = [&saved[..36], &saved[36..40], &saved[36..72]].concat();
        let used = [&saved[..32], &[11, 0, 0, 0], &saved[36..]].concat();
        for bad in [&saved[..75], &[&saved[..], &[0]].concat(), &[], &twice, &used] {
            assert_eq!(other.restore(bad).unwrap_err().code, Code::Checkpoint);
        }
        assert_eq!(Sampler::new(0, 9).unwrap().restore(&saved).unwrap_err().code, Code::Checkpoint);
        assert_eq!(sampler.save(), other.save());
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
