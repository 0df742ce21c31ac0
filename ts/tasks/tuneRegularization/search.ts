import * as defaults from '../../defaults.ts'
import type { Folds } from './folds.ts'
import { sharedStrength, strengthsAt } from './grid.ts'
import { lbfgs } from './lbfgs.ts'
import { type Evaluated, objective, type PenaltyShape, penaltyAt } from './objective.ts'
import type { Setup } from './setup.ts'

const { grid, outer, prior, few, enough } = defaults.tuneRegularization

/** A penalty that was tried. */
export interface Trial {
  readonly shape: PenaltyShape
  readonly v: Float64Array
  readonly at: Evaluated
}

/**
 * The best of some v, roughly, the strongest penalty first. Where g is convex, each θ starts from that of the one before,
 * and else from `starts`, since others may lead to other minima. After `enough` that are worse in a row, the rest is left.
 */
export async function bestOf(
  folds: Folds,
  shape: PenaltyShape,
  starts: readonly Float64Array[],
  candidates: readonly Float64Array[],
): Promise<Trial> {
  let best: Trial | undefined
  let [from, worse] = [starts, 0]
  for (const v of candidates) {
    const at = await objective(folds, shape, from)(v, false)
    worse = best && !(at.value < best.at.value) ? worse + 1 : 0
    if (worse === 0) best = { shape, v, at }
    if (worse === enough) break
    if (penaltyAt(shape, v).power >= 1) from = at.thetas
  }
  return best as Trial
}

/** What a search starts from. */
export interface Start {
  /** The best ridge penalty, and next to none, one of 10⁻⁶. */
  readonly ridge: Trial
  readonly none: Trial
  /** The best of each exponent, in the order in which θ goes from one to the next: ridge, then smaller ones. */
  readonly way: readonly Trial[]
  /** The best of the penalty that is tuned. */
  readonly found: Trial
}

/** What moves a start: a factor of all strengths of the grid, 1 by default, and numbers for θ, 0 by default. */
export interface Moved {
  readonly shift?: number
  readonly theta?: () => number
}

/**
 * The best of a grid of shared strengths for each exponent. The solutions of a more convex penalty are where the next
 * starts from, so that f depends on v alone.
 */
export async function findStart(
  { data, folds, foldRows, shapes, zeros }: Setup,
  { shift = 1, theta = () => 0 }: Moved = {},
): Promise<Start> {
  const thetas = foldRows.map(() => zeros.map(theta))
  const shared = (shape: PenaltyShape, q: number) =>
    strengthsAt(data, q).map((strength) => sharedStrength(shape, shift * strength, q))
  let ridge = await bestOf(folds.ridge, shapes.ridge, thetas, shared(shapes.ridge, 2))
  const weak = sharedStrength(shapes.ridge, 1e-6, 2)
  const none = await bestOf(folds.ridge, shapes.ridge, ridge.at.thetas, [weak])
  // With several strengths the search would tell them apart: what is compared has one.
  if (shapes.ridge.strengths === 1) {
    await follow(folds.ridge, ridge, {
      async onTrial(next) {
        if (next.at.value < ridge.at.value) ridge = next
      },
    })
  }
  const way = [ridge]
  const { power } = shapes.tuned
  for (const q of power === 'learned' ? grid.powers : [power]) {
    const { thetas } = (way.at(-1) as Trial).at
    way.push(await bestOf(folds.tuned, shapes.tuned, thetas, shared(shapes.tuned, q)))
    // Where an exponent is no better than ridge, smaller ones are not either.
    if (!isPromising(way.at(-1) as Trial, ridge)) break
  }
  const found = way.slice(1).reduce((best, next) => (next.at.value < best.at.value ? next : best))
  return { ridge, none, way, found }
}

/** Whether the folds prefer one penalty to another. */
export const isPromising = (found: Trial, ridge: Trial) => found.at.value < ridge.at.value

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
