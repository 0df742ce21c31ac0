import { type Check, checkOptions, numbers, refuse, shape } from '../backend/check.ts'
import { type BilevelOptions, bilevel, bilevelChecks } from './bilevel.ts'
import type { AnyProblem } from './problem.ts'
import { countOf, type SampleSet, sampleSet, subset, uploadedSet, whole } from './samples.ts'

/** The samples that one fold trains on, and those that it is judged on, by position. */
export interface FoldRows {
  readonly train: ArrayLike<number>
  readonly validation: ArrayLike<number>
}

export interface CrossValidationOptions extends Omit<BilevelOptions, 'train' | 'validation'> {
  /** All samples. */
  readonly samples: SampleSet
  /** Each fold's part of them: see `kFolds`, `groupFolds` and `timeFolds`. */
  readonly folds: readonly FoldRows[]
}

const foldRows = shape<FoldRows>({ train: numbers, validation: numbers }, ['train', 'validation'])
/** A list of so many folds, or more. */
export const foldList =
  (least: 1 | 2): Check<readonly FoldRows[]> =>
  (name, value) => {
    const expected = `at least ${least === 1 ? 'one fold' : 'two folds'}`
    if (!Array.isArray(value) || value.length < least) return refuse(name, expected, value)
    return value.map((fold, k) => foldRows(`${name}[${k}]`, fold))
  }

const { train: _, validation: __, ...shared } = bilevelChecks

/**
 * The problem of hyperparameters under cross-validation: g is the sum of the folds' own inner objectives, each with a θ of
 * its own, and f is the mean over folds of the loss on what each fold left out. Folds are computed together.
 *
 * @throws NhgdError as `bilevel`; `ERR_RANGE` for fewer than two folds, or positions beyond the samples.
 */
export function crossValidation(options: CrossValidationOptions): AnyProblem {
  const checks = { ...shared, samples: sampleSet, folds: foldList(2) }
  const required = ['backend', 'model', 'samples', 'hyperparameters', 'folds'] as const
  const { samples, folds, ...rest } = checkOptions(options, checks, required)
  const count = countOf(samples)
  const all = uploadedSet(rest.backend, samples)
  const part = (positions: ArrayLike<number>, name: string) => {
    const at = whole(positions, name)
    const beyond = at.find((i) => i >= count)
    if (beyond !== undefined) refuse(name, `positions below ${count}`, beyond)
    return subset(all, at)
  }
  const [first, ...others] = folds.map(({ train, validation }, k) =>
    bilevel({
      ...rest,
      train: part(train, `folds[${k}].train`),
      validation: part(validation, `folds[${k}].validation`),
    }),
  )
  return first.withFolds(others)
}
