//! An inverse Fisher that works beside the inner loop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use nhgd_curvature::Wants;
use nhgd_fisher::{Fisher as Representation, FisherError, SolveReport, Start, build};
use serde::Serialize;

use crate::checkpoint::{Kind, decode, encode};
use crate::error::length;
use crate::fisher_settings::FisherSettings;
use crate::problem::typed;
use crate::queue::{InLine, Job, Place, Queue, Ticket, receive};
use crate::step::{Observable, Observed};
use crate::{Code, Error, Pending, Point, Problem, Result, Step, Vector};

/// Observations that may wait for the Fisher's thread.
const CAPACITY: usize = 64;

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
    kind: Kind,
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
        problem: &dyn nhgd_problems::Problem<T>,
        point: nhgd_problems::Point<'_, T>,
        settings: &FisherSettings,
    ) -> Result<Self> {
        let fisher: Box<dyn Representation<T>> = build(
            &settings.config(),
            &problem.layers(),
            problem.inner_len(),
            problem.penalty().diagonal(point.outer, problem.inner_len()),
        )?;
        let (wants, size) = (fisher.wants(), fisher.size());
        let worker = Worker { fisher, failure: None, dead: false };
        let config = settings.config();
        let kind = Kind {
            form: config.form,
            decaying: config.start == Start::Decaying,
            dtype: T::NAME.to_owned(),
            parameters: size,
        };
        Ok(Self { queue: queue(worker, settings.concurrent), wants, kind })
    }

    fn observe(&self, observed: &Observed, refresh: bool) -> Result<bool> {
        let observation = T::observation(observed)
            .ok_or_else(|| Error::expected(Code::Dtype, "step", T::NAME, "the other scalar type"))?
            .clone();
        let job: Job<Worker<T>> = Box::new(move |worker| {
            worker.update(|f| if refresh { f.refresh(&observation) } else { f.observe(&observation) });
        });
        let place = if refresh { Place::Bounded } else { Place::Gathered };
        Ok(self.queue.post(job, place))
    }

    fn post(
        &self,
        job: impl FnOnce(&mut dyn Representation<T>) -> std::result::Result<(), FisherError> + Send + 'static,
    ) {
        self.queue.post(Box::new(move |worker| worker.update(job)), Place::Always);
    }

    fn solve(&self, b: &Vector) -> Result<Ticket<Result<Solution<T>>>> {
        let b = b.lock("b")?.of::<T>("b")?.clone();
        length("b", self.kind.parameters, b.len())?;
        Ok(self.ask(move |worker| match worker.failure.take() {
            Some(failure) => Err(failure),
            None => {
                let mut x = b.clone();
                worker.run(|f| f.solve(&b, &mut x)).map(|report| Solution { x, report })
            }
        }))
    }

    fn save(&self) -> Ticket<Result<Vec<u8>>> {
        let kind = self.kind.clone();
        self.ask(move |worker| encode(&kind, &worker.run(|f| Ok(f.state()))?))
    }

    fn restore(&self, bytes: &[u8]) -> Result<Ticket<Result<()>>> {
        let state = decode(&self.kind, bytes)?;
        Ok(self.ask(move |worker| {
            worker.run(|f| Ok(f.restore(&state)))?.map_err(|e| {
                let message = format!("the saved Fisher has other settings: {e}");
                Error { code: Code::Checkpoint, message }
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

fn queue<T: Observable>(worker: Worker<T>, concurrent: bool) -> Box<dyn Queue<Worker<T>>> {
    #[cfg(not(target_arch = "wasm32"))]
    if concurrent {
        return Box::new(crate::queue::Threaded::new(worker, CAPACITY));
    }
    #[cfg(all(target_arch = "wasm32", target_feature = "atomics"))]
    if concurrent && nhgd_kernels::helpers::count() > 0 {
        return Box::new(crate::queue::Helped::new(worker, CAPACITY));
    }
    let _ = concurrent;
    Box::new(InLine::new(worker))
}

struct Solution<T> {
    x: Vec<T>,
    report: SolveReport,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    residual: Option<f64>,
    damping: f64,
    fallbacks: u32,
    steps: u32,
    mean_regularizer: bool,
}

impl<T: Observable> Solution<T> {
    /// Copies the solution to `out` and tells how it went, as JSON.
    fn deliver(self, out: &Vector) -> Result<String> {
        out.copy_from(&Vector::from_vec(self.x))?;
        let SolveReport { residual, damping, fallbacks, steps, mean_regularizer } = self.report;
        let residual = residual.is_finite().then_some(residual);
        let report = Report { residual, damping, fallbacks, steps, mean_regularizer };
        serde_json::to_string(&report).map_err(|e| Error { code: Code::Internal, message: e.to_string() })
    }
}

/// Waits for all that was posted before.
fn pending<R: Send + 'static>(ticket: Ticket<Result<R>>) -> Pending<R> {
    Pending::new(move || receive(&ticket).ok_or_else(|| Error::internal("the Fisher"))?)
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
    /// A Fisher for `problem`, whose regulariser is taken at `point`.
    pub fn new(problem: &Problem, point: &Point, settings: &str) -> Result<Self> {
        let settings = FisherSettings::parse(settings)?;
        Ok(Self(match &problem.0 {
            crate::problem::Typed::F32(p) => {
                Typed::F32(Arc::new(Core::new(&**p, problem.at::<f32>(point)?.of()?, &settings)?))
            }
            crate::problem::Typed::F64(p) => {
                Typed::F64(Arc::new(Core::new(&**p, problem.at::<f64>(point)?.of()?, &settings)?))
            }
        }))
    }

    pub(crate) fn wants(&self) -> Wants {
        cores!(self, core => core.wants)
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
        Ok(cores!(self, core => pending(core.solve(b)?).then(move |solution| solution.deliver(&x))))
    }

    /// All that was observed before as bytes, for [`Fisher::restore`].
    pub fn save(&self) -> Pending<Vec<u8>> {
        pending(cores!(self, core => core.save()))
    }

    /// Takes back what [`Fisher::save`] gave, from a Fisher of the same settings and size: it goes on with the same bits.
    /// `ERR_CHECKPOINT` for other bytes, which change nothing. The regulariser stays as it is.
    pub fn restore(&self, bytes: &[u8]) -> Result<Pending<()>> {
        Ok(pending(cores!(self, core => core.restore(bytes)?)))
    }

    /// Forgets every observation.
    pub fn reset(&self) {
        cores!(self, core => core.post(|f| {
            f.reset();
            Ok(())
        }));
    }

    /// Takes D anew at another point; nothing is done where D does not depend on v.
    pub fn set_regularizer(&self, problem: &Problem, point: &Point) -> Result<()> {
        typed!(problem, T, p => {
            if !p.penalty().is_learned() {
                return Ok(());
            }
            let mut point = problem.at::<T>(point)?;
            let regularizer = p.penalty().diagonal(point.of::<T>()?.outer, p.inner_len());
            self.core::<T>()?.post(move |f| f.set_regularizer(&regularizer));
        });
        Ok(())
    }

    fn core<T: Observable>(&self) -> Result<&Core<T>> {
        let core: &dyn std::any::Any = match &self.0 {
            Typed::F32(core) => &**core,
            Typed::F64(core) => &**core,
        };
        core.downcast_ref()
            .ok_or_else(|| Error::expected(Code::Dtype, "problem", "the Fisher's scalar type", T::NAME))
    }
}
