import type { Backend } from '../backend/backend.ts'
import type { DType } from '../backend/binding.ts'
import {
  backendCheck,
  checkOptions,
  dtypeCheck,
  modelCheck,
  numbers,
  oneOf,
  shape,
  size,
} from '../backend/check.ts'
import { entriesCheck, type MatrixLike } from '../backend/matrixLike.ts'
import { anyNumber, riskOf } from './bilevel.ts'
import { fixedWeights, marginWeights, type Prior, priorCheck, sampleWeights } from './blocks.ts'
import type { Model } from './model.ts'
import type { Problem } from './problem.ts'
import { type SampleSet, sampleSet } from './samples.ts'

export interface ReweightingOptions {
  readonly backend: Backend
  readonly model: Model
  /** Samples that the inner objective weighs. */
  readonly train: SampleSet
  /** Samples that the outer objective trusts. */
  readonly trusted: SampleSet
  /** Factor of ‖θ‖², 1e-4 by default. */
  readonly regularization?: number
  /** How v weighs samples: by one logit per sample (`perSample`, the default), by margins (`margin`: v holds a bias per
   * class and a slope, see `marginWeights`), or by given weights. */
  readonly weighting?: 'perSample' | 'margin' | { readonly fixed: ArrayLike<number> }
  /** Number of training samples, the last ones, that have weight one whatever v is; 0 by default. */
  readonly anchors?: number
  /** For `margin`: how wrong labels arise, C × C, row-major: entry (k, y), above 0, is the probability of the label y where
   * k is true. Uniform by default. */
  readonly transition?: ArrayLike<number> | MatrixLike
  /** Prior on v, which adds ½ Σ precision_j (v_j − mean_j)² to f; v starts at its mean. */
  readonly prior?: Prior
  readonly dtype?: DType
}

const fixed = shape({ fixed: numbers }, ['fixed'])
const checks = {
  backend: backendCheck,
  model: modelCheck,
  train: sampleSet,
  trusted: sampleSet,
  regularization: anyNumber,
  weighting: (name: string, value: unknown) =>
    typeof value === 'object' ? fixed(name, value) : oneOf('perSample', 'margin')(name, value),
  anchors: size(0),
  transition: entriesCheck,
  prior: priorCheck,
  dtype: dtypeCheck,
}

/**
 * The problem of weighing training samples so that the model fits trusted ones, a short-hand of {@link bilevel} with one
 * block of weights: g = (1/n) Σ w_i(v) ℓ_i(θ) + regularization ‖θ‖², and f is the mean loss on the trusted samples.
 *
 * @throws NhgdError `ERR_SHAPE`, `ERR_RANGE` (labels, rows, regularization), `ERR_NOT_FINITE` (features).
 */
export function reweighting(given: ReweightingOptions): Problem {
  const options = checkOptions(given, checks, ['backend', 'model', 'train', 'trusted'])
  const { trusted, weighting = 'perSample', anchors, transition, prior, ...rest } = options
  const weights =
    typeof weighting === 'object'
      ? fixedWeights(weighting.fixed)
      : weighting === 'margin'
        ? marginWeights({ anchors, transition, prior })
        : sampleWeights({ anchors, prior })
  return riskOf({ ...rest, validation: trusted, hyperparameters: { weights } }, 'trusted')
}
