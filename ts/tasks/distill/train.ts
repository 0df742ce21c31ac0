import { read } from '../../backend/backend.ts'
import * as defaults from '../../defaults.ts'
import { innerEnd, innerLoop, innerState } from '../../hypergradient/innerLoop.ts'
import { bilevel } from '../../problems/bilevel.ts'
import { type Block, learnedTargets } from '../../problems/blocks.ts'
import { hasSquaredLoss } from '../../problems/model.ts'
import type { AnyProblem, Problem } from '../../problems/problem.ts'
import type { LabelledSet } from '../../problems/samples.ts'
import { curvatureRate } from '../rate.ts'
import type { Theta } from '../trainer.ts'
import { kindOf, type Settings } from './options.ts'

/** What a model is trained on: labels, or soft labels as well. */
export type TrainingSet = LabelledSet & { readonly targets?: ArrayLike<number> }

/** Seeds of the starts that the run sees and, apart from these, of trainings, so that none starts where the run did. */
export const seedOf = {
  start: (seed: number, step: number) => (2 ** 20 * seed + step) % 2 ** 40,
  training: (seed: number, training: number) => 2 ** 40 + ((2 ** 20 * seed + training) % 2 ** 40),
} as const

/** A problem whose g is the loss on a set, soft labels included, and whose f is that on the real samples. */
export function problemOn(
  { backend, model, regularization }: Settings,
  data: LabelledSet,
  { targets, ...train }: TrainingSet,
): Problem {
  const hyperparameters: Record<string, Block> = targets ? { targets: learnedTargets() } : {}
  return bilevel({
    backend,
    model,
    train,
    validation: data,
    hyperparameters,
    regularization,
  })
}

/** The v of {@link problemOn}: what the soft labels are made of. */
export function variablesOf({ model }: Settings, set: TrainingSet): Float64Array {
  const targets = Float64Array.from(set.targets ?? [])
  if (hasSquaredLoss(model)) return targets
  const log = (y: number) => Math.log(Math.max(y, 1e-30))
  return targets.map(model.kind === 'logistic' ? (y) => log(y) - log(1 - y) : log)
}

/** Trains a model from scratch, with an order and a start that the seed decides; returns θ. */
export async function train(
  { model }: Settings,
  problem: AnyProblem,
  outer: ArrayLike<number>,
  seed: number,
): Promise<Theta> {
  const { oracles, backend } = problem
  const { samples } = oracles
  const { largest, share, averaging, ...training } = defaults.distill.training
  const steps = training.steps[kindOf(model)]
  const batchSize = Math.min(largest, Math.ceil(share * samples))
  const point = problem.start(seed, { outer })
  // The steepest batch decides, since single samples may be much steeper than their mean.
  const sampler = new backend.Sampler(seed, samples)
  let rate = Number.POSITIVE_INFINITY
  for (let k = 0; k < Math.min(samples / batchSize, 1 / share); k++) {
    rate = Math.min(rate, await curvatureRate(problem, point, sampler.take(batchSize)))
  }
  const settings = {
    innerSteps: steps,
    batchSize,
    averaging,
    innerOptimizer: { kind: 'momentum', rate: (k: number) => rate * Math.min(1, 2 - (2 * k) / steps) },
  } as const
  const state = innerState(problem, seed, settings, 1)
  for await (const _ of innerLoop(problem, point, state, settings));
  return read(innerEnd(point, state, settings).inner)
}
