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
