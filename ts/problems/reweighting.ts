import { type Backend, upload } from '../backend/backend.ts'
import type { DType, Features, Oracles, Samples } from '../backend/binding.ts'
import {
  checkOptions,
  dtypeCheck,
  is,
  numbers,
  oneOf,
  settingsJson,
  shape,
  size,
  something,
} from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import type { Matrix } from '../backend/matrix.ts'
import type { Model } from './model.ts'
import { Problem } from './problem.ts'

/** Labelled samples: rows of a feature matrix, in the order of their labels. */
export interface LabelledSet {
  /** A matrix, or one that is uploaded already, which several sets may share. */
  readonly features: Matrix | Features
  /** Class 0 to C − 1 of each sample. */
  readonly labels: ArrayLike<number>
  /** Rows of `features`; all of them, in order, where absent. */
  readonly rows?: ArrayLike<number>
}

export interface ReweightingOptions {
  readonly backend: Backend
  readonly model: Model
  /** Samples that the inner objective weighs. */
  readonly train: LabelledSet
  /** Samples that the outer objective trusts. */
  readonly trusted: LabelledSet
  /** Factor of ‖θ‖², 1e-4 by default. */
  readonly regularization?: number
  /** How v weighs samples: `perSample` logits, `margin` (a bias for each class, added to the log-odds that the model
   * gives to the label with its scores times a slope; v is the C biases and the slope), or weights that are given and
   * fixed. */
  readonly weighting?: 'perSample' | 'margin' | { readonly fixed: ArrayLike<number> }
  /** So many of the last training samples have weight one, whatever v. */
  readonly anchors?: number
  /** For `margin`: how wrong labels arise, C × C, row-major: entry (k, y) is the probability of the label y where k is
   * true, more than 0. Uniform where absent. */
  readonly transition?: ArrayLike<number>
  /** Adds ½ Σ precision_j (v_j − mean_j)² to f. */
  readonly prior?: { readonly mean: ArrayLike<number>; readonly precision: ArrayLike<number> }
  readonly dtype?: DType
}

const set = shape<LabelledSet>({ features: something, labels: numbers, rows: numbers }, [
  'features',
  'labels',
])
const fixed = shape({ fixed: numbers }, ['fixed'])
const checks = {
  backend: something,
  model: something,
  train: set,
  trusted: set,
  /** The engine refuses what is negative or not finite. */
  regularization: is('a number', (value) => typeof value === 'number'),
  weighting: (name: string, value: unknown) =>
    typeof value === 'object' ? fixed(name, value) : oneOf('perSample', 'margin')(name, value),
  anchors: size(0),
  transition: numbers,
  prior: shape({ mean: numbers, precision: numbers }, ['mean', 'precision']),
  dtype: dtypeCheck,
}

/**
 * Weighing training samples so that the model fits trusted ones:
 * g = (1/n) Σ w_i(v) ℓ_i(θ) + regularization ‖θ‖², f = the mean loss on the trusted samples.
 *
 * @throws NhgdError `ERR_SHAPE`, `ERR_RANGE` (labels, rows, regularization), `ERR_NOT_FINITE` (features).
 */
export function reweighting(given: ReweightingOptions): Problem {
  const options = checkOptions(given, checks, ['backend', 'model', 'train', 'trusted'])
  const { backend, model, train, trusted, weighting = 'perSample', dtype = 'f32' } = options
  const { regularization = 1e-4, anchors = 0, prior, transition } = options
  const fixed = typeof weighting === 'object' ? Float64Array.from(weighting.fixed) : undefined
  const settings = settingsJson({
    dtype,
    model,
    regularization,
    anchors,
    weighting: fixed ? 'fixed' : weighting,
    ...(transition && { transition: Array.from(transition) }),
    ...(prior && { prior: { mean: Array.from(prior.mean), precision: Array.from(prior.precision) } }),
  })
  const build = (): Oracles =>
    backend.Problem.reweighting(
      settings,
      samples(backend, train, 'train'),
      samples(backend, trusted, 'trusted'),
      fixed,
    )
  // Of each sample a weight, its share, a loss and a sensitivity, with margins the class probabilities as well.
  const perSample = 4 + (weighting === 'margin' ? model.classes : 0)
  const vectors = (dtype === 'f32' ? 4 : 8) * perSample * train.labels.length
  const bytes = [train, trusted].reduce((sum, set) => sum + setBytes(set), vectors + (fixed?.byteLength ?? 0))
  return new Problem(backend, dtype, bytes, build, (oracles, seed) => ({
    inner: oracles.initial(seed).readF64(),
    outer: prior?.mean ?? new Float64Array(oracles.outerLength),
  }))
}

/** Uploads a set, its features only if they are not uploaded yet. */
export function samples(backend: Backend, { features, labels, rows }: LabelledSet, name: string): Samples {
  const uploaded = 'data' in features ? upload(backend, features) : features
  return new backend.Samples(uploaded, rows && whole(rows, `${name} rows`), whole(labels, `${name} labels`))
}

function setBytes({ features, labels, rows }: LabelledSet): number {
  return ('data' in features ? features.data.byteLength : 0) + 4 * (labels.length + (rows?.length ?? 0))
}

/** Whole numbers below 2³², checked where the type could hold others. */
function whole(values: ArrayLike<number>, name: string): Uint32Array {
  if (values instanceof Uint32Array) return values
  const out = Uint32Array.from(values)
  const at = Array.prototype.findIndex.call(values, (value: number, i: number) => value !== out[i])
  if (at < 0) return out
  throw new NhgdError(
    'ERR_RANGE',
    `"${name}" expected whole numbers from 0, got ${values[at]} at index ${at}`,
  )
}
