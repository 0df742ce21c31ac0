// Runs that a job of several ranks and a single process both take.
import type { Backend } from '../../ts/backend/backend.ts'
import type { DType } from '../../ts/backend/binding.ts'
import { type Communicator, rowsOfRank } from '../../ts/backend/communicator.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import {
  type AnyProblem,
  bilevel,
  conjugateGradients,
  exact,
  fixedWeights,
  learnedInputs,
  learnedTargets,
  linearRegression,
  type Method,
  multilayerPerceptron,
  nhgd,
  penalty,
  preconditionedConjugateGradients,
  type SolveOptions,
  saba,
  sampleWeights,
  softmaxRegression,
  weightNetwork,
} from '../../ts/library.ts'
import { Random } from './random.ts'

/** How a run is made: the problem of a rank's part of the data, and the options of `solve`. */
export interface RankRun {
  readonly problem: (backend: Backend, communicator: Communicator, dtype: DType) => AnyProblem
  readonly method: () => Method
}

const [samples, columns, classes] = [53, 4, 3]
const model = softmaxRegression({ classes })
const small = { innerSteps: 5, batchSize: 16 } as const

/** A rank's rows of a set that each rank draws whole; `seed` decides the draws. */
function part(communicator: Communicator, count: number, seed: number) {
  const random = new Random(seed)
  const { from, to } = rowsOfRank(count, communicator)
  const data = random.normals(count * columns).slice(from * columns, to * columns)
  return {
    features: matrix(data, to - from, columns),
    labels: random.labels(count, classes).slice(from, to),
    targets: random.normals(count).slice(from, to),
  }
}

const labelled = (communicator: Communicator, count: number, seed: number) => {
  const { features, labels } = part(communicator, count, seed)
  return { features, labels }
}

const weighted: RankRun['problem'] = (backend, communicator, dtype) =>
  bilevel({
    backend,
    dtype,
    model,
    train: labelled(communicator, samples, 1),
    validation: labelled(communicator, 20, 2),
    hyperparameters: { weights: sampleWeights(), strength: penalty({ per: 'feature' }) },
  })

const network: RankRun['problem'] = (backend, communicator, dtype) =>
  bilevel({
    backend,
    dtype,
    model: multilayerPerceptron({ classes, hidden: [6], activation: 'tanh' }),
    train: labelled(communicator, samples, 3),
    validation: labelled(communicator, 20, 4),
    hyperparameters: { weights: sampleWeights() },
    regularization: 0.01,
  })

/** Least squares whose samples have given weights. */
const regression: RankRun['problem'] = (backend, communicator, dtype) => {
  const set = ({ features, targets }: ReturnType<typeof part>) => ({ features, targets })
  const { from, to } = rowsOfRank(samples, communicator)
  const given = new Random(7).normals(samples).map(Math.abs).slice(from, to)
  return bilevel({
    backend,
    dtype,
    model: linearRegression(),
    train: set(part(communicator, samples, 5)),
    validation: set(part(communicator, 20, 6)),
    hyperparameters: { given: fixedWeights(given), strength: penalty({ per: 'all' }) },
  })
}

/** Weights by a network of two signals; the last rank has those of three checked samples too, and all anchors. */
const signalled: RankRun['problem'] = (backend, communicator, dtype) => {
  const { from, to } = rowsOfRank(samples, communicator)
  const [anchors, checked] = [5, 3]
  const last = communicator.rank === communicator.size - 1
  const end = last ? samples - anchors + checked : to
  const all = new Random(8).normals(2 * (samples + checked)).slice(2 * from, 2 * end)
  return bilevel({
    backend,
    dtype,
    model,
    train: labelled(communicator, samples, 1),
    validation: labelled(communicator, 20, 2),
    hyperparameters: {
      weights: weightNetwork({
        anchors,
        signals: matrix(all, end - from, 2),
        hidden: 2,
        prior: {
          mean: new Random(9).normals(11).map((x) => x / 2),
          precision: new Float64Array(11).fill(0.1),
        },
        checked: { right: [samples - anchors, 1], wrong: [samples - anchors + 1, 2, samples - anchors + 2] },
      }),
    },
  })
}

/** Samples whose features and targets are learned. */
const distilled: RankRun['problem'] = (backend, communicator, dtype) =>
  bilevel({
    backend,
    dtype,
    model,
    train: labelled(communicator, 12, 3),
    validation: labelled(communicator, 20, 4),
    hyperparameters: { inputs: learnedInputs(), targets: learnedTargets() },
  })

const rows = { form: 'window', rows: 'perSample', statistic: 'expected', damping: 0.1 } as const

export const runs: Readonly<Record<string, RankRun>> = {
  conjugateGradients: { problem: weighted, method: () => conjugateGradients(small) },
  nhgd: { problem: weighted, method: () => nhgd({ ...small, observe: { every: 2, samples: 8 } }) },
  'nhgd, rows': { problem: weighted, method: () => nhgd({ ...small, fisher: rows, observe: { every: 1 } }) },
  'nhgd, mean gradients': {
    problem: weighted,
    method: () =>
      nhgd({
        ...small,
        fisher: { form: 'dense', rows: 'mean', smoothing: 0.9, damping: 1 },
        observe: { every: 1 },
      }),
  },
  'nhgd, signed sums': {
    problem: weighted,
    method: () =>
      nhgd({ ...small, fisher: { form: 'dense', rows: 'signed', damping: 1 }, observe: { every: 1 } }),
  },
  'nhgd, drawn labels': {
    problem: network,
    method: () =>
      nhgd({
        ...small,
        fisher: { form: 'kronecker', statistic: 'sampled', damping: 0.1 },
        observe: { every: 1 },
      }),
  },
  'nhgd, eigenbases': {
    problem: network,
    method: () => nhgd({ ...small, fisher: { form: 'eigenkronecker', damping: 0.1 }, observe: { every: 2 } }),
  },
  'preconditioned, of a network': {
    problem: network,
    method: () => preconditionedConjugateGradients({ ...small, refineSamples: 30 }),
  },
  'exact, of least squares': { problem: regression, method: () => exact({ ...small, innerSteps: 3 }) },
  'conjugateGradients, weights of signals': {
    problem: signalled,
    method: () => conjugateGradients(small),
  },
  'conjugateGradients, learned samples': {
    problem: distilled,
    method: () => conjugateGradients({ ...small, batchSize: 4 }),
  },
  saba: { problem: network, method: () => saba({ batchSize: 10, outerBatchSize: 5 }) },
}

export const options = { outerSteps: 10, seed: 5 } as const satisfies SolveOptions
