import type { Backend } from '../../ts/backend/backend.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import type { Model } from '../../ts/problems/model.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { Random } from '../harness/random.ts'

/** Labelled pictures of bytes, of MNIST's shape where nothing else is said. */
export interface Pictures {
  readonly features: Uint8Array
  readonly labels: Uint32Array
  readonly samples: number
  readonly columns: number
  readonly classes: number
}

export const regularization = 1e-4

const drawn = new Map<string, Pictures>()

export function pictures(seed: number, samples = 50_000, columns = 784, classes = 10): Pictures {
  const key = [seed, samples, columns, classes].join()
  const known = drawn.get(key)
  if (known) return known
  const random = new Random(seed)
  const [features, labels] = [random.bytes(samples * columns), random.whole(samples, classes)]
  const pictures = { features, labels, samples, columns, classes }
  drawn.set(key, pictures)
  return pictures
}

/** The reweighting problem on pictures, at per-sample logits of zero: every weight is ½. */
export function weighing(backend: Backend, { features, labels, samples, columns }: Pictures, model: Model) {
  return reweighting({
    backend,
    model,
    train: { features: matrix(features, samples, columns, 1 / 255), labels },
    trusted: {
      features: matrix(features.subarray(0, columns), 1, columns, 1 / 255),
      labels: labels.slice(0, 1),
    },
    regularization,
  })
}
