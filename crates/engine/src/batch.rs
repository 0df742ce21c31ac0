//! Which samples an oracle looks at, and who draws them.

use std::sync::{Arc, Mutex};

use nhgd_kernels::RowSet;
use nhgd_kernels::memory::{collected, filled};

use crate::error::reserved;
use crate::{Code, Error, Result, taken};

/// A set of inner, or of outer, samples, by position.
#[derive(Clone, Debug)]
pub struct Batch {
    positions: Positions,
}

#[derive(Clone, Debug)]
enum Positions {
    First(usize),
    Listed(Arc<Vec<u32>>),
}

impl Batch {
    /// The first `samples` samples; with n all of them.
    pub fn all(samples: usize) -> Self {
        Self { positions: Positions::First(samples) }
    }

    /// The samples at the given positions.
    pub fn of(positions: Vec<u32>) -> Self {
        Self { positions: Positions::Listed(Arc::new(positions)) }
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
    pub fn positions(&self) -> Result<Vec<u32>> {
        match &self.positions {
            Positions::First(n) => listed(*n),
            Positions::Listed(positions) => taken("batch", positions),
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

/// The positions below `samples`.
fn listed(samples: usize) -> Result<Vec<u32>> {
    // On a 32-bit machine a larger number arrives as the largest of usize.
    if samples >= u32::MAX as usize {
        return Err(Error::expected(Code::Range, "samples", "1 to 2³² − 2", samples));
    }
    let mut positions = reserved("samples", samples)?;
    positions.extend(0..samples as u32);
    Ok(positions)
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
        if samples == 0 {
            return Err(Error::expected(Code::Range, "samples", "1 to 2³² − 2", samples));
        }
        let population = listed(samples)?;
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
        let mut batch = reserved("size", size)?;
        if state.used + size > n {
            state.shuffle();
        }
        let from = state.used;
        state.used += size;
        batch.extend_from_slice(&state.population[from..from + size]);
        Ok(Batch::of(batch))
    }

    /// A seed, a whole number below 2⁵³, for something that wants random numbers of its own.
    pub fn seed(&self) -> f64 {
        (self.lock().random.next() >> 11) as f64
    }

    /// All that decides the draws to come, for [`Sampler::restore`]: the generator's four words, the number of samples
    /// used and the order of the samples, little-endian.
    pub fn save(&self) -> Result<Vec<u8>> {
        let state = self.lock();
        let mut bytes = reserved("sampler", 36 + 4 * state.population.len())?;
        let words = state.random.0.iter().flat_map(|word| word.to_le_bytes());
        let used = (state.used as u32).to_le_bytes();
        bytes.extend(words.chain(used).chain(state.population.iter().flat_map(|i| i.to_le_bytes())));
        Ok(bytes)
    }

    /// Takes back what [`Sampler::save`] gave. `ERR_CHECKPOINT` for bytes of another number of samples, or of no
    /// sampler; they change nothing.
    pub fn restore(&self, bytes: &[u8]) -> Result<()> {
        let mut state = self.lock();
        let restored = State::from_bytes(bytes, state.population.len())?.ok_or_else(|| {
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
    fn from_bytes(bytes: &[u8], samples: usize) -> Result<Option<Self>> {
        let Some((words, rest)) = bytes.split_first_chunk::<32>() else { return Ok(None) };
        let (numbers, odd) = rest.as_chunks();
        let Some((used, population)) = numbers.split_first() else { return Ok(None) };
        let used = u32::from_le_bytes(*used) as usize;
        let population: Vec<u32> = collected(population.iter().map(|i| u32::from_le_bytes(*i)))?;
        let mut seen = filled(false, samples)?;
        for i in &population {
            if seen.get_mut(*i as usize).is_none_or(|seen| std::mem::replace(seen, true)) {
                return Ok(None);
            }
        }
        let random = Generator(std::array::from_fn(|i| {
            u64::from_le_bytes(std::array::from_fn(|byte| words[8 * i + byte]))
        }));
        let whole = odd.is_empty() && population.len() == samples && used <= samples && random.0 != [0; 4];
        Ok(whole.then_some(Self { random, population, used }))
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
mod tests;
