import type { Backend } from '../../backend/backend.ts'
import { oneOf, refuse } from '../../backend/check.ts'
import { NhgdError } from '../../backend/errors.ts'
import { type MatrixLike, matrixCheck } from '../../backend/matrixLike.ts'
import type { NetworkModel } from '../../problems/model.ts'
import { type ModelFormat, openModel, sizeOf, writeModel } from '../modelFile.ts'
import { predictions } from '../predictions.ts'

/** The perceptron of a {@link Regressor}, and what computes its predictions. */
export interface RegressionNetwork {
  readonly backend: Backend
  readonly model: NetworkModel
}

/** A trained regression: linear, or a perceptron. */
export class Regressor {
  readonly columns: number
  readonly outputs: number
  /** Of a linear regression (columns + 1) × outputs, row-major, the intercepts last; else the perceptron's parameters. */
  readonly theta: Float64Array
  readonly #network: RegressionNetwork | undefined

  /** Without a `network` it is a linear regression. */
  constructor(columns: number, outputs: number, theta: Float64Array, network?: RegressionNetwork) {
    this.columns = columns
    this.outputs = outputs
    this.theta = theta
    this.#network = network
  }

  /** Predictions, rows × outputs. `ERR_SHAPE` where the columns aren't the training set's. */
  predict(features: MatrixLike): Float64Array {
    const given = matrixCheck('features', features)
    const { data, rows, columns, scale = 1 } = given
    if (columns !== this.columns) refuse('features', `${this.columns} columns`, columns, 'ERR_SHAPE')
    const { outputs, theta } = this
    if (this.#network) {
      const { backend, model } = this.#network
      return predictions(backend, model, theta, given) as Float64Array
    }
    const out = new Float64Array(rows * outputs)
    for (let i = 0; i < rows; i++) {
      for (let c = 0; c < outputs; c++) {
        let z = theta[columns * outputs + c]
        for (let j = 0; j < columns; j++) z += data[i * columns + j] * scale * theta[j * outputs + c]
        out[i * outputs + c] = z
      }
    }
    return out
  }

  /**
   * The model as a file: `coefficients`, (columns + 1) × outputs, and the names of columns where they are given. Of a
   * perceptron they are its parameters one after the other, and `model` has its settings as JSON.
   */
  save({ format = 'npz', columns }: { format?: ModelFormat; columns?: readonly string[] } = {}): Uint8Array {
    oneOf('npz', 'safetensors')('format', format)
    const model = this.#network?.model
    const shape = model ? [this.theta.length] : [this.columns + 1, this.outputs]
    return writeModel(format, { coefficients: { data: this.theta, shape } }, { columns, model })
  }

  /**
   * Reads what {@link Regressor.save} wrote, in either format. A perceptron wants the backend that is to predict.
   *
   * @throws NhgdError `ERR_CHECKPOINT` where it isn't that; `ERR_RANGE` for a perceptron without a backend.
   */
  static load(bytes: Uint8Array, backend?: Backend, name = 'file'): Regressor {
    const { tensors, network } = openModel(bytes, name)
    const [saved, model] = [tensors.coefficients, network()]
    const { data, shape } = saved ?? {}
    const size = data instanceof Float64Array && shape ? sizeOf({ theta: { data, shape }, model }) : undefined
    if (!size) throw new NhgdError('ERR_CHECKPOINT', '"coefficients" expected a float64 matrix, got none')
    const { columns, classes: outputs } = size
    const theta = data as Float64Array
    if (!model) return new Regressor(columns, outputs, theta)
    if (!backend) return refuse('backend', 'a backend, which a perceptron predicts with', backend)
    return new Regressor(columns, outputs, theta, { backend, model })
  }
}
