import {
  accuracy,
  auc,
  type Backend,
  Classifier,
  oneStep,
  type Problem,
  type Progress,
  reweighting,
  type SolveResult,
  softmaxRegression,
  solve,
  upload,
} from 'nhgd/wasm'
import type { Facts, Group, Order, Snapshot, Suspect } from './messages.ts'
import { methods } from './methods.ts'
import type { Samples } from './samples.ts'

const bins = 40
const pictured = 24
const listed = 100
/** Milliseconds between snapshots. */
const interval = 120

/** What a run tells while it goes on. */
export interface Observer {
  began(facts: Facts): void
  snapshot(snapshot: Snapshot): void
  /** Resolves when the run may go on. */
  gate(): Promise<void>
}

/** Weighs the labels of `samples` by the hypergradient of the trusted ones' loss. */
export class Run {
  readonly #samples: Samples
  readonly #free: Uint32Array
  readonly #problem: Problem
  readonly #probabilities: (inner: ArrayLike<number>) => {
    train: ArrayLike<number>
    test?: ArrayLike<number>
  }
  /** Weights, scores and suggestions as they stand, in the order of the free rows. */
  #verdict: Verdict | undefined

  constructor(backend: Backend, samples: Samples) {
    const { labels, names, trusted, test } = samples
    const classes = names.length
    const features = upload(backend, samples.features)
    const testFeatures = test && upload(backend, test.features)
    const known = new Set(trusted)
    const free = Uint32Array.from(labels.keys()).filter((row) => !known.has(row))
    const set = (rows: Uint32Array) => ({ features, rows, labels: rows.map((row) => labels[row]) })
    this.#samples = samples
    this.#free = free
    this.#problem = reweighting({
      backend,
      model: softmaxRegression({ classes }),
      train: set(free),
      trusted: set(trusted),
    })
    this.#probabilities = (inner) => {
      const model = new Classifier(backend, classes, features.columns, Float32Array.from(inner))
      const train = model.probabilities(features, free)
      return testFeatures ? { train, test: model.probabilities(testFeatures) } : { train }
    }
  }

  async start({ method, steps, seed }: Order, observer: Observer): Promise<SolveResult> {
    const { names, trusted } = this.#samples
    const baseline = await this.#baseline(seed)
    observer.began({
      samples: this.#free.length,
      trusted: trusted.length,
      classes: names.length,
      ...(baseline !== undefined && { baseline }),
    })
    const choice = methods[method]
    const run = solve(this.#problem, {
      method: choice.method(),
      outerOptimizer: choice.outer(this.#free.length),
      outerSteps: steps,
      seed,
    })
    let last = Number.NEGATIVE_INFINITY
    for await (const progress of run) {
      if (performance.now() - last >= interval || progress.step === steps) {
        observer.snapshot(this.#look(progress))
        last = performance.now()
      }
      await observer.gate()
    }
    return run.result
  }

  /** Every label that was not trusted, the most doubtful first. */
  *issues(): Generator<Suspect & { readonly score: number }> {
    if (!this.#verdict) return
    const { score, ranking } = this.#verdict
    for (const i of ranking) yield { ...this.#suspect(i, this.#verdict), score: score[i] }
  }

  /** Accuracy of a model that believes every label alike. */
  async #baseline(seed: number): Promise<number | undefined> {
    if (!this.#samples.test) return undefined
    const method = oneStep({ innerSteps: 300, innerOptimizer: { kind: 'momentum', rate: 0.1 } })
    const { inner } = await solve(this.#problem, { method, outerSteps: 1, seed }).result
    return this.#accuracy(this.#probabilities(inner).test)
  }

  #accuracy(p: ArrayLike<number> | undefined): number | undefined {
    const { test, names } = this.#samples
    return p && test && accuracy(p, names.length, test.labels)
  }

  #look({ step, outerLoss, estimate, point }: Progress): Snapshot {
    const { labels, truth, pictures } = this.#samples
    const { train, test } = this.#probabilities(estimate.inner.readF32())
    this.#verdict = judge(point.outer.readF32(), train, this.#samples, this.#free)
    const { weights, score, ranking } = this.#verdict
    const wrong = truth && Array.from(this.#free, (row) => labels[row] !== truth[row])
    const reached = this.#accuracy(test)
    const shown = ranking.subarray(0, pictures ? pictured : listed)
    return {
      step,
      outerLoss,
      ...(reached !== undefined && { accuracy: reached }),
      ...(wrong && { auc: auc(score, wrong) }),
      histogram: groups(weights, wrong),
      suspects: Array.from(shown, (i) => this.#suspect(i, this.#verdict as Verdict)),
      ...(pictures && { imageShape: pictures.shape }),
    }
  }

  #suspect(i: number, { weights, suggested }: Verdict): Suspect {
    const { labels, names, truth, pictures, features } = this.#samples
    const row = this.#free[i]
    const { columns } = features
    return {
      row,
      given: names[labels[row]],
      suggested: names[suggested[i]],
      weight: weights[i],
      ...(truth && { truth: names[truth[row]] }),
      ...(pictures && { pixels: pictures.data.slice(row * columns, (row + 1) * columns) }),
    }
  }
}

interface Verdict {
  readonly weights: Float64Array
  /** How likely each label is wrong, weight and model together. */
  readonly score: Float64Array
  readonly suggested: Int32Array
  /** The most doubtful first. */
  readonly ranking: Uint32Array
}

function judge(
  outer: Float32Array,
  p: ArrayLike<number>,
  { labels, names }: Samples,
  free: Uint32Array,
): Verdict {
  const classes = names.length
  const suggested = new Int32Array(free.length)
  const score = Float64Array.from(free, (row, i) => {
    for (let c = 1; c < classes; c++) {
      if (p[i * classes + c] > p[i * classes + suggested[i]]) suggested[i] = c
    }
    const right = Math.min(1 - 1e-9, Math.max(1e-9, p[i * classes + labels[row]]))
    return sigmoid(-(outer[i] + Math.log(right / (1 - right))) / 2)
  })
  return {
    weights: Float64Array.from(outer, sigmoid),
    score,
    suggested,
    ranking: Uint32Array.from(score.keys()).sort((a, b) => score[b] - score[a] || a - b),
  }
}

function groups(weights: Float64Array, wrong: readonly boolean[] | undefined): Group[] {
  if (!wrong) return [{ name: 'labels', shares: shares(weights) }]
  return [
    { name: 'true labels', shares: shares(weights.filter((_, i) => !wrong[i])) },
    { name: 'wrong labels', shares: shares(weights.filter((_, i) => wrong[i])) },
  ]
}

function shares(weights: Float64Array): number[] {
  const counts = new Array<number>(bins).fill(0)
  for (const weight of weights) counts[Math.min(bins - 1, Math.floor(weight * bins))]++
  return counts.map((n) => (100 * n) / Math.max(1, weights.length))
}

const sigmoid = (z: number) => 1 / (1 + Math.exp(-z))
