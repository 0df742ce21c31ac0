import { type Backend, taken, upload, vector } from '../backend/backend.ts'
import type { Features } from '../backend/binding.ts'
import { featuresCheck, type MatrixLike } from '../backend/matrixLike.ts'
import type { Standardization } from '../data/standardize.ts'
import { isNetwork, layersOf, type Model, predictor } from '../problems/model.ts'

type Floats = Float32Array | Float64Array

/**
 * What a model predicts of features, rows × outputs: class probabilities, or the numbers of a regression.
 *
 * @throws NhgdError `ERR_SHAPE` where the columns aren't those of the training set.
 */
export function predictions(
  backend: Backend,
  settings: Model,
  theta: Floats,
  features: MatrixLike | Features,
  rows?: Uint32Array,
): Floats {
  const given = featuresCheck('features', features)
  const uploaded = 'data' in given ? upload(backend, given) : given
  const which = rows ? backend.Batch.of(rows) : backend.Batch.all(uploaded.rows)
  const inner = vector(backend, theta, theta instanceof Float32Array ? 'f32' : 'f64')
  const model = predictor(backend, settings)
  try {
    return taken(model.probabilities(inner, uploaded, which))
  } finally {
    for (const own of [inner, model]) own.dispose()
    if (uploaded !== given) uploaded.dispose()
  }
}

/** Inputs, without the bias, and outputs of the first layer of a model of so many columns and outputs. */
export function firstLayer(model: Model, columns: number, outputs: number): readonly [number, number] {
  return isNetwork(model) ? layersOf(model, columns)[0] : [columns, outputs]
}

/** θ for features that were not brought to mean 0 and deviation 1; the first layer has `width` outputs. */
export function forStandardization<T extends Floats>(
  theta: T,
  width: number,
  { means, deviations }: Standardization,
): T {
  const columns = means.length
  const own = theta.slice() as T
  for (let j = 0; j < columns; j++) {
    for (let c = 0; c < width; c++) {
      const w = deviations[j] > 0 ? theta[j * width + c] / deviations[j] : 0
      own[j * width + c] = w
      own[columns * width + c] -= means[j] * w
    }
  }
  return own
}
