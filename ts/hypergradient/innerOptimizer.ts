import type { Backend } from '../backend/backend.ts'
import { type Check, number, oneOf, positive, present, shape } from '../backend/check.ts'
import { LevenbergMarquardt, type LevenbergMarquardtSettings } from './levenbergMarquardt.ts'
import { type OptimizerSettings, optimizer, optimizerSettings, type Stepper } from './optimizer.ts'

/** What moves θ: a rule that looks at the gradient alone, or Levenberg–Marquardt. */
export type InnerOptimizerSettings = OptimizerSettings | LevenbergMarquardtSettings

const levenbergMarquardt = shape<LevenbergMarquardtSettings>(
  { kind: oneOf('levenbergMarquardt'), damping: positive(), tolerance: number(0) },
  ['kind'],
)

/** Checks {@link InnerOptimizerSettings}. */
export const innerOptimizerSettings: Check<InnerOptimizerSettings> = (name, value) =>
  present(name, value).kind === 'levenbergMarquardt'
    ? levenbergMarquardt(name, value)
    : optimizerSettings(name, value)

/** An inner optimiser that has taken no step yet. */
export function innerOptimizer(backend: Backend, settings: InnerOptimizerSettings): Stepper {
  return settings.kind === 'levenbergMarquardt'
    ? new LevenbergMarquardt(backend, settings)
    : optimizer(backend, settings)
}
