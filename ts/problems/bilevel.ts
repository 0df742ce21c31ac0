import { type Backend, taken } from '../backend/backend.ts'
import type { DType, Oracles, Samples } from '../backend/binding.ts'
import {
  backendCheck,
  type Check,
  checkOptions,
  dtypeCheck,
  is,
  modelCheck,
  refuse,
  settingsJson,
  something,
} from '../backend/check.ts'
import { together } from '../backend/communicator.ts'
import type { BilevelSettings } from '../backend/settings.ts'
import type { Block } from './blocks.ts'
import type { Model } from './model.ts'
import { Problem, type Spread } from './problem.ts'
import { columnsOf, countOf, type SampleSet, sampleSet, samples, setBytes, setData } from './samples.ts'
import { shardedOracles } from './sharded.ts'
import { gatheredBlocks, gatheredSet } from './sharding.ts'

export interface BilevelOptions {
  readonly backend: Backend
  readonly model: Model
  /** Samples of the inner objective. */
  readonly train: SampleSet
  /** Samples of the outer objective. */
  readonly validation: SampleSet
  /** Blocks of hyperparameters by name; v is made of them in this order. Weights multiply, penalties add. */
  readonly hyperparameters: Readonly<Record<string, Block>>
  /** Factor of ‖θ‖²; 0 by default where a penalty is learned, else 1e-4. */
  readonly regularization?: number
  readonly dtype?: DType
}

/** The engine refuses what is negative or not finite. */
export const anyNumber: Check<number> = is('a number', (value) => typeof value === 'number')

const blocks: Check<Record<string, Block>> = (name, value) => {
  for (const [key, block] of Object.entries(something(name, value) as object)) {
    if (typeof block?.start === 'function' && block.settings) continue
    refuse(`${name}.${key}`, 'a block such as sampleWeights()', block)
  }
  return value as Record<string, Block>
}

export const bilevelChecks = {
  backend: backendCheck,
  model: modelCheck,
  train: sampleSet,
  validation: sampleSet,
  hyperparameters: blocks,
  regularization: anyNumber,
  dtype: dtypeCheck,
}

/**
 * The problem of a model's hyperparameters: g = (1/n) Σ w_i(v) ℓ_i(θ) + R(v, θ) + regularization ‖θ‖² over n training
 * samples, and f is the mean loss over the validation samples plus the priors of the blocks.
 *
 * @throws NhgdError `ERR_RANGE` for options; `ERR_SHAPE`, `ERR_RANGE` (labels, rows, blocks) and `ERR_NOT_FINITE`
 * (features, targets) when the problem is first used.
 */
export function bilevel(options: BilevelOptions): Problem {
  const required = ['backend', 'model', 'train', 'validation', 'hyperparameters'] as const
  return riskOf(checkOptions(options, bilevelChecks, required), 'validation')
}

/** The same, where errors call the outer samples `outer`. */
export function riskOf(options: BilevelOptions, outer: string): Problem {
  const { backend, model, train, validation, hyperparameters, dtype = 'f32' } = options
  const blocks = Object.values(hyperparameters)
  const learned = blocks.some(({ settings }) => settings.kind === 'penalty')
  const { regularization = learned ? 0 : 1e-4 } = options
  const all: BilevelSettings = {
    dtype,
    model,
    regularization,
    blocks: blocks.map(({ settings }) => settings),
    outer,
  }
  const settings = settingsJson(all)
  const given = blocks.flatMap(({ fixed }) => fixed ?? [])
  const fixed = given.length < 2 ? given[0] : concat(given)
  const build = () => {
    const sets: Samples[] = []
    try {
      sets.push(samples(backend, train, 'train'))
      sets.push(samples(backend, validation, outer))
      return backend.Problem.bilevel(settings, sets[0], sets[1], backend.info().threads, fixed)
    } finally {
      for (const set of sets) set.dispose() // the problem keeps them
    }
  }
  // Per sample a weight, its share, a loss and a sensitivity, with margins the class probabilities as well.
  const margins = blocks.some(({ settings }) => settings.kind === 'marginWeights')
  // Learned inputs are v itself, and a batch of them is copied.
  const inputs = blocks.some(({ settings }) => settings.kind === 'learnedInputs')
  const perSample =
    4 + (margins && 'classes' in model ? model.classes : 0) + (inputs ? 3 * columnsOf(train) : 0)
  const vectors = (dtype === 'f32' ? 4 : 8) * perSample * countOf(train)
  const bytes = setBytes(train) + setBytes(validation) + vectors + (fixed?.byteLength ?? 0)
  return new Problem(
    backend,
    dtype,
    bytes,
    build,
    (oracles, seed) => ({
      inner: taken(oracles.initial(seed)),
      outer: concat(blocks.map((block, i) => block.start(oracles.blocks[i], { model, train }))),
    }),
    hyperparameters,
    { model, regularization },
    () => [...setData(train), ...setData(validation), settings, fixed],
    spreadOf(options, outer),
  )
}

/** The problem of all ranks' samples: each rank has the labels of all, and the features of its own. */
function spreadOf(options: BilevelOptions, outer: string): Spread {
  return async (communicator) => {
    const train = await gatheredSet(communicator, options.train, 'train')
    const validation = await gatheredSet(communicator, options.validation, outer)
    const { model, hyperparameters: blocks } = options
    const own = options.train
    const hyperparameters = await gatheredBlocks(communicator, blocks, model, own, train.starts)
    const whole = riskOf({ ...options, train: train.set, validation: validation.set, hyperparameters }, outer)
    const starts = { inner: train.starts, outer: validation.starts }
    const replace = (local: Oracles) =>
      communicator.size === 1 ? local : shardedOracles(options.backend, local, communicator, starts)
    // A run that goes on with another number of ranks is recognised by what all of them have.
    const data = () => [...train.known, ...validation.known]
    const problem = whole.withOracles(replace, data)
    await together(communicator, () => problem.oracles)
    return problem
  }
}

function concat(parts: readonly ArrayLike<number>[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
