import { type Backend, upload } from '../../../ts/backend/backend.ts'
import type { Features } from '../../../ts/backend/binding.ts'
import type { Mnist } from '../../../ts/data/index.ts'
import type { LabelledSet } from '../../../ts/problems/samples.ts'

export type Uploaded = LabelledSet & { readonly features: Features; readonly labels: Uint32Array }

/** Rows that a seed draws, and which of the training labels were replaced. */
export interface Draw {
  readonly train: Uploaded
  readonly test: Uploaded
  readonly wrong: readonly boolean[]
}

/** So many rows of MNIST's training set and of its test set; a share of the training labels is replaced by others. */
export function draw(
  backend: Backend,
  mnist: Mnist,
  sizes: readonly [number, number],
  seed: number,
  noise = 0,
): Draw {
  const [train, test] = ([mnist.train, mnist.test] as const).map(({ features, labels }, k): Uploaded => {
    const { positions } = new backend.Sampler(seed + 1000 * k, labels.length).take(sizes[k])
    return {
      features: upload(backend, features),
      rows: positions,
      labels: positions.map((row) => labels[row]),
    }
  })
  const order = new backend.Sampler(seed + 2000, sizes[0] + 1)
  const wrong = new Set(noise > 0 ? order.take(Math.round(noise * sizes[0])).positions : [])
  const labels = train.labels.map((label, i) =>
    wrong.has(i) ? (label + 1 + (order.seed() % 9)) % 10 : label,
  )
  return { train: { ...train, labels }, test, wrong: Array.from(labels, (_, i) => wrong.has(i)) }
}

/** A random half of n, in order of their places. */
export function half(backend: Backend, n: number, seed: number): Uint32Array {
  return new backend.Sampler(seed, n).take(n >> 1).positions.sort()
}
