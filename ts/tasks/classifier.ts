import type { Backend } from '../backend/backend.ts'
import type { Features } from '../backend/binding.ts'
import { oneOf, refuse } from '../backend/check.ts'
import type { MatrixLike } from '../backend/matrixLike.ts'
import type { Standardization } from '../data/standardize.ts'
import type { NumericArray, Tensor } from '../data/tensor.ts'
import * as defaults from '../defaults.ts'
import { isNetwork, type Model, multilayerPerceptron, softmaxRegression } from '../problems/model.ts'
import { mostLikely } from './metrics.ts'
import { type ModelFormat, type ModelNames, readModel, sizeOf, writeModel } from './modelFile.ts'
import { firstLayer, forStandardization, predictions } from './predictions.ts'

/** How {@link Classifier.save} writes a model. */
export interface SaveOptions {
  readonly format?: ModelFormat
  readonly arrays?: Readonly<Record<string, Tensor<NumericArray>>>
  readonly names?: ModelNames
}

/** A trained softmax regression, multilayer perceptron or convolutional network. */
export class Classifier {
  readonly classes: number
  readonly columns: number
  readonly theta: Float32Array | Float64Array
  readonly model: Model
  readonly #backend: Backend

  /** `theta` is that of the model: of softmax regression, the default, (columns + 1) × classes, row-major, the bias last. */
  constructor(
    backend: Backend,
    classes: number,
    columns: number,
    theta: Float32Array | Float64Array,
    model: Model = softmaxRegression({ classes }),
  ) {
    this.classes = classes
    this.columns = columns
    this.theta = theta
    this.model = model
    this.#backend = backend
  }

  /** Class probabilities, rows × classes. `ERR_SHAPE` where the columns aren't the training set's. */
  probabilities(features: MatrixLike | Features, rows?: Uint32Array): Float32Array | Float64Array {
    return predictions(this.#backend, this.model, this.theta, features, rows)
  }

  /** The most likely class of each row. */
  predict(features: MatrixLike | Features, rows?: Uint32Array): Int32Array {
    const p = this.probabilities(features, rows)
    return Int32Array.from({ length: p.length / this.classes }, (_, i) => mostLikely(p, this.classes, i))
  }

  /** The same classifier for features that were not multiplied by the `factor` of this one's. */
  forScale(factor: number): Classifier {
    if (factor === 1) return this
    const [inputs, outputs] = firstLayer(this.model, this.columns, this.classes)
    const bias = inputs * outputs
    return this.#with(this.theta.map((w, i) => (i < bias ? w * factor : w)))
  }

  /**
   * The same classifier for features that were not brought to mean 0 and deviation 1, as this one's were.
   *
   * @throws NhgdError `ERR_RANGE` for a convolutional network, whose weights are those of several columns.
   */
  forStandardization(figures: Standardization): Classifier {
    if (this.model.kind === 'convolutional') refuse('model', 'one without convolutions', this.model.kind)
    const { model, columns, classes } = this
    return this.#with(forStandardization(this.theta, firstLayer(model, columns, classes)[1], figures))
  }

  #with(theta: Float32Array | Float64Array): Classifier {
    return new Classifier(this.#backend, this.classes, this.columns, theta, this.model)
  }

  /**
   * The model as a file, NPZ unless another `format` is named: `theta`, (columns + 1) × classes, beside further
   * `arrays` and the `names` of classes and columns. Of a network `theta` has the layers one after the other, and
   * `model` its settings as JSON.
   */
  save({ format = 'npz', arrays = {}, names = {} }: SaveOptions = {}): Uint8Array {
    oneOf('npz', 'safetensors')('format', format)
    const { theta, model, columns, classes } = this
    const network = isNetwork(model) ? model : undefined
    const shape = network ? [theta.length] : [columns + 1, classes]
    const about = network ? { ...names, model: network } : names
    return writeModel(format, { ...arrays, theta: { data: theta, shape } }, about)
  }

  /** Reads what {@link Classifier.save} wrote, in either format (`ERR_CHECKPOINT` where it isn't that). */
  static load(backend: Backend, bytes: Uint8Array): Classifier {
    const file = readModel(bytes)
    const { columns, classes } = sizeOf(file) ?? { columns: 0, classes: 0 }
    return new Classifier(backend, classes, columns, file.theta.data, file.model)
  }
}

/** The model of a kind of classifier; a perceptron has the `hidden` layers, by default those of cleaning. */
export function usualModel(
  kind: 'softmax' | 'perceptron' | undefined,
  classes: number,
  hidden: readonly number[] = defaults.cleanLabels.perceptron.hidden,
): Model {
  if (kind !== 'perceptron') return softmaxRegression({ classes })
  const { activation } = defaults.cleanLabels.perceptron
  return multilayerPerceptron({ classes, hidden, activation })
}
