import type { Backend } from '../backend/backend.ts'
import type { Batch, Optimizer, Point, Step, Vector } from '../backend/binding.ts'
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
import type { OptimizerRule } from '../backend/settings.ts'
import { optimizers } from '../defaults.ts'
import type { AnyOracles, AnyProblem } from '../problems/problem.ts'

/** A number such as a step size, or a function that gives the number of each step 0, 1, 2, … */
export type Rate = number | ((step: number) => number)

/** The rate of step 0, 1, 2, … */
export function rateAt(rate: Rate, step: number): number {
  return typeof rate === 'number' ? rate : rate(step)
}

/** An optimiser and its step size; other settings have the defaults of ts/defaults.ts. */
export type OptimizerSettings = WithRate<OptimizerRule>

/** A rule with its step size in place of a bare number. */
export type WithRate<Rule> = Rule extends { kind: infer Kind }
  ? { readonly kind: Kind; readonly rate: Rate } & Readonly<Partial<Omit<Rule, 'kind'>>>
  : never

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

/** An optimiser of the backend with a step size or a schedule of step sizes. */
export class Stepper {
  /** Whether steps leave the variable as it is; the moments are updated all the same. */
  frozen = false
  /** Factor on every step size. */
  factor = 1
  readonly #rule: Optimizer
  readonly #rate: Rate
  #steps = 0

  constructor(rule: Optimizer, rate: Rate) {
    this.#rule = rule
    this.#rate = rate
  }

  /** Takes a step from x along its gradient, in place. */
  step(x: Vector, gradient: Vector): void {
    this.#rule.step(x, gradient, this.frozen ? 0 : this.factor * rateAt(this.#rate, this.#steps))
    this.#steps++
  }

  /** Takes the gradient of an inner step, where nobody else wants something of it; returns g on the batch. */
  take(oracles: AnyOracles, point: Point, batch: Batch, step: Step): number | Promise<number> {
    return oracles.innerStep(point, batch, step)
  }

  /** Takes the inner step: moves θ from where `step` has its gradient, and g is `loss` on its batch. Returns false where
   * it found that another one from there, on the same batch, would not move θ either. */
  advance(_problem: AnyProblem, point: Point, step: Step, _loss: number): boolean | Promise<boolean> {
    this.step(point.inner, step.gradient)
    return true
  }

  /** direction ← (∂step/∂gradient)ᵀ target, the derivative of the last step, which was taken along `gradient`. */
  adaptation(gradient: Vector, target: Vector, direction: Vector): void {
    this.#rule.adaptation(gradient, target, this.factor * rateAt(this.#rate, this.#steps - 1), direction)
  }

  save(): Uint8Array {
    return this.#rule.save()
  }

  restore(bytes: Uint8Array): void {
    this.#rule.restore(bytes)
    this.#steps = this.#rule.steps
  }

  dispose(): void {
    this.#rule.dispose()
  }
}

/** An optimiser that has taken no step yet. */
export function optimizer(backend: Backend, { rate, ...settings }: OptimizerSettings): Stepper {
  const rule = new backend.Optimizer(settingsJson({ ...optimizers[settings.kind], ...settings }))
  return new Stepper(rule, rate)
}
