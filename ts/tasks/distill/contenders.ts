import { read } from '../../backend/backend.ts'
import { matrix } from '../../backend/matrix.ts'
import { permutation } from '../../data/split.ts'
import { subsetPerClass } from '../../problems/distillation.ts'
import { predictor } from '../../problems/model.ts'
import type { AnyProblem } from '../../problems/problem.ts'
import type { LabelledSet } from '../../problems/samples.ts'
import { accuracy } from '../metrics.ts'
import type { Theta } from '../trainer.ts'
import type { Judged, Settings, SmallSet } from './options.ts'
import { problemOn, seedOf, train, variablesOf } from './train.ts'

/** The real samples, uploaded, and the rows on which accuracies are taken. */
export interface Data {
  readonly real: LabelledSet
  readonly test: LabelledSet
}

/** Trains several times from scratch on a set, or on one per training, and takes losses and accuracies. */
export async function judge(
  settings: Settings,
  { real, test }: Data,
  paced: (problem: AnyProblem) => AnyProblem,
  setOf: (training: number) => LabelledSet | SmallSet,
  trainings: number,
): Promise<Judged & { readonly theta: Theta }> {
  const { backend, model, classes, seed } = settings
  const [losses, accuracies, thetas]: [number[], number[], Theta[]] = [[], [], []]
  let samples = 0
  for (let k = 0; k < trainings; k++) {
    const set = setOf(k)
    const problem = problemOn(settings, real, set)
    const outer = variablesOf(settings, set as SmallSet)
    const theta = await train(paced(problem), outer, seedOf.training(seed, k))
    losses.push(problem.oracles.outerLoss(problem.start(0, { inner: theta, outer })))
    const all = backend.Batch.all((test.features as { rows: number }).rows)
    const p = predictor(backend, model).probabilities(problem.vector(theta), test.features as never, all)
    accuracies.push(accuracy(read(p), classes, test.labels))
    thetas.push(theta)
    samples = problem.oracles.samples
    problem.dispose()
  }
  return { samples, losses, accuracies, theta: thetas[0] }
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
 * One sample per class that holds all of a softmax regression θ (Chen et al., NeurIPS 2024, for the ridge penalty): with
 * X = aWᵀ and P the model's own probabilities of these samples, the gradient X̄ᵀ(P − Y)/C + 2 reg θ vanishes at θ for
 * Y = P + (K/a)(I − 11ᵀ/C) + (K/C) 1bᵀ, where K = 2 reg C and b is the bias. a is the largest power of 1.25 for which Y is
 * positive; there is none where the penalty is 0.
 */
export function analytic(
  { model, regularization, features: { columns } }: Settings,
  theta: Theta,
): SmallSet | undefined {
  if (model.kind !== 'softmax' || regularization === 0) return undefined
  const { classes, bias } = model
  const k = 2 * regularization * classes
  const weight = (j: number, c: number) => theta[j * classes + c]
  const offset = (c: number) => (bias ? weight(columns, c) : 0)
  const gram = Array.from({ length: classes * classes }, (_, at) => {
    let sum = 0
    for (let j = 0; j < columns; j++) sum += weight(j, Math.floor(at / classes)) * weight(j, at % classes)
    return sum
  })
  for (let a = 1.25 ** 20; a > 1e-6; a /= 1.25) {
    const targets = new Float64Array(classes * classes)
    for (let i = 0; i < classes; i++) {
      const z = Array.from({ length: classes }, (_, c) => a * gram[i * classes + c] + offset(c))
      const top = Math.max(...z)
      const sum = z.reduce((sum, z) => sum + Math.exp(z - top), 0)
      for (let c = 0; c < classes; c++) {
        const p = Math.exp(z[c] - top) / sum
        targets[i * classes + c] = p + (k / a) * (Number(i === c) - 1 / classes) + (k / classes) * offset(c)
      }
    }
    if (targets.every((y) => y > 1e-6)) {
      const inputs = Float32Array.from(
        { length: classes * columns },
        (_, at) => a * weight(at % columns, Math.floor(at / columns)),
      )
      return {
        features: matrix(inputs, classes, columns),
        labels: Uint32Array.from({ length: classes }, (_, c) => c),
        targets,
      }
    }
  }
  return undefined
}
