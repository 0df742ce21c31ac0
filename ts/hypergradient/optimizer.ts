import type { Backend } from '../backend/backend.ts'
import type { Vector } from '../backend/binding.ts'
import {
  type Check,
  flag,
  fraction,
  number,
  oneOf,
  perStep,
  present,
  settingsJson,
  shape,
} from '../backend/check.ts'
import { optimizers } from '../defaults.ts'

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
      /** Keeps one second moment, the mean square, for the whole vector: Adam that keeps the gradient's direction. */
      readonly shared?: boolean
    }

const rate = perStep(number(0))
const kinds = {
  sgd: { rate },
  momentum: { rate, momentum: fraction },
  adam: { rate, beta1: fraction, beta2: fraction, epsilon: number(0), shared: flag },
}

/** Checks {@link OptimizerSettings}. */
export const optimizerSettings: Check<OptimizerSettings> = (name, value) => {
  const kind = oneOf('sgd', 'momentum', 'adam')(`${name}.kind`, present(name, value).kind)
  return shape<Record<string, unknown>>({ kind: oneOf(kind), ...kinds[kind] }, ['kind', 'rate'])(
    name,
    value,
  ) as OptimizerSettings
}

/** Takes steps with its own step size and moments. */
export interface Stepper {
  step(x: Vector, gradient: Vector): void
}

/** Stays where it is. */
const still: Stepper = { step() {} }

export function optimizer(
  backend: Backend,
  { rate, ...settings }: OptimizerSettings,
  frozen = false,
): Stepper {
  if (frozen) return still
  const rule = new backend.Optimizer(settingsJson({ ...optimizers[settings.kind], ...settings }))
  let steps = 0
  return {
    step(x, gradient) {
      rule.step(x, gradient, rateAt(rate, steps))
      steps++
    },
  }
}
