import { type Backend, read, taken } from '../../backend/backend.ts'
import type { Features, Vector } from '../../backend/binding.ts'
import type { Matrix } from '../../backend/matrix.ts'
import { bilevel } from '../../problems/bilevel.ts'
import { type Block, penalty } from '../../problems/blocks.ts'
import type { FoldRows } from '../../problems/crossValidation.ts'
import { type Model, predictor } from '../../problems/model.ts'
import type { AnyProblem, Problem } from '../../problems/problem.ts'
import { type SampleSet, subset, uploadedSet } from '../../problems/samples.ts'
import { Ranks } from '../../run/ranks.ts'
import { Kernels } from './kernels.ts'
import { LeastSquares } from './leastSquares.ts'
import { Network } from './network.ts'
import { Newton } from './newton.ts'
import { type InnerSolver, later } from './solver.ts'

/** Standardised samples: features n × d, and either targets n × outputs or classes. */
export interface Data {
  readonly features: Matrix & { readonly data: Float64Array }
  readonly outputs: number
  readonly model: Model
  readonly targets?: Float64Array
  readonly labels?: Uint32Array
}

/** One fold: its own problem, for f and the cross derivative, and the solver of its inner objective. */
export interface Fold {
  readonly problem: Problem
  readonly solver: InnerSolver
}

/** How work that takes long is done. */
export interface Pace {
  /** Lets the event loop run now and then; what it throws ends the work. */
  readonly pause: () => Promise<void>
  /** Does work, or gives what the same work gave before an interruption. */
  readonly once: <T>(work: () => Promise<T>) => Promise<T>
  /** They share the folds out. */
  readonly ranks: Ranks
}

/** Without a pause, with nothing kept, and on one rank. */
export const atOnce: Pace = { pause: async () => {}, once: (work) => work(), ranks: new Ranks() }

/** Folds with this penalty, and the problem that they are together. */
export interface Folds {
  readonly folds: readonly Fold[]
  readonly pace: Pace
  readonly together: AnyProblem
  /** Whether losses are convex in θ. */
  readonly isConvex: boolean
}

/**
 * Folds of samples that are uploaded once: for some rows, the solvers of the inner objectives, which no penalty
 * changes, and the problems with a penalty.
 */
export function foldMaker(
  backend: Backend,
  { features, outputs, model, targets, labels }: Data,
  pace = atOnce,
) {
  const n = features.rows
  const given: SampleSet = targets
    ? { features, targets: { data: targets, rows: n, columns: outputs } }
    : { features, labels: labels as Uint32Array }
  const all = uploadedSet(backend, given)
  const shared = { backend, model, regularization: 0, dtype: 'f64' } as const
  let products: Float64Array | undefined
  const { columns } = features
  /** XXᵀ of some rows, where there are more columns than rows. */
  const between = (train: ArrayLike<number>) => {
    if (columns <= train.length) return undefined
    const kernels = new Kernels(backend)
    const turned = () => kernels.vector(features.data)
    products ??= kernels.weightedGram(turned(), new Float64Array(columns).fill(1), new Float64Array(n * n))
    const own = new Float64Array(train.length ** 2)
    for (let a = 0, k = 0; a < train.length; a++)
      for (let c = 0; c < train.length; c++, k++) own[k] = products[train[a] * n + train[c]]
    return own
  }
  return (rows: readonly FoldRows[]) => {
    const sets = rows.map(({ train, validation }) => ({
      train: subset(all, Uint32Array.from(train)),
      validation: subset(all, Uint32Array.from(validation)),
    }))
    const solverOf = ({ train }: FoldRows, k: number): InnerSolver => {
      if (model.kind === 'mlp') return new Network(bilevel({ ...shared, ...sets[k], hyperparameters: {} }))
      const x = picked(features.data, features.columns, train)
      if (targets)
        return new LeastSquares(
          backend,
          x,
          picked(targets, outputs, train),
          train.length,
          outputs,
          between(train),
        )
      const losses = bilevel({ ...shared, ...sets[k], hyperparameters: {} })
      const [batch, trained] = [backend.Batch.of(Uint32Array.from(train)), predictor(backend, model)]
      const probabilities = (theta: Vector) =>
        taken(trained.probabilities(theta, all.features as Features, batch))
      return new Newton(losses, x, probabilities)
    }
    // A rank needs those of the folds that fall to it.
    const solvers = rows.map((fold, k) => later(() => solverOf(fold, k)))
    const penalised = (block: Block): Folds => {
      const problems = sets.map((set) => bilevel({ ...shared, ...set, hyperparameters: { penalty: block } }))
      const folds = problems.map((problem, k) => ({ problem, solver: solvers[k] }))
      const together = problems[0].withFolds(problems.slice(1))
      return { folds, pace, together, isConvex: model.kind !== 'mlp' }
    }
    /** θ to start from: 0, or a network's random weights. */
    const start = (seed: number) =>
      Float64Array.from(read(penalised(penalty({ per: 'all' })).folds[0].problem.start(seed).inner))
    return { solvers, penalised, start }
  }
}

function picked(x: Float64Array, columns: number, rows: ArrayLike<number>): Float64Array {
  const out = new Float64Array(rows.length * columns)
  for (let k = 0; k < rows.length; k++)
    out.set(x.subarray(rows[k] * columns, (rows[k] + 1) * columns), k * columns)
  return out
}
