import type { Backend } from '../backend/backend.ts'
import type { Vector } from '../backend/binding.ts'
import { settingsJson } from '../backend/check.ts'

/** A step size or another setting, or one for each step 0, 1, 2, … */
export type Rate = number | ((step: number) => number)

/** The rate of step 0, 1, 2, … */
export function rateAt(rate: Rate, step: number): number {
  return typeof rate === 'number' ? rate : rate(step)
}

/** An optimiser and its step size. */
export type OptimizerSettings =
  | { readonly kind: 'sgd'; readonly rate: Rate }
  | { readonly kind: 'momentum'; readonly rate: Rate; readonly momentum?: number }
  | {
      readonly kind: 'adam'
      readonly rate: Rate
      readonly beta1?: number
      readonly beta2?: number
      readonly epsilon?: number
      /** One second moment, the mean square, for the whole vector: Adam that keeps the gradient's direction. */
      readonly shared?: boolean
    }

/** Takes steps with its own step size and moments. */
export interface Stepper {
  step(x: Vector, gradient: Vector): void
}

const defaults = {
  sgd: {},
  momentum: { momentum: 0.9 },
  adam: { beta1: 0.9, beta2: 0.999, epsilon: 1e-12, shared: false },
}

/** Stays where it is. */
const still: Stepper = { step() {} }

export function optimizer(
  backend: Backend,
  { rate, ...settings }: OptimizerSettings,
  frozen = false,
): Stepper {
  if (frozen) return still
  const rule = new backend.Optimizer(settingsJson({ ...defaults[settings.kind], ...settings }))
  let steps = 0
  return {
    step(x, gradient) {
      rule.step(x, gradient, rateAt(rate, steps))
      steps++
    },
  }
}
