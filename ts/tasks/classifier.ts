import { type Backend, read, upload, vector } from '../backend/backend.ts'
import type { Features } from '../backend/binding.ts'
import { oneOf } from '../backend/check.ts'
import { featuresCheck, type MatrixLike } from '../backend/matrixLike.ts'
import type { Standardization } from '../data/standardize.ts'
import { predictor, softmaxRegression } from '../problems/model.ts'
import { mostLikely } from './metrics.ts'
import { type ModelFormat, readModel, writeModel } from './modelFile.ts'

/** A trained softmax regression. */
export class Classifier {
  readonly classes: number
  readonly columns: number
  readonly theta: Float32Array | Float64Array
  readonly #backend: Backend

  /** `theta` is (columns + 1) × classes, row-major, the bias last. */
  constructor(backend: Backend, classes: number, columns: number, theta: Float32Array | Float64Array) {
    this.classes = classes
    this.columns = columns
    this.theta = theta
    this.#backend = backend
  }

  /** Class probabilities, rows × classes. `ERR_SHAPE` where the columns aren't the training set's. */
  probabilities(features: MatrixLike | Features, rows?: Uint32Array): Float32Array | Float64Array {
    const backend = this.#backend
    const given = featuresCheck('features', features)
    const uploaded = 'data' in given ? upload(backend, given) : given
    const which = rows ? backend.Batch.of(rows) : backend.Batch.all(uploaded.rows)
    const theta = vector(backend, this.theta, this.theta instanceof Float32Array ? 'f32' : 'f64')
    return read(
      predictor(backend, softmaxRegression({ classes: this.classes })).probabilities(theta, uploaded, which),
    )
  }

  /** The most likely class of each row. */
  predict(features: MatrixLike | Features, rows?: Uint32Array): Int32Array {
    const p = this.probabilities(features, rows)
    return Int32Array.from({ length: p.length / this.classes }, (_, i) => mostLikely(p, this.classes, i))
  }

  /** The same classifier for features that were not multiplied by the `factor` of this one's. */
  forScale(factor: number): Classifier {
    if (factor === 1) return this
    const bias = this.columns * this.classes
    const theta = this.theta.map((w, i) => (i < bias ? w * factor : w))
    return new Classifier(this.#backend, this.classes, this.columns, theta)
  }

  /** The same classifier for features that were not brought to mean 0 and deviation 1, as this one's were. */
  forStandardization({ means, deviations }: Standardization): Classifier {
    const { columns, classes } = this
    const theta = this.theta.slice()
    for (let j = 0; j < columns; j++) {
      for (let c = 0; c < classes; c++) {
        const w = deviations[j] > 0 ? this.theta[j * classes + c] / deviations[j] : 0
        theta[j * classes + c] = w
        theta[columns * classes + c] -= means[j] * w
      }
    }
    return new Classifier(this.#backend, classes, columns, theta)
  }

  /** The model as a file, NPZ unless another `format` is named: `theta`, (columns + 1) × classes. */
  save({ format = 'npz' }: { readonly format?: ModelFormat } = {}): Uint8Array {
    oneOf('npz', 'safetensors')('format', format)
    return writeModel(format, { theta: { data: this.theta, shape: [this.columns + 1, this.classes] } })
  }

  /** Reads what {@link Classifier.save} wrote, in either format (`ERR_CHECKPOINT` where it isn't that). */
  static load(backend: Backend, bytes: Uint8Array): Classifier {
    const { data, shape } = readModel(bytes).theta
    return new Classifier(backend, shape[1], shape[0] - 1, data)
  }
}
