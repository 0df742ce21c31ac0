import * as defaults from '../../defaults.ts'
import type { Folds } from './folds.ts'
import { lbfgs } from './lbfgs.ts'
import { type Evaluated, objective, type PenaltyShape } from './objective.ts'

const { outer, prior, few } = defaults.tuneRegularization

/** A penalty that was tried. */
export interface Trial {
  readonly shape: PenaltyShape
  readonly v: Float64Array
  readonly at: Evaluated
}

/** The best of some v, each tried from the same θ and roughly. */
export async function bestOf(
  folds: Folds,
  shape: PenaltyShape,
  starts: readonly Float64Array[],
  candidates: readonly Float64Array[],
): Promise<Trial> {
  const evaluate = objective(folds, shape, starts)
  let best: Trial | undefined
  for (const v of candidates) {
    const at = await evaluate(v, false)
    if (!best || at.value < best.at.value) best = { shape, v, at }
  }
  return best as Trial
}

/**
 * Follows the hypergradient from a trial. Where there are many strengths, a prior holds them near those of the start.
 * `onTrial` sees the start and each accepted step.
 */
export async function follow(
  folds: Folds,
  { shape, v: start, at: { thetas } }: Trial,
  { steps = outer.steps, onTrial }: { steps?: number; onTrial: (trial: Trial) => Promise<void> },
): Promise<void> {
  const evaluate = objective(folds, shape, thetas)
  const precision = shape.strengths > few ? prior : 0
  const regularized = async (v: Float64Array) => {
    const at = await evaluate(v)
    const pull = v.map((x, k) => (k < shape.strengths ? precision * (x - start[k]) : 0))
    const extra = 0.5 * pull.reduce((sum, x, k) => sum + x * (v[k] - start[k]), 0)
    return {
      ...at,
      value: at.value + extra,
      gradient: at.gradient.map((g, k) => g + pull[k]),
      loss: at.value,
    }
  }
  await lbfgs(start, regularized, {
    ...outer,
    steps,
    async onStep(v, at) {
      const { loss, ...rest } = at as Awaited<ReturnType<typeof regularized>>
      await onTrial({ shape, v, at: { ...rest, value: loss } })
      return false
    },
  })
}
