import { type Backend, read, taken, vector } from '../../backend/backend.ts'
import type { Features, Vector } from '../../backend/binding.ts'
import * as defaults from '../../defaults.ts'
import { Breather } from '../../hypergradient/clock.ts'
import { type InnerOptions, innerEnd, innerLoop, innerState } from '../../hypergradient/innerLoop.ts'
import { optimizer } from '../../hypergradient/optimizer.ts'
import { preconditionedConjugateGradients } from '../../methods/preconditionedConjugateGradients.ts'
import { bilevel } from '../../problems/bilevel.ts'
import { type CheckedLabels, penalty, weightNetwork } from '../../problems/blocks.ts'
import { type Model, predictor } from '../../problems/model.ts'
import type { AnyProblem } from '../../problems/problem.ts'
import type { Tensor } from '../../run/archive.ts'
import { Ranks } from '../../run/ranks.ts'
import { restoreRecord, saveRecord, vectorsOf } from '../../run/record.ts'
import type { Theta } from '../trainer.ts'
import { conditionalLogit } from './conditionalLogit.ts'
import { gains, type HeldOutRow } from './confirmation.ts'
import type { BilevelGain, HeldOutGain } from './options.ts'

const { checked: constants } = defaults.cleanLabels
const settings = constants.signalModel

/** Signals of samples, one row per sample. */
export interface Signals {
  readonly data: Float64Array
  readonly columns: number
}

/**
 * One fold of the checked rows: a model trains on rows with suggested labels and on the checked rows of the other folds,
 * and is judged on those of this fold. Each fold is a problem of its own, since problems that are joined by `withFolds`
 * can't feed the Kronecker form, and v follows the mean of their hypergradients.
 */
export interface Fold {
  /** Rows that nobody checked, their labels, and their signals. */
  readonly rows: Uint32Array
  readonly labels: Uint32Array
  readonly signals: Signals
  /** Checked rows of the other folds and of this one, with their true classes. */
  readonly anchors: Uint32Array
  readonly anchorLabels: Uint32Array
  readonly heldOut: Uint32Array
  readonly heldOutLabels: Uint32Array
  /** Signals of those held out, and whether their suggested labels are right. */
  readonly heldOutSignals: Signals
  readonly right: readonly boolean[]
  /** θ to start from. */
  readonly theta: Theta
}

/** A fitted signal model: v, and what led to it. */
export interface SignalModel {
  /** a, b, τ, β of `weightNetwork` for the weights, and for the scores. */
  readonly weights: Float64Array
  readonly scores: Float64Array
  /** Factor of ‖θ‖². */
  readonly regularization: number
  readonly gain: BilevelGain
}

/** z = b + a·s: the log-odds that a suggested label is right. */
export function scoresOf({ data, columns }: Signals, coefficients: Float64Array): Float64Array {
  return Float64Array.from({ length: data.length / columns }, (_, i) => {
    let z = coefficients[columns]
    for (let j = 0; j < columns; j++) z += coefficients[j] * data[i * columns + j]
    return z
  })
}

/** Logits e^τ z + β of the weights. */
export function weightLogits(signals: Signals, coefficients: Float64Array): Float64Array {
  const [slope, shift] = coefficients.slice(signals.columns + 1)
  return scoresOf(signals, coefficients).map((z) => Math.exp(slope) * z + shift)
}

/**
 * The model of the signals that says how much each suggested label is worth, and the strength of the penalty. It starts
 * as a logistic regression on the checked rows. Then its few coefficients, v, follow the hypergradient of what the checked
 * rows of each fold lose under a model that has not seen them: their cross-entropy, and the log loss of the score that
 * their suggested label is right. Each half of the folds goes this way on its own too, and the other half says whether it
 * loses less under the end than under the start. The weights and the penalty keep the end of all folds where the
 * cross-entropy is less beyond its error, the scores where the log loss is.
 */
export async function fitSignalModel(
  backend: Backend,
  features: Features,
  model: Model,
  folds: readonly Fold[],
  options: FitOptions,
): Promise<SignalModel> {
  const { outerSteps = settings.outerSteps, signal, ranks = new Ranks(), onStep, begun, onState } = options
  const parts = [folds.filter((_, k) => k % 2 === 0), folds.filter((_, k) => k % 2 === 1), folds]
  const descents: Descent[] = []
  for (const [i, part] of parts.entries()) {
    const at = (name: string) => begun?.[`fit.descents.${i}.${name}`]
    const first = descents.reduce((sum, { folds }) => sum + folds, 0)
    descents.push(await begin(backend, features, model, part, options, at, first))
  }
  const [even, odd, all] = descents
  const runs = descents.flatMap((descent) =>
    Array.from({ length: descent.folds }, (_, k) => ({ descent, k })),
  )
  // Some steps with v at rest first let every θ settle.
  const fit = { step: -settings.settling, descents: descents.map(({ state }) => state) }
  if (begun) await restoreRecord(fit, new Map(Object.entries(begun)), 'fit')
  const save = async () => {
    const tensors = new Map<string, Tensor>()
    await saveRecord(fit, tensors, 'fit')
    return Object.assign({}, ...(await ranks.gathered(Object.fromEntries(tensors))))
  }
  while (fit.step <= outerSteps) {
    signal?.throwIfAborted()
    const { step } = fit
    const moves = step >= 0 && step < outerSteps
    const slopes = await ranks.sharedOut(runs.length, (run) => runs[run].descent.slope(runs[run].k))
    const losses = descents.map((descent) => descent.move(slopes.splice(0, descent.folds), moves))
    if (step >= 0) onStep?.(step, losses[2])
    fit.step++
    await onState?.(save)
  }
  const judged = async (which: 'start' | 'v') => [
    ...(await odd.judged(even[which])),
    ...(await even.judged(odd[which])),
  ]
  const before = await judged('start')
  const { weights, scores } = gains(before, outerSteps > 0 ? await judged('v') : before)
  const kept = ({ confirmed }: HeldOutGain) => (confirmed ? all.v : all.start)
  const confirmed = weights.confirmed || scores.confirmed
  return {
    weights: kept(weights).slice(0, -1),
    scores: kept(scores).slice(0, -1),
    regularization: Math.exp(kept(weights)[all.v.length - 1]) / 2,
    gain: { steps: outerSteps, bestStep: confirmed ? outerSteps : 0, confirmed, weights, scores },
  }
}

/** What one fold says of v. */
interface Slope {
  readonly outerLoss: number
  readonly hypergradient: Float32Array | Float64Array
}

/** The way of v along the hypergradient of some folds. A rank has the θ of the folds that fall to it. */
interface Descent {
  readonly folds: number
  readonly start: Float64Array
  readonly v: Float64Array
  /** All that decides how it goes on. */
  readonly state: object
  /** Takes the inner steps of a fold. */
  slope(fold: number): Promise<Slope>
  /** Ends an outer step, which moves v if it is told to, and returns the mean outer loss before it. */
  move(slopes: readonly Slope[], moves: boolean): number
  /** What is said of each held-out row of these folds under a v. */
  judged(v: Float64Array): Promise<HeldOutRow[]>
}

async function begin(
  backend: Backend,
  features: Features,
  model: Model,
  folds: readonly Fold[],
  { innerRate, regularization, seed, signal, ranks = new Ranks() }: FitOptions,
  begun: (name: string) => Tensor | undefined,
  first: number,
): Promise<Descent> {
  const { columns } = folds[0].signals
  const { mean, precision } = priorOf(columns, settings.prior)
  const strength = Math.log(2 * regularization)
  const start: Float64Array = Float64Array.from([...startOf(folds, mean, precision), strength])
  const heldOut = folds.reduce((sum, { heldOut }) => sum + heldOut.length, 0)
  const share = (all: readonly number[]) => all.map((p) => p / heldOut)
  const prior = { mean: [...start.slice(0, columns + 1), 0, 0], precision: share(precision) }
  const inner = { ...settings.method, innerOptimizer: { kind: 'momentum', rate: innerRate } } as const
  const method = preconditionedConjugateGradients(inner)
  const breather = new Breather(() => signal?.throwIfAborted())
  const runs = await Promise.all(
    folds.map(async (fold, k) => {
      if (!ranks.does(first + k)) return undefined
      await breather.due()
      const problem = bilevel({
        backend,
        model,
        train: {
          features,
          rows: joined(fold.rows, fold.anchors),
          labels: joined(fold.labels, fold.anchorLabels),
        },
        validation: { features, rows: fold.heldOut, labels: fold.heldOutLabels },
        hyperparameters: {
          weights: weightNetwork({
            signals: stacked(fold.signals, fold.heldOutSignals),
            anchors: fold.anchors.length,
            checked: checkedOf(fold),
            prior,
          }),
          penalty: penalty({
            per: 'all',
            prior: { mean: [strength], precision: share([settings.prior.penalty]) },
          }),
        },
      }).paced(() => breather.due())
      const at = { inner: begun(`runs.${k}.inner`) ?? fold.theta, outer: begun(`runs.${k}.outer`) ?? start }
      const point = problem.start(seed, at)
      const settled = problem.vector(fold.theta)
      return { fold, problem, point, state: await method.init(problem, point, seed), settled }
    }),
  )
  const own = vector(backend, start, 'f64')
  const gradient = new backend.Vector(start.length, 'f64')
  const stepper = optimizer(backend, settings.outerOptimizer)
  const judging = { ...inner, innerSteps: settings.judgingSteps, batchSize: constants.batchSize }
  const state = {
    moves: 0,
    own,
    stepper,
    runs: runs.map((run) => run && { ...vectorsOf(run.point), state: run.state, settled: run.settled }),
  }
  /** That of a fold which falls to this rank. */
  const runOf = (k: number) => runs[k] as NonNullable<(typeof runs)[number]>
  return {
    folds: folds.length,
    start,
    get v() {
      return own.readF64()
    },
    state,
    async slope(fold) {
      const { problem, point, state: own, settled } = runOf(fold)
      const { outerLoss, hypergradient, inner } = await method.step(problem, point, own)
      if (state.moves === 0) settled.copyFrom(inner)
      return { outerLoss, hypergradient: read(hypergradient) }
    },
    move(slopes, moves) {
      const sum = new Float64Array(start.length)
      let loss = 0
      for (const { outerLoss, hypergradient } of slopes) {
        loss += outerLoss / runs.length
        for (const [j, g] of hypergradient.entries()) sum[j] += g / runs.length
      }
      if (!moves) return loss
      gradient.writeF64(sum)
      stepper.step(own, gradient)
      state.moves++
      for (const run of runs) run?.point.outer.writeF64(own.readF64())
      return loss
    },
    async judged(v) {
      const judged = (fold: number) => {
        signal?.throwIfAborted()
        return heldOutRows(runOf(fold), features, model, v, judging, seed)
      }
      return (await ranks.sharedOut(runs.length, judged, first)).flat()
    },
  }
}

/** What is said of each held-out row of a fold where a model is trained with v. */
async function heldOutRows(
  { fold, problem, settled }: { fold: Fold; problem: AnyProblem; settled: Vector },
  features: Features,
  model: Model,
  v: Float64Array,
  inner: Required<InnerOptions>,
  seed: number,
): Promise<HeldOutRow[]> {
  const { backend } = problem
  const point = problem.start(seed, { inner: read(settled), outer: v })
  const state = innerState(problem, seed, inner, 1)
  for await (const _ of innerLoop(problem, point, state, inner));
  const { inner: theta } = innerEnd(point, state, inner)
  const p = taken(predictor(backend, model).probabilities(theta, features, backend.Batch.of(fold.heldOut)))
  const logs = Float64Array.from(p, (p) => Math.log(Math.max(1e-12, p)))
  const classes = logs.length / fold.heldOut.length
  const z = scoresOf(fold.heldOutSignals, v)
  return fold.right.map((right, i) => ({
    logs: logs.subarray(i * classes, (i + 1) * classes),
    label: fold.heldOutLabels[i],
    scoreLoss: Math.log1p(Math.exp(right ? -z[i] : z[i])),
  }))
}

export interface FitOptions {
  readonly innerRate: number
  /** Factor of ‖θ‖² to start from. */
  readonly regularization: number
  readonly outerSteps?: number
  readonly seed: number
  readonly signal?: AbortSignal
  /** They share the folds out. */
  readonly ranks?: Ranks
  readonly onStep?: (step: number, loss: number) => void
  /** A state to go on from. */
  readonly begun?: Readonly<Record<string, Tensor>>
  /** Called after each step with a function that gives the state. */
  readonly onState?: (save: () => Promise<Record<string, Tensor>>) => Promise<void>
}

/** The prior of a, b, τ, β: z is the combined odds, the last signal but one, and nothing else. */
function priorOf(columns: number, { slopes, intercept, outputs }: typeof settings.prior) {
  const mean = new Float64Array(columns + 3)
  mean[columns - 2] = 1
  const precision = [...Array<number>(columns).fill(slopes), intercept, outputs, outputs]
  return { mean, precision }
}

/** a, b by a logistic regression of the held-out rows of all folds; τ and β are 0. */
function startOf(folds: readonly Fold[], mean: Float64Array, precision: readonly number[]): Float64Array {
  const { columns } = folds[0].signals
  const width = columns + 1
  const right = folds.flatMap((fold) => fold.right)
  const features = new Float64Array(right.length * 2 * width)
  let at = 0
  for (const { heldOutSignals, right } of folds) {
    for (let i = 0; i < right.length; i++, at += 2 * width) {
      features.set(heldOutSignals.data.subarray(i * columns, (i + 1) * columns), at)
      features[at + columns] = 1
    }
  }
  const coefficients = conditionalLogit(
    { alternatives: 2, columns: width, features, chosen: right.map((right) => (right ? 0 : 1)) },
    { mean: mean.slice(0, width), precision: Float64Array.from(precision.slice(0, width)) },
  )
  return Float64Array.from([...coefficients, 0, 0])
}

function checkedOf({ rows, right }: Fold): CheckedLabels {
  const places = Array.from(right, (_, j) => rows.length + j)
  return { right: places.filter((_, j) => right[j]), wrong: places.filter((_, j) => !right[j]) }
}

function stacked(first: Signals, second: Signals) {
  const { columns } = first
  const data = new Float64Array(first.data.length + second.data.length)
  data.set(first.data)
  data.set(second.data, first.data.length)
  return { data, rows: data.length / columns, columns }
}

function joined(first: Uint32Array, second: Uint32Array): Uint32Array {
  const all = new Uint32Array(first.length + second.length)
  all.set(first)
  all.set(second, first.length)
  return all
}
