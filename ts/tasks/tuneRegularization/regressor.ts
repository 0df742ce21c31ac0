import { oneOf } from '../../backend/check.ts'
import { NhgdError } from '../../backend/errors.ts'
import type { Matrix } from '../../backend/matrix.ts'
import { type ModelFormat, openModel, writeModel } from '../modelFile.ts'

/** A trained linear regression. */
export class Regressor {
  readonly columns: number
  readonly outputs: number
  /** (columns + 1) × outputs, row-major, the intercepts last. */
  readonly theta: Float64Array

  constructor(columns: number, outputs: number, theta: Float64Array) {
    this.columns = columns
    this.outputs = outputs
    this.theta = theta
  }

  /** Predictions, rows × outputs. `ERR_SHAPE` where the columns aren't the training set's. */
  predict({ data, rows, columns, scale = 1 }: Matrix): Float64Array {
    if (columns !== this.columns) {
      throw new NhgdError('ERR_SHAPE', `"features" expected ${this.columns} columns, got ${columns}`)
    }
    const { outputs, theta } = this
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

  /** The model as a file: `coefficients`, (columns + 1) × outputs, and the names of columns where they are given. */
  save({ format = 'npz', columns }: { format?: ModelFormat; columns?: readonly string[] } = {}): Uint8Array {
    oneOf('npz', 'safetensors')('format', format)
    const shape = [this.columns + 1, this.outputs]
    return writeModel(format, { coefficients: { data: this.theta, shape } }, { columns })
  }

  /** Reads what {@link Regressor.save} wrote, in either format (`ERR_CHECKPOINT` where it isn't that). */
  static load(bytes: Uint8Array, name = 'file'): Regressor {
    const saved = openModel(bytes, name).tensors.coefficients
    if (saved?.shape.length !== 2 || !(saved.data instanceof Float64Array)) {
      throw new NhgdError('ERR_CHECKPOINT', '"coefficients" expected a float64 matrix, got none')
    }
    const [inputs, outputs] = saved.shape
    return new Regressor(inputs - 1, outputs, saved.data)
  }
}
