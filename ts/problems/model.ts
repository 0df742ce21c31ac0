import { NhgdError } from '../backend/errors.ts'

/** What θ is, as the engine is told. */
export interface Model {
  readonly kind: string
  readonly classes: number
  readonly [setting: string]: unknown
}

/**
 * Softmax regression: scores W̄ᵀa, cross-entropy loss. θ is W̄, (features + bias) × classes, row-major, the bias last.
 *
 * @throws NhgdError `ERR_RANGE` for fewer than two classes.
 */
export function softmaxRegression({ classes, bias = true }: { classes: number; bias?: boolean }): Model {
  if (Number.isInteger(classes) && classes >= 2) return { kind: 'softmax', classes, bias }
  throw new NhgdError('ERR_RANGE', `"classes" expected a whole number from 2, got ${classes}`)
}

export interface PerceptronOptions {
  readonly classes: number
  /** Units of each hidden layer. */
  readonly hidden: readonly number[]
  readonly activation?: 'relu' | 'tanh' | 'gelu'
  /** Softmax cross-entropy, or ½‖z − e_y‖² against the label's unit vector. */
  readonly loss?: 'crossEntropy' | 'squared'
}

/**
 * A multilayer perceptron of any depth. θ is the layers' W̄ one after the other, each (inputs + 1) × outputs, row-major,
 * the bias last.
 *
 * @throws NhgdError `ERR_RANGE` for fewer than two classes or a layer without units.
 */
export function multilayerPerceptron(options: PerceptronOptions): Model {
  const { classes, hidden, activation = 'relu', loss = 'crossEntropy' } = options
  const sizes = {
    classes: [classes, 2],
    ...Object.fromEntries(hidden.map((n, i) => [`hidden[${i}]`, [n, 1]])),
  }
  for (const [name, [size, least]] of Object.entries(sizes)) {
    if (Number.isInteger(size) && size >= least) continue
    throw new NhgdError('ERR_RANGE', `"${name}" expected a whole number from ${least}, got ${size}`)
  }
  return { kind: 'mlp', classes, hidden: [...hidden], activation, loss }
}
