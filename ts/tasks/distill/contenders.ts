import { read } from '../../backend/backend.ts'
import type { Features } from '../../backend/binding.ts'
import { matrix } from '../../backend/matrix.ts'
import { permutation } from '../../data/split.ts'
import { solveSymmetric } from '../../hypergradient/small.ts'
import { subsetPerClass } from '../../problems/distillation.ts'
import { predictor } from '../../problems/model.ts'
import type { AnyProblem } from '../../problems/problem.ts'
import type { LabelledSet } from '../../problems/samples.ts'
import type { Ranks } from '../../run/ranks.ts'
import { accuracy } from '../metrics.ts'
import type { Theta } from '../trainer.ts'
import type { Judged, Settings, SmallSet } from './options.ts'
import { problemOn, seedOf, type TrainingSet, train, variablesOf } from './train.ts'

/** The real samples, uploaded, and the rows on which accuracies are taken. */
export interface Data {
  readonly real: Uploaded
  readonly test: Uploaded
}

type Uploaded = LabelledSet & { readonly features: Features }

/**
 * Trains several times from scratch on a set, or on one per training, and takes losses and accuracies. The ranks share the
 * trainings out.
 */
export async function judge(
  settings: Settings,
  { real, test }: Data,
  paced: (problem: AnyProblem) => AnyProblem,
  setOf: (training: number) => TrainingSet,
  trainings: number,
  ranks: Ranks,
): Promise<Judged & { readonly theta: Theta }> {
  const { backend, model, classes, seed } = settings
  const found = await ranks.sharedOut(trainings, async (k) => {
    const set = setOf(k)
    const problem = problemOn(settings, real, set)
    const outer = variablesOf(settings, set)
    const theta = await train(settings, paced(problem), outer, seedOf.training(seed, k))
    const loss = problem.oracles.outerLoss(problem.start(0, { inner: theta, outer }))
    const all = backend.Batch.all(test.features.rows)
    const p = predictor(backend, model).probabilities(problem.vector(theta), test.features, all)
    const { samples } = problem.oracles
    problem.dispose()
    const share = accuracy(read(p), classes, test.labels)
    return { samples, loss, accuracy: share, ...(k === 0 && { theta }) }
  })
  return {
    samples: found[0].samples,
    losses: found.map(({ loss }) => loss),
    accuracies: found.map(({ accuracy }) => accuracy),
    theta: found[0].theta as Theta,
  }
}

/** Random real samples, drawn anew for each training. */
export function randomSamples({ backend, perClass, seed, features, labels }: Settings) {
  return (training: number) =>
    subsetPerClass(backend, { features, labels }, perClass, seedOf.training(seed, 1000 * (training + 1)))
}

/** Means of as many random parts of each class as it has samples in the small set. */
export function classMeans({ features, labels, perClass, seed }: Settings): SmallSet {
  const { data, columns, scale = 1 } = features
  const classes = labels.reduce((most, label) => Math.max(most, label), 0) + 1
  const means = new Float32Array(classes * perClass * columns)
  const counts = new Float64Array(classes * perClass)
  const seen = new Float64Array(classes)
  for (const row of permutation(labels.length, seed)) {
    const at = labels[row] * perClass + (seen[labels[row]]++ % perClass)
    counts[at]++
    for (let j = 0; j < columns; j++) means[at * columns + j] += scale * data[row * columns + j]
  }
  for (let k = 0; k < means.length; k++) means[k] /= counts[Math.floor(k / columns)]
  return {
    features: matrix(means, counts.length, columns),
    labels: Uint32Array.from(counts, (_, k) => Math.floor(k / perClass)),
  }
}

/**
 * One sample per class that holds all of a softmax regression θ = (W, b) (Chen et al., NeurIPS 2024, do this for a ridge
 * penalty). Of X = a(W − mbᵀ)ᵀ + 1mᵀ, with P the model's own probabilities of these samples and K = 2 reg C, the gradient
 * X̄ᵀ(P − Y)/C + 2 reg θ vanishes at θ for Y = P + (K/a)(I − 11ᵀ/C) + (K/C) 1bᵀ. m is the combination of W with Wᵀm = −b, so
 * that P is even, and a the largest power of 1.25 for which Y is positive; where there is none, nothing is returned.
 */
export function analytic(
  { model, regularization, features: { columns } }: Settings,
  theta: Theta,
): SmallSet | undefined {
  if (model.kind !== 'softmax' || regularization === 0) return undefined
  const { classes, bias } = model
  const all = Array.from({ length: classes }, (_, c) => c)
  const k = 2 * regularization * classes
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>) => {
    let sum = 0
    for (let j = 0; j < x.length; j++) sum += x[j] * y[j]
    return sum
  }
  const w = all.map((c) => Float64Array.from({ length: columns }, (_, j) => theta[j * classes + c]))
  const b = all.map((c) => (bias ? theta[columns * classes + c] : 0))
  // WᵀW is singular along 1, where b has nothing.
  const gram = all.map((i) => all.map((j) => dot(w[i], w[j]) + 1))
  const shares = solveSymmetric(gram, b)
  const m = Float64Array.from(
    { length: columns },
    (_, j) =>
      -dot(
        shares,
        all.map((c) => w[c][j]),
      ),
  )
  for (let a = 1.25 ** 20; a > 1e-6; a /= 1.25) {
    const inputs = all.map((i) => w[i].map((x, j) => a * (x - m[j] * b[i]) + m[j]))
    const targets = inputs.flatMap((x, i) => {
      const z = all.map((c) => dot(x, w[c]) + b[c])
      const top = Math.max(...z)
      const sum = z.reduce((sum, z) => sum + Math.exp(z - top), 0)
      const own = (c: number) => (k / a) * (Number(i === c) - 1 / classes) + (k / classes) * b[c]
      return all.map((c) => Math.exp(z[c] - top) / sum + own(c))
    })
    if (targets.every((y) => y > 1e-6)) {
      return {
        features: matrix(Float32Array.from(inputs.flatMap((x) => [...x])), classes, columns),
        labels: Uint32Array.from(all),
        targets: Float64Array.from(targets),
      }
    }
  }
  return undefined
}
