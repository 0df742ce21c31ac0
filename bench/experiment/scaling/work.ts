import type { Backend } from '../../../ts/backend/backend.ts'
import { type Communicator, rowsOfRank } from '../../../ts/backend/communicator.ts'
import { matrix } from '../../../ts/backend/matrix.ts'
import * as defaults from '../../../ts/defaults.ts'
import {
  type PreconditionedConjugateGradientsOptions,
  preconditionedConjugateGradients,
} from '../../../ts/methods/preconditionedConjugateGradients.ts'
import { bilevel } from '../../../ts/problems/bilevel.ts'
import { sampleWeights } from '../../../ts/problems/blocks.ts'
import { type Model, multilayerPerceptron, softmaxRegression } from '../../../ts/problems/model.ts'
import type { Problem } from '../../../ts/problems/problem.ts'
import { Random } from '../../harness/random.ts'

/** What is run on more and more ranks. */
export type WorkName = 'cleaning' | 'perceptron'

/** Sizes of a run, over all ranks. */
export interface Sizes {
  readonly samples: number
  readonly trusted: number
  /** Samples per inner step. */
  readonly batch: number
}

interface Work {
  readonly model: Model
  /** Sizes at the bar, and those of a quick run. */
  readonly sizes: Sizes
  readonly quick: Sizes
  readonly method: PreconditionedConjugateGradientsOptions
  /** Outer steps from one refresh of the inverse Fisher to the next. */
  readonly cycle: number
  /** Counts of rows of an oracle that the model is fitted on, and others that it is tried on. */
  readonly rows: { readonly fitted: readonly number[]; readonly others: readonly number[] }
}

export const [columns, classes] = [784, 10]
/** Rows that have a seed of their own, so that each rank draws its own alone. */
const block = 1000

const cleaning = { ...defaults.cleanLabels.method, innerOptimizer: { kind: 'momentum', rate: 0.1 } } as const

export const works: Readonly<Record<WorkName, Work>> = {
  /** The bilevel part of `cleanLabels` on as many pictures as MNIST has. */
  cleaning: {
    model: softmaxRegression({ classes }),
    sizes: { samples: 50_000, trusted: 10_000, batch: 1024 },
    quick: { samples: 10_000, trusted: 2000, batch: 1024 },
    method: cleaning,
    cycle: cleaning.fisher.refreshEvery,
    rows: { fitted: [256, 2048, 8192], others: [1024, 4096] },
  },
  perceptron: {
    model: multilayerPerceptron({ classes, hidden: [1024, 1024] }),
    sizes: { samples: 8192, trusted: 2048, batch: 2048 },
    quick: { samples: 1024, trusted: 256, batch: 256 },
    method: {
      innerSteps: 10,
      cross: { samples: 2048 },
      refineSamples: 2048,
      fisher: { refreshSamples: 256, refreshEvery: 2 },
    },
    cycle: 2,
    rows: { fitted: [64, 512, 2048], others: [256, 1024] },
  },
}

export function methodOf(name: WorkName, { batch }: Sizes) {
  return preconditionedConjugateGradients({ ...works[name].method, batchSize: batch })
}

/** The problem of a rank's part of the pictures: each is that of its class, dimmed, with noise on every pixel. */
export function problemOf(
  backend: Backend,
  name: WorkName,
  { samples, trusted }: Sizes,
  communicator: Communicator,
  seed: number,
): Problem {
  const set = (count: number, first: number) => pictures(rowsOfRank(count, communicator), first, seed)
  return bilevel({
    backend,
    model: works[name].model,
    train: set(samples, 0),
    validation: set(trusted, 1e6),
    hyperparameters: { weights: sampleWeights() },
  })
}

function pictures({ from, to }: { from: number; to: number }, first: number, seed: number) {
  const shapes = new Random(seed).bytes(classes * columns)
  const data = new Uint8Array((to - from) * columns)
  const labels = new Int32Array(to - from)
  for (let start = from - (from % block); start < to; start += block) {
    const random = new Random(seed + 1 + first + start / block)
    const drawn = random.whole(block, classes)
    const noise = random.bytes(block * columns)
    for (let i = Math.max(from, start); i < Math.min(to, start + block); i++) {
      const [row, label] = [i - start, drawn[i - start]]
      labels[i - from] = row % 10 < 3 ? (label + 1) % classes : label
      for (let j = 0; j < columns; j++) {
        const pixel = noise[row * columns + j]
        data[(i - from) * columns + j] = (shapes[label * columns + j] >> 3) + ((7 * pixel) >> 3)
      }
    }
  }
  return { features: matrix(data, to - from, columns, 1 / 255), labels }
}
