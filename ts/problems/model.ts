import type { Backend } from '../backend/backend.ts'
import type { Predictor } from '../backend/binding.ts'
import { type Check, checkOptions, flag, oneOf, refuse, settingsJson, size } from '../backend/check.ts'
import type { ModelSettings } from '../backend/settings.ts'

const classes = size(2)

/** What θ is: the settings of a model for the engine. */
export type Model = ModelSettings

/** A model that predicts. */
export function predictor(backend: Backend, model: Model): Predictor {
  return new backend.Predictor(settingsJson(model), backend.info().threads)
}

/**
 * Softmax regression: scores W̄ᵀa, cross-entropy loss. θ is W̄, (features + bias) × classes, row-major, the bias last.
 *
 * @throws NhgdError `ERR_RANGE` for fewer than two classes.
 */
export function softmaxRegression(options: { classes: number; bias?: boolean }): Model {
  return { kind: 'softmax', bias: true, ...checkOptions(options, { classes, bias: flag }, ['classes']) }
}

/**
 * Linear regression: outputs W̄ᵀa, loss ½‖z − y‖² with continuous targets y. θ is W̄, (features + bias) × outputs,
 * row-major, the bias last.
 *
 * @throws NhgdError `ERR_RANGE` for less than one output.
 */
export function linearRegression(options: { outputs?: number; bias?: boolean } = {}): Model {
  return {
    kind: 'linear',
    outputs: 1,
    bias: true,
    ...checkOptions(options, { outputs: size(1), bias: flag }),
  }
}

/** Logistic regression: one score z = w̄ᵀa for the class 1 against 0. θ is w̄, features + bias, the bias last. */
export function logisticRegression(options: { bias?: boolean } = {}): Model {
  return { kind: 'logistic', bias: true, ...checkOptions(options, { bias: flag }) }
}

export interface PerceptronOptions {
  readonly classes: number
  /** Units of each hidden layer. */
  readonly hidden: readonly number[]
  readonly activation?: 'relu' | 'tanh' | 'gelu'
  /** Softmax cross-entropy, or ½‖z − e_y‖² against the label's unit vector. */
  readonly loss?: 'crossEntropy' | 'squared'
}

/** Units of each hidden layer. */
export const hiddenCheck: Check<number[]> = (name, value) =>
  Array.isArray(value)
    ? value.map((units, i) => size(1)(`${name}[${i}]`, units))
    : refuse(name, 'an array', value)

const perceptron = {
  classes,
  hidden: hiddenCheck,
  activation: oneOf('relu', 'tanh', 'gelu'),
  loss: oneOf('crossEntropy', 'squared'),
}

/**
 * A multilayer perceptron of any depth. θ is the layers' W̄ one after the other, each (inputs + 1) × outputs, row-major,
 * the bias last.
 *
 * @throws NhgdError `ERR_RANGE` for fewer than two classes or a layer without units.
 */
export function multilayerPerceptron(options: PerceptronOptions): Model {
  const given = checkOptions(options, perceptron, ['classes', 'hidden'])
  return { kind: 'mlp', activation: 'relu', loss: 'crossEntropy', ...given }
}
