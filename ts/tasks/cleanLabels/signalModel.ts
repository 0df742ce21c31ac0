import { type Backend, read } from '../../backend/backend.ts'
import type { Features } from '../../backend/binding.ts'
import * as defaults from '../../defaults.ts'
import { Breather } from '../../hypergradient/clock.ts'
import { optimizer } from '../../hypergradient/optimizer.ts'
import type { State } from '../../hypergradient/state.ts'
import { preconditionedConjugateGradients } from '../../methods/preconditionedConjugateGradients.ts'
import { bilevel } from '../../problems/bilevel.ts'
import { type CheckedLabels, penalty, weightNetwork } from '../../problems/blocks.ts'
import { softmaxRegression } from '../../problems/model.ts'
import type { AnyProblem } from '../../problems/problem.ts'
import type { Theta } from '../trainer.ts'
import { conditionalLogit } from './conditionalLogit.ts'

const settings = defaults.cleanLabels.checked.signalModel

/** Signals of samples, one row per sample. */
export interface Signals {
  readonly data: Float64Array
  readonly columns: number
}

/**
 * One fold of the checked rows: a model trains on rows with suggested labels and on the checked rows of the other folds,
 * and is judged on those of this fold.
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
  /** a, b, τ, β of `weightNetwork`. */
  readonly coefficients: Float64Array
  /** Factor of ‖θ‖². */
  readonly regularization: number
  /** Outer steps taken, and the one whose v was kept: 0 is the start. */
  readonly steps: number
  readonly bestStep: number
  /** Loss on the held-out checked rows, at the start and at the v that was kept. */
  readonly startLoss: number
  readonly endLoss: number
  /** Mean outer loss of each step. */
  readonly losses: readonly number[]
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
 * as a logistic regression on the checked rows. Then its few coefficients follow the hypergradient of what the checked
 * rows of each fold lose under a model that has not seen them: their cross-entropy, and the log loss of the score that
 * their suggested label is right. The v with the least such loss is kept, which may be the start.
 */
export async function fitSignalModel(
  backend: Backend,
  features: Features,
  classes: number,
  folds: readonly Fold[],
  { innerRate, regularization, outerSteps = settings.outerSteps, seed, signal, onStep }: FitOptions,
): Promise<SignalModel> {
  const { columns } = folds[0].signals
  const { mean, precision } = priorOf(columns, settings.prior)
  const start = startOf(folds, mean, precision)
  const strength = Math.log(2 * regularization)
  const checked = folds.reduce((sum, { heldOut }) => sum + heldOut.length, 0)
  const share = (all: readonly number[]) => all.map((p) => p / checked)
  const prior = { mean: [...start.slice(0, columns + 1), 0, 0], precision: share(precision) }
  const method = preconditionedConjugateGradients({
    ...settings.method,
    innerOptimizer: { kind: 'momentum', rate: innerRate },
  })
  const breather = new Breather(() => signal?.throwIfAborted())
  const problems = folds.map((fold) => {
    const problem = bilevel({
      backend,
      model: softmaxRegression({ classes }),
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
    })
    return problem.paced(() => breather.due())
  })
  let v: Float64Array = Float64Array.from([...start, strength])
  const runs = await Promise.all(folds.map((fold, k) => startRun(problems[k], v, fold.theta)))
  async function startRun(problem: AnyProblem, outer: Float64Array, inner: Theta) {
    const point = problem.start(seed, { inner, outer })
    return { problem, point, state: (await method.init(problem, point, seed)) as State }
  }
  const own = new backend.Vector(v.length, 'f64')
  const gradient = new backend.Vector(v.length, 'f64')
  own.writeF64(v)
  const stepper = optimizer(backend, settings.outerOptimizer)
  let best = { step: 0, loss: Number.POSITIVE_INFINITY, v }
  const losses: number[] = []
  // Some steps with v at rest first let every θ settle.
  for (let step = -settings.settling; step <= outerSteps; step++) {
    signal?.throwIfAborted()
    const sum = new Float64Array(v.length)
    let loss = 0
    for (const { problem, point, state } of runs) {
      const estimate = await method.step(problem, point, state as never)
      loss += estimate.outerLoss / runs.length
      for (const [j, g] of read(estimate.hypergradient).entries()) sum[j] += g / runs.length
    }
    if (step < 0) continue
    losses.push(loss)
    if (loss < best.loss) best = { step, loss, v }
    onStep?.(step, loss)
    if (step === outerSteps) break
    gradient.writeF64(sum)
    stepper.step(own, gradient)
    v = own.readF64()
    for (const { point } of runs) point.outer.writeF64(v)
  }
  return {
    coefficients: best.v.slice(0, -1),
    regularization: Math.exp(best.v[best.v.length - 1]) / 2,
    steps: outerSteps,
    bestStep: best.step,
    startLoss: losses[0],
    endLoss: best.loss,
    losses,
  }
}

export interface FitOptions {
  readonly innerRate: number
  /** Factor of ‖θ‖² to start from. */
  readonly regularization: number
  readonly outerSteps?: number
  readonly seed: number
  readonly signal?: AbortSignal
  readonly onStep?: (step: number, loss: number) => void
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
