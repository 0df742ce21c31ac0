import { type Backend, upload } from '../../../ts/backend/backend.ts'
import type { Matrix } from '../../../ts/backend/matrix.ts'
import { permutation } from '../../../ts/data/split.ts'
import { Trainer } from '../../../ts/tasks/trainer.ts'
import { Random } from '../../harness/random.ts'

/** How labels go wrong: to any other class, to the next one, or as the sample itself suggests. */
export const kinds = ['uniform', 'next', 'dependent'] as const
export type Kind = (typeof kinds)[number]

/** What a weak model is trained on: a part of the true labels, and few steps. */
const weak = { share: 0.02, least: 100, steps: 100, regularization: 1e-3 }

/**
 * The labels with a share `rate` of them wrong. Noise that depends on the sample takes the likeliest other class of a weak
 * model, and the likelier the less sure this model is of the true one.
 */
export async function noisyLabels(
  backend: Backend,
  features: Matrix,
  truth: Int32Array,
  classes: number,
  { kind, rate, seed }: { kind: Kind; rate: number; seed: number },
): Promise<Int32Array> {
  const n = truth.length
  const drawn = new Random(seed + 1).doubles(n)
  const random = (i: number) => (drawn[i] + 1) / 2
  const given = truth.slice()
  const order = permutation(n, seed + 77)
  if (kind !== 'dependent') {
    for (const row of order.subarray(0, Math.round(rate * n))) {
      const step = kind === 'next' ? 1 : 1 + Math.floor(random(row) * (classes - 1))
      given[row] = (truth[row] + step) % classes
    }
    return given
  }
  const trainer = new Trainer(
    backend,
    classes,
    { features: upload(backend, features), labels: truth },
    weak.regularization,
  )
  const some = Uint32Array.from(order.subarray(0, Math.max(weak.least, Math.round(weak.share * n))))
  const theta = await trainer.train(
    { steps: weak.steps, rate: await trainer.rate(some, 0), batchSize: Math.min(1024, some.length), seed },
    { positions: some },
  )
  const p = trainer.probabilities(theta, Uint32Array.from(truth.keys()))
  const other = Int32Array.from(truth, (label, i) => {
    const own = p.slice(i * classes, (i + 1) * classes)
    own[label] = -1
    return own.indexOf(Math.max(...own))
  })
  const doubt = Float64Array.from(truth, (label, i) => 1.05 - p[i * classes + label])
  // The factor at which the expected share is the rate.
  let [low, high] = [0, 1e3]
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2
    const share = doubt.reduce((sum, d) => sum + Math.min(1, middle * d), 0) / n
    if (share < rate) low = middle
    else high = middle
  }
  for (let i = 0; i < n; i++) if (random(i) < Math.min(1, high * doubt[i])) given[i] = other[i]
  return given
}
