//! An inverse Fisher that works beside the inner loop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use nhgd_curvature::{Diagonal, LayerShape, Observation, Rows, Statistic, Wants};
use nhgd_fisher::{Fisher as Representation, FisherError, FisherSettings, SolveReport, build, condensed};
use nhgd_settings::{object, read, text};

use crate::checkpoint::{Kind, decode, encode};
use crate::error::{length, room, taken};
use crate::queue::{InLine, Job, Place, Queue, Ticket, receive};
use crate::step::{Observable, Observed};
use crate::{Code, Error, Pending, Result, Step, Vector};

/// An inverse Fisher: observations in, directions A b out. Updates run on a thread of their own unless told otherwise.
#[derive(Clone)]
pub struct Fisher(Typed);

#[derive(Clone)]
enum Typed {
    F32(Arc<Core<f32>>),
    F64(Arc<Core<f64>>),
}

struct Core<T: Observable> {
    queue: Box<dyn Queue<Worker<T>>>,
    wants: Wants,
    settings: FisherSettings,
    layers: Vec<LayerShape>,
    kind: Kind,
    bytes: usize,
}

/// The representation and the first error that a job could not return.
struct Worker<T> {
    fisher: Box<dyn Representation<T>>,
    failure: Option<Error>,
    dead: bool,
}

impl<T> Worker<T> {
    fn run<R>(
        &mut self,
        job: impl FnOnce(&mut dyn Representation<T>) -> std::result::Result<R, FisherError>,
    ) -> Result<R> {
        if self.dead {
            return Err(Error::internal("the Fisher"));
        }
        match catch_unwind(AssertUnwindSafe(|| job(&mut *self.fisher))) {
            Ok(result) => Ok(result?),
            Err(_) => {
                self.dead = true;
                Err(Error::internal("the Fisher"))
            }
        }
    }

    fn update(
        &mut self,
        job: impl FnOnce(&mut dyn Representation<T>) -> std::result::Result<(), FisherError>,
    ) {
        if let Err(error) = self.run(job) {
            self.failure.get_or_insert(error);
        }
    }
}

impl<T: Observable> Core<T> {
    fn new(
        parameters: usize,
        layers: &[LayerShape],
        regularizer: &[T],
        settings: &FisherSettings,
        concurrent: bool,
    ) -> Result<Self> {
        let fisher = build(settings, layers, parameters, diagonal(regularizer, parameters)?)?;
        let (wants, bytes) = (fisher.wants(), fisher.bytes());
        let worker = Worker { fisher, failure: None, dead: false };
        let kind = Kind::new(settings, layers, parameters, T::NAME)?;
        let (settings, layers) = (settings.clone(), layers.to_vec());
        Ok(Self { queue: queue(worker, concurrent), wants, settings, layers, kind, bytes })
    }

    fn observe(&self, observed: &Observed, refresh: bool) -> Result<bool> {
        Ok(self.post_observation(own::<T>(observed)?.clone(), refresh))
    }

    fn condensed(&self, observed: &Observed) -> Result<Option<Observed>> {
        Ok(condensed(&self.settings, &self.layers, own::<T>(observed)?)?.map(T::observed))
    }

    fn observe_rows(&self, rows: &[T]) -> Result<bool> {
        if matches!(self.wants, Wants::Factors(_)) {
            let expected = "dense, window, diagonal or sketch for rows";
            return Err(Error::expected(Code::Range, "form", expected, self.kind.form()));
        }
        let d = self.kind.parameters;
        if rows.is_empty() || !rows.len().is_multiple_of(d) {
            let expected = format!("one or more rows of {d} entries");
            return Err(Error::expected(Code::Shape, "rows", expected, rows.len()));
        }
        let rows = Rows { data: taken("rows", rows)?, count: rows.len() / d };
        Ok(self.post_observation(Arc::new(Observation::Rows(rows)), false))
    }

    fn post_observation(&self, observation: Arc<Observation<T>>, refresh: bool) -> bool {
        let bytes = bytes(&observation);
        let job: Job<Worker<T>> = Box::new(move |worker| {
            worker.update(|f| if refresh { f.refresh(&observation) } else { f.observe(&observation) });
        });
        self.queue.post(job, if refresh { Place::Bounded(bytes) } else { Place::Gathered(bytes) })
    }

    fn reset(&self) {
        let job: Job<Worker<T>> = Box::new(|worker| {
            worker.update(|f| {
                f.reset();
                Ok(())
            });
            worker.failure = None;
        });
        self.queue.post(job, Place::Always);
    }

    fn set_regularizer(&self, regularizer: &[T]) -> Result<()> {
        let regularizer = diagonal(regularizer, self.kind.parameters)?;
        let job: Job<Worker<T>> = Box::new(move |worker| worker.update(|f| f.set_regularizer(&regularizer)));
        self.queue.post(job, Place::Always);
        Ok(())
    }

    fn solve(&self, b: &Vector) -> Result<Ticket<Result<Solution<T>>>> {
        let b = taken("b", b.lock("b")?.of::<T>("b")?)?;
        length("b", self.kind.parameters, b.len())?;
        Ok(self.ask(move |worker| match worker.failure.take() {
            Some(failure) => Err(failure),
            None => {
                let mut x = room("x", b.len())?;
                worker.run(|f| f.solve(&b, &mut x)).map(|report| Solution { x, report })
            }
        }))
    }

    fn save(&self) -> Ticket<Result<Vec<u8>>> {
        let kind = self.kind.clone();
        self.ask(move |worker| encode(&kind, &worker.run(|f| Ok(f.state()?))?))
    }

    fn restore(&self, bytes: &[u8]) -> Result<Ticket<Result<()>>> {
        let state = decode(&self.kind, bytes)?;
        Ok(self.ask(move |worker| {
            worker.run(|f| Ok(f.restore(&state)))?.map_err(|e| match e {
                FisherError::Memory { .. } => e.into(),
                e => Error::expected(Code::Checkpoint, "bytes", "a saved Fisher that is intact", e),
            })?;
            worker.failure = None;
            Ok(())
        }))
    }

    /// Posts a job whose result somebody waits for.
    fn ask<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Worker<T>) -> Result<R> + Send + 'static,
    ) -> Ticket<Result<R>> {
        let (sender, ticket) = sync_channel(1);
        let job: Job<Worker<T>> = Box::new(move |worker| {
            // Nobody waits any more where the receiver is gone.
            let _ = sender.send(job(worker));
        });
        self.queue.post(job, Place::Always);
        ticket
    }
}

fn own<T: Observable>(observed: &Observed) -> Result<&Arc<Observation<T>>> {
    T::observation(observed)
        .ok_or_else(|| Error::expected(Code::Dtype, "step", T::NAME, "the other scalar type"))
}

/// One entry stands for cI.
fn diagonal<T: Observable>(entries: &[T], parameters: usize) -> Result<Diagonal<T>> {
    match entries {
        [c] => Ok(Diagonal::Scalar(*c)),
        _ if entries.len() == parameters => Ok(Diagonal::Vector(taken("regularizer", entries)?)),
        _ => {
            let expected = format!("1 or {parameters} entries");
            Err(Error::expected(Code::Shape, "regularizer", expected, entries.len()))
        }
    }
}

/// Bytes that wait with an observation.
fn bytes<T>(observation: &Observation<T>) -> usize {
    observation.arrays().iter().map(|array| size_of_val(&array[..])).sum()
}

fn queue<T: Observable>(worker: Worker<T>, concurrent: bool) -> Box<dyn Queue<Worker<T>>> {
    #[cfg(not(target_arch = "wasm32"))]
    if concurrent {
        return Box::new(crate::queue::Threaded::new(worker));
    }
    #[cfg(all(target_arch = "wasm32", target_feature = "atomics"))]
    if concurrent && nhgd_kernels::helpers::count() > 0 {
        return Box::new(crate::queue::Helped::new(worker));
    }
    let _ = concurrent;
    Box::new(InLine::new(worker))
}

struct Solution<T> {
    x: Vec<T>,
    report: SolveReport,
}

impl<T: Observable> Solution<T> {
    /// Copies the solution to `out` and tells how it went, as JSON.
    fn deliver(self, out: &Vector) -> Result<String> {
        out.copy_from(&Vector::from_vec(self.x))?;
        let SolveReport { residual, damping, fallbacks, steps, mean_regularizer } = self.report;
        // An overflow is told as the largest number: JSON has no infinity, and null would say that nobody looked.
        let residual = residual.map(|r| ("residual", if r.is_finite() { r } else { f64::MAX }.into()));
        let mut report = vec![
            ("damping", damping.into()),
            ("fallbacks", fallbacks.into()),
            ("steps", steps.into()),
            ("mean_regularizer", mean_regularizer.into()),
        ];
        report.extend(residual);
        Ok(text(&object(report)))
    }
}

/// Waits for all that was posted before. Until then the Fisher is kept, whoever disposes of its handle.
fn pending<T: Observable, R: Send + 'static>(core: &Arc<Core<T>>, ticket: Ticket<Result<R>>) -> Pending<R> {
    let core = core.clone();
    Pending::new(move || {
        let result = receive(&ticket).ok_or_else(|| Error::internal("the Fisher"))?;
        drop(core);
        result
    })
}

macro_rules! cores {
    ($fisher:expr, $core:ident => $body:expr) => {
        match &$fisher.0 {
            Typed::F32($core) => $body,
            Typed::F64($core) => $body,
        }
    };
}

impl Fisher {
    /// A Fisher of `parameters` parameters, whose `layers` are inputs and outputs one after the other, in the order of
    /// the parameters (none where it has no layers). `regularizer` is D, before damping: one entry for cI, or one per
    /// parameter; its scalar type is that of the Fisher. Updates run on a thread of their own if `concurrent`.
    ///
    /// `settings` are the JSON of [`FisherSettings`]. `ERR_MEMORY` where there is no room for what the form starts with;
    /// `ERR_RANGE` for settings that are unknown, of another form or out
    /// of range, and for layers that don't cover the parameters; `ERR_SHAPE` for another number of entries of D.
    pub fn new(
        parameters: usize,
        layers: Vec<u32>,
        regularizer: &Vector,
        settings: &str,
        concurrent: bool,
    ) -> Result<Self> {
        let settings: FisherSettings = read(settings).map_err(Error::settings)?;
        let (pairs, rest) = layers.as_chunks();
        if !rest.is_empty() {
            return Err(Error::expected(
                Code::Shape,
                "layers",
                "inputs and outputs of each layer",
                layers.len(),
            ));
        }
        let layers: Vec<LayerShape> = (pairs.iter())
            .map(|&[inputs, outputs]| LayerShape { inputs: inputs as usize, outputs: outputs as usize })
            .collect();
        let dtype = regularizer.dtype()?;
        let mut regularizer = regularizer.lock("regularizer")?;
        Ok(Self(match dtype.as_str() {
            "f32" => {
                let entries = regularizer.of("regularizer")?;
                Typed::F32(Arc::new(Core::new(parameters, &layers, entries, &settings, concurrent)?))
            }
            _ => {
                let entries = regularizer.of("regularizer")?;
                Typed::F64(Arc::new(Core::new(parameters, &layers, entries, &settings, concurrent)?))
            }
        }))
    }

    /// Bytes of what the form started with.
    pub(crate) fn bytes(&self) -> usize {
        cores!(self, core => core.bytes)
    }

    pub(crate) fn wants(&self) -> Wants {
        cores!(self, core => core.wants)
    }

    /// What it sees of a batch: `mean`, `signed` or `perSample` gradients, or `factors`.
    pub fn rows(&self) -> &'static str {
        match self.wants() {
            Wants::Mean => "mean",
            Wants::Signed(_) => "signed",
            Wants::Rows(_) => "perSample",
            Wants::Factors(_) => "factors",
        }
    }

    /// The labels at which it takes gradients: `empirical`, `sampled` or `expected`. The mean gradient is that of the
    /// labels as given.
    pub fn statistic(&self) -> &'static str {
        match self.wants() {
            Wants::Mean => "empirical",
            Wants::Signed(statistic) | Wants::Rows(statistic) | Wants::Factors(statistic) => {
                match statistic {
                    Statistic::Empirical => "empirical",
                    Statistic::Sampled => "sampled",
                    Statistic::Expected => "expected",
                }
            }
        }
    }

    /// Puts means over the samples of a step in the place of the samples, where the Fisher needs no more of them; `false`
    /// where it needs each. [`Step::rows`] then gives one row, and such rows of parts of a batch, each times its share,
    /// sum up to that of the batch.
    pub fn condense(&self, step: &Step) -> Result<bool> {
        let observed = step.observed()?;
        let condensed = cores!(self, core => core.condensed(&observed)?);
        let done = condensed.is_some();
        if done {
            step.store(&step.batch()?, condensed);
        }
        Ok(done)
    }

    /// Posts the samples of a step; `false` if the queue has no room yet (see [`Fisher::wait`]).
    pub fn try_observe(&self, step: &Step) -> Result<bool> {
        let observed = step.observed()?;
        cores!(self, core => core.observe(&observed, false))
    }

    /// The same for F anew from one large set of samples.
    pub fn try_refresh(&self, step: &Step) -> Result<bool> {
        let observed = step.observed()?;
        cores!(self, core => core.observe(&observed, true))
    }

    /// Posts gradients that come from elsewhere, one or more rows of d entries each: the observation's term of F is
    /// Σ row rowᵀ. `false` if the queue has no room yet; `ERR_RANGE` for a form that takes factors.
    pub fn try_observe_rows(&self, rows: &Vector) -> Result<bool> {
        let mut rows = rows.lock("rows")?;
        cores!(self, core => core.observe_rows(rows.of("rows")?))
    }

    /// Waits until the queue has room.
    pub fn wait(&self) -> Pending<()> {
        let fisher = self.clone();
        Pending::new(move || {
            cores!(fisher, core => core.queue.wait());
            Ok(())
        })
    }

    /// x ← (F + D̃)⁻¹ b with F of all that was observed before; gives a report as JSON. The first failure of an earlier
    /// update is reported here.
    pub fn solve(&self, b: &Vector, x: &Vector) -> Result<Pending<String>> {
        let x = x.clone();
        Ok(cores!(self, core => pending(core, core.solve(b)?).then(move |solution| solution.deliver(&x))))
    }

    /// All that was observed before as bytes, for [`Fisher::restore`].
    pub fn save(&self) -> Pending<Vec<u8>> {
        cores!(self, core => pending(core, core.save()))
    }

    /// Takes back what [`Fisher::save`] gave, from a Fisher of the same shape, scalar type and settings: it goes on with
    /// the same bits, the regulariser included. `ERR_CHECKPOINT` for other bytes, which change nothing; it names the first
    /// setting that differs.
    pub fn restore(&self, bytes: &[u8]) -> Result<Pending<()>> {
        Ok(cores!(self, core => pending(core, core.restore(bytes)?)))
    }

    /// Forgets every observation, and the failure of one.
    pub fn reset(&self) {
        cores!(self, core => core.reset());
    }

    /// Takes another D, before damping: one entry for cI, or one per parameter.
    pub fn set_regularizer(&self, regularizer: &Vector) -> Result<()> {
        let mut regularizer = regularizer.lock("regularizer")?;
        cores!(self, core => core.set_regularizer(regularizer.of("regularizer")?))
    }
}
