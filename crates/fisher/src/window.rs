//! The last rows themselves: the data terms of smoothed Sherman–Morrison without A.

use nhgd_kernels::vector::dot;
use nhgd_kernels::{MatMut, MatRef, Scalar, matmul, matvec};

use crate::check::{self, State, widen};
use crate::config::Start;
use crate::damping::Damping;
use crate::smoothing::Smoothing;
use crate::woodbury::Woodbury;
use crate::{Fisher, FisherError, SolveReport};
use nhgd_curvature::{Diagonal, Observation, Wants};

/// F = Σ_j c_j g_j g_jᵀ over the last m rows, with c_j = (1−β) β^age, or 1 over the rows' number for the average, which
/// is one over the window. D̃ is exact, per parameter too; the Gram matrix is rebuilt when it changes.
pub(crate) struct Window<T> {
    d: usize,
    capacity: usize,
    wants: Wants,
    smoothing: Smoothing,
    start: Start,
    damping: Damping<T>,
    /// G, up to `capacity` × d: a ring whose oldest row is `next` once it is full.
    rows: Vec<T>,
    next: usize,
    /// c.
    weights: Vec<f64>,
    /// G M Gᵀ, capacity × capacity, both triangles.
    gram: Vec<T>,
    /// M: 1 where D̃ is cI, else D̃⁻¹.
    metric: Diagonal<T>,
    /// What is left of λI if the start decays, else 1.
    remains: f64,
    /// The inner system and its λ, until something changes.
    inner: Option<(Woodbury<T>, f64)>,
}

impl<T: Scalar> Window<T> {
    pub fn new(
        d: usize,
        capacity: usize,
        mut damping: Damping<T>,
        wants: Wants,
        smoothing: Smoothing,
        start: Start,
    ) -> Self {
        if start == Start::Decaying {
            damping.ignore_regularizer();
        }
        Self {
            d,
            capacity,
            wants,
            smoothing,
            start,
            damping,
            rows: Vec::new(),
            next: 0,
            weights: Vec::new(),
            gram: Vec::new(),
            metric: Diagonal::Scalar(T::one()),
            remains: 1.0,
            inner: None,
        }
    }

    /// Rows held.
    fn held(&self) -> usize {
        self.weights.len()
    }

    fn view(&self) -> MatRef<'_, T> {
        MatRef::new(&self.rows, self.held(), self.d)
    }

    /// Columns `slots` of G M Gᵀ, and the rows that mirror them.
    fn fill_gram(&mut self, slots: &[usize]) {
        let (held, k, m) = (self.held(), slots.len(), self.capacity);
        let mut scaled = Vec::with_capacity(k * self.d);
        for &slot in slots {
            let row = &self.rows[slot * self.d..][..self.d];
            match &self.metric {
                Diagonal::Scalar(_) => scaled.extend_from_slice(row),
                Diagonal::Vector(metric) => scaled.extend(row.iter().zip(metric).map(|(&g, &m)| g * m)),
            }
        }
        let mut products = vec![T::zero(); held * k];
        if k == 1 {
            matvec(&mut products, T::zero(), T::one(), self.view(), &scaled);
        } else {
            let columns = MatRef::new(&scaled, k, self.d).t();
            matmul(MatMut::new(&mut products, held, k), T::zero(), T::one(), self.view(), columns);
        }
        for i in 0..held {
            for (j, &slot) in slots.iter().enumerate() {
                self.gram[i * m + slot] = products[i * k + j];
                self.gram[slot * m + i] = products[i * k + j];
            }
        }
    }

    /// Takes the metric of λ, and the Gram matrix with it.
    fn set_metric(&mut self, level: f64) {
        let metric = match self.damping.diagonal(level) {
            Diagonal::Scalar(_) => Diagonal::Scalar(T::one()),
            Diagonal::Vector(tilde) => Diagonal::Vector(tilde.into_iter().map(|d| T::one() / d).collect()),
        };
        if metric != self.metric {
            self.metric = metric;
            self.fill_gram(&(0..self.held()).collect::<Vec<_>>());
        }
    }

    fn trace(&self) -> f64 {
        let squares = self.rows.chunks_exact(self.d).map(|row| dot(row, row).wide());
        squares.zip(&self.weights).map(|(square, c)| square * c).sum()
    }

    fn absorb(&mut self, observation: &Observation<T>, anew: bool) -> Result<(), FisherError> {
        let rows = check::rows(observation, self.d)?;
        if anew {
            self.reset();
        }
        // Only the last `capacity` rows of a larger observation have a place.
        let kept = rows.count.min(self.capacity);
        let dropped = (self.held() + kept).saturating_sub(self.capacity);
        let pseudo = if self.start == Start::Decaying { 1.0 } else { 0.0 };
        let seen = self.held() as f64 + pseudo;
        let left = seen - dropped as f64;
        let (beta, gamma) = match self.smoothing {
            Smoothing::Forget(_) if anew && self.start == Start::Held => (0.0, 1.0),
            // The weights of the rows that stay grow as others leave the average.
            Smoothing::Average if left > 0.0 => {
                let (beta, gamma) = self.smoothing.weights(left, kept);
                (beta * seen / left, gamma)
            }
            _ => self.smoothing.weights(left, kept),
        };
        self.weights.iter_mut().for_each(|c| *c *= beta);
        self.remains *= if self.start == Start::Decaying { beta } else { 1.0 };

        if self.gram.is_empty() {
            self.gram = vec![T::zero(); self.capacity * self.capacity];
        }
        let first = (rows.count - kept) * self.d;
        let mut slots = Vec::with_capacity(kept);
        for row in rows.data[first..].chunks_exact(self.d) {
            let slot = self.next;
            if slot == self.held() {
                self.rows.extend_from_slice(row);
                self.weights.push(gamma);
            } else {
                self.rows[slot * self.d..][..self.d].copy_from_slice(row);
                self.weights[slot] = gamma;
            }
            slots.push(slot);
            self.next = (slot + 1) % self.capacity;
        }
        self.fill_gram(&slots);
        self.inner = None;
        Ok(())
    }

    /// Factors the inner system unless that is done.
    fn factor(&mut self) -> Result<(), FisherError> {
        if self.inner.is_some() {
            return Ok(());
        }
        let mean = self.trace() / self.d as f64;
        let roots: Vec<T> = self.weights.iter().map(|c| T::of(c.sqrt())).collect();
        let mut damping = self.damping.clone();
        let inner = damping.raise(mean, |damping, level| {
            let level = level * self.remains;
            self.set_metric(level);
            let scale = match damping.diagonal(level) {
                Diagonal::Scalar(c) => c,
                Diagonal::Vector(_) => T::one(),
            };
            let gram = MatRef::strided(&self.gram, roots.len(), roots.len(), self.capacity, 1);
            Woodbury::factor(gram, roots.clone(), scale).map(|inner| (inner, level))
        });
        self.damping = damping;
        self.inner = Some(inner?.0);
        Ok(())
    }
}

impl<T: Scalar> Fisher<T> for Window<T> {
    fn size(&self) -> usize {
        self.d
    }

    fn wants(&self) -> Wants {
        self.wants
    }

    fn set_regularizer(&mut self, regularizer: &Diagonal<T>) -> Result<(), FisherError> {
        let mut damping = self.damping.clone();
        damping.set_regularizer(regularizer)?;
        if self.start == Start::Held {
            self.damping = damping;
            self.inner = None;
        }
        Ok(())
    }

    fn observe(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, false)
    }

    fn refresh(&mut self, observation: &Observation<T>) -> Result<(), FisherError> {
        self.absorb(observation, true)
    }

    fn solve(&mut self, b: &[T], x: &mut [T]) -> Result<SolveReport, FisherError> {
        check::sides(b, x, self.d)?;
        self.factor()?;
        let Some((inner, level)) = &self.inner else { unreachable!("factored above") };
        inner.solve(self.view(), &self.damping.diagonal(*level), b, x);
        check::solution(x)?;
        let fallbacks = self.damping.fallbacks;
        Ok(SolveReport { residual: f64::NAN, damping: *level, fallbacks, ..SolveReport::default() })
    }

    fn reset(&mut self) {
        self.rows.clear();
        self.weights.clear();
        self.next = 0;
        self.remains = 1.0;
        self.inner = None;
    }

    fn state(&self) -> Vec<(&'static str, Vec<f64>)> {
        let held = self.held();
        let gram = (0..held * held).map(|k| self.gram[k / held * self.capacity + k % held].wide()).collect();
        let metric = match &self.metric {
            Diagonal::Scalar(c) => vec![c.wide()],
            Diagonal::Vector(metric) => widen(metric),
        };
        vec![
            ("rows", widen(&self.rows)),
            ("weights", self.weights.clone()),
            ("next", vec![self.next as f64]),
            ("gram", gram),
            ("metric", metric),
            ("remains", vec![self.remains]),
            ("fallbacks", vec![self.damping.fallbacks_to_save(self.inner.is_some())]),
        ]
    }

    fn restore(&mut self, state: &[(String, Vec<f64>)]) -> Result<(), FisherError> {
        let state = State(state);
        let weights = state.values("weights", |n| n <= self.capacity)?.to_vec();
        let held = weights.len();
        let rows = state.scalars("rows", |n| n == held * self.d)?;
        let gram: Vec<T> = state.scalars("gram", |n| n == held * held)?;
        let metric: Vec<T> = state.scalars("metric", |n| n == 1 || n == self.d)?;
        let next = state.number("next")? as usize;
        let (remains, fallbacks) = (state.number("remains")?, state.number("fallbacks")? as u32);
        if next > held || next >= self.capacity {
            return Err(FisherError::range("state", format!("\"next\" of at most {held}"), next));
        }
        self.gram = vec![T::zero(); self.capacity * self.capacity];
        for (row, into) in gram.chunks_exact(held.max(1)).zip(self.gram.chunks_exact_mut(self.capacity)) {
            into[..held].copy_from_slice(row);
        }
        let vector = self.damping.is_vector() && metric.len() == self.d;
        self.metric = if vector { Diagonal::Vector(metric) } else { Diagonal::Scalar(T::one()) };
        (self.rows, self.weights, self.next, self.remains) = (rows, weights, next, remains);
        self.damping.fallbacks = fallbacks;
        self.inner = None;
        Ok(())
    }

    fn bytes(&self) -> usize {
        let inner = self.inner.as_ref().map_or(0, |(inner, _)| inner.bytes());
        size_of_val(&self.rows[..]) + size_of_val(&self.gram[..]) + inner
    }
}
