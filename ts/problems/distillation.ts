import type { Backend } from '../backend/backend.ts'
import type { DType } from '../backend/binding.ts'
import {
  backendCheck,
  checkOptions,
  dtypeCheck,
  flag,
  modelCheck,
  refuse,
  refuseAs,
  seedCheck,
  size,
} from '../backend/check.ts'
import { anyNumber, riskOf } from './bilevel.ts'
import { learnedInputs, learnedTargets } from './blocks.ts'
import type { Model } from './model.ts'
import type { Problem } from './problem.ts'
import { columnsOf, inputsOf, type LabelledSet, sampleSet } from './samples.ts'

export interface DistillationOptions {
  readonly backend: Backend
  readonly model: Model
  /** The real samples: f is the mean loss on them. Their features have to be a matrix that is not uploaded. */
  readonly data: LabelledSet
  /** Learned samples of each class, at least 1. */
  readonly perClass: number
  /** Whether the learned samples have soft labels, which are learned too; false by default. */
  readonly learnTargets?: boolean
  /** Factor of ‖θ‖², 1e-4 by default. */
  readonly regularization?: number
  /** Decides which real samples the learned ones start at; 0 by default. */
  readonly seed?: number
  readonly dtype?: DType
}

const checks = {
  backend: backendCheck,
  model: modelCheck,
  data: sampleSet,
  perClass: size(1),
  learnTargets: flag,
  regularization: anyNumber,
  seed: seedCheck,
  dtype: dtypeCheck,
}

/**
 * The problem of a small training set that stands for a large one, a short-hand of `bilevel` with the blocks
 * `learnedInputs` and, if `learnTargets`, `learnedTargets`: g is the mean loss on `perClass` samples of each class, whose
 * features are v, plus regularization ‖θ‖², and f is the mean loss on the real samples (Wang et al. 2018; Kong et al. 2026,
 * appendix E.2). The learned samples are ordered by class, and start at real ones.
 *
 * @throws NhgdError `ERR_RANGE` for options and for a class with fewer than `perClass` samples; see `bilevel` for the rest.
 */
export function distillation(given: DistillationOptions): Problem {
  const options = checkOptions(given, checks, ['backend', 'model', 'data', 'perClass'])
  const { data, perClass, learnTargets = false, seed = 0, ...rest } = options
  const train = subsetPerClass(options.backend, data, perClass, seed)
  const hyperparameters = { inputs: learnedInputs(), ...(learnTargets && { targets: learnedTargets() }) }
  return riskOf({ ...rest, train, validation: data, hyperparameters }, 'data')
}

/** A number of random samples of each class of a set as {@link sampleSet} leaves it, ordered by class, with features of
 * their own. */
export function subsetPerClass(
  backend: Backend,
  set: LabelledSet,
  perClass: number,
  seed: number,
): LabelledSet {
  const { features, labels, rows } = set
  if (!labels) return refuseAs('data', 'samples with labels', 'continuous targets')
  const classes: number[][] = []
  for (let i = 0; i < labels.length; i++) {
    const own = labels[i]
    if (!Number.isInteger(own) || own < 0 || own >= labels.length) continue // refused where the set is uploaded
    classes[own] ??= []
    classes[own].push(i)
  }
  const picked = Array.from(classes, (own, label) => {
    const found = own?.length ?? 0
    if (found < perClass) {
      const expected = `at most ${found}, the number of samples of the class ${label}`
      return refuse('perClass', expected, perClass)
    }
    const sampler = new backend.Sampler(seed + label, found)
    return Array.from(sampler.take(perClass).positions, (place) => (own as number[])[place])
  }).flat()
  const part = { features, labels: picked.map((i) => labels[i]), rows: picked.map((i) => rows?.[i] ?? i) }
  const own = { data: inputsOf(part, 'data'), rows: picked.length, columns: columnsOf(part) }
  return { features: own, labels: part.labels }
}
