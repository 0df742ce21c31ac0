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

/** Candidates that were tried, in their order, and the best of them. */
export interface Tried {
  readonly all: readonly Trial[]
  readonly best: Trial
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
): Promise<Tried> {
  const all: Trial[] = []
  let best: Trial | undefined
  let [from, worse] = [starts, 0]
  for (const v of candidates) {
    const at = await objective(folds, shape, from)(v, false)
    all.push({ shape, v, at })
    worse = best && !(at.value < best.at.value) ? worse + 1 : 0
    if (worse === 0) best = all.at(-1)
    if (worse === enough) break
    if (folds.isConvex && penaltyAt(shape, v).power >= 1) from = at.thetas
  }
  return { all, best: best as Trial }
}

/**
 * Follows the one strength of a shape, at the exponent of a grid, to where the folds like it best. What comes after starts
 * there, wherever the grid lay. The parabola through the best of the grid and its neighbours says where to begin.
 */
async function refined(folds: Folds, { all, best }: Tried): Promise<Trial> {
  const at = all.indexOf(best)
  const [left, right] = [all[at - 1], all[at + 1]]
  const [v, trials] = [best.v.slice(), [] as Trial[]]
  let curvature: number | undefined
  if (left && right) {
    const [a, b] = [left, right].map((side) => {
      const distance = side.v[0] - best.v[0]
      return { distance, slope: (side.at.value - best.at.value) / distance }
    })
    const bend = (2 * (b.slope - a.slope)) / (b.distance - a.distance)
    if (bend > 0) {
      curvature = bend
      v[0] -= (a.slope - (bend / 2) * a.distance) / bend
    }
  }
  await follow(
    folds,
    { ...best, v },
    {
      onTrial: async (next) => void trials.push(next),
      isFixed: true,
      curvature,
    },
  )
  return least(trials)
}

const least = (trials: readonly Trial[]) =>
  trials.reduce((best, next) => (next.at.value < best.at.value ? next : best))

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
  { data, folds, foldRows, shapes, start }: Setup,
  { shift = 1, theta = () => 0 }: Moved = {},
): Promise<Start> {
  const thetas = foldRows.map(() => start.map((x) => x + theta()))
  const shared = (shape: PenaltyShape, q: number) =>
    strengthsAt(data, q).map((strength) => sharedStrength(shape, shift * strength, q))
  const tried = await bestOf(folds.ridge, shapes.ridge, thetas, shared(shapes.ridge, 2))
  const weak = sharedStrength(shapes.ridge, 1e-6, 2)
  const none = (await bestOf(folds.ridge, shapes.ridge, tried.best.at.thetas, [weak])).best
  const { power } = shapes.tuned
  if (power === 2) return { ridge: tried.best, none, way: [tried.best], found: tried.best }
  // With several strengths the search would tell them apart: what is compared has one.
  const isOne = shapes.ridge.strengths === 1
  const ridge = isOne ? least([tried.best, await refined(folds.ridge, tried)]) : tried.best
  const way = [ridge]
  for (const q of power === 'learned' ? grid.powers : [power]) {
    const last = way.at(-1) as Trial
    // A smaller exponent begins where it pulls coefficients of the usual size as the one before did.
    const equal = Math.exp(last.v[0]) * grid.size ** (penaltyAt(last.shape, last.v).power - q)
    const candidates =
      isOne && last !== ridge ? [sharedStrength(shapes.tuned, equal, q)] : shared(shapes.tuned, q)
    const next = await bestOf(folds.tuned, shapes.tuned, last.at.thetas, candidates)
    const isBetter = isPromising(next.best, ridge)
    const refines = isOne && isBetter && power === 'learned' && candidates.length > 1
    way.push(refines ? await refined(folds.tuned, next) : next.best)
    // Where an exponent is no better than ridge, smaller ones are not either.
    if (!isBetter) break
  }
  const found = least(way.slice(1))
  return { ridge, none, way, found }
}

/** Whether the folds prefer one penalty to another. */
export const isPromising = (found: Trial, ridge: Trial) => found.at.value < ridge.at.value

export interface FollowOptions {
  /** Sees the start and each accepted step. */
  readonly onTrial: (trial: Trial) => Promise<void>
  /** Whether the exponent stays as it is. */
  readonly isFixed?: boolean
  /** About the second derivative along each entry of v. */
  readonly curvature?: number
}

/** Follows the hypergradient from a trial. Where there are many strengths, a prior holds them near those of the start. */
export async function follow(
  folds: Folds,
  { shape, v: start, at: { thetas } }: Trial,
  { onTrial, isFixed = false, curvature }: FollowOptions,
): Promise<void> {
  const evaluate = objective(folds, shape, thetas)
  const precision = shape.strengths > few ? prior : 0
  const regularized = async (v: Float64Array, wanted: (value: number) => boolean) => {
    const pull = v.map((x, k) => (k < shape.strengths ? precision * (x - start[k]) : 0))
    const extra = 0.5 * pull.reduce((sum, x, k) => sum + x * (v[k] - start[k]), 0)
    const at = await evaluate(v, (value) => wanted(value + extra))
    return {
      ...at,
      value: at.value + extra,
      gradient: at.gradient.map((g, k) => (isFixed && k === shape.strengths ? 0 : g + pull[k])),
      loss: at.value,
    }
  }
  await lbfgs(start, regularized, {
    ...outer,
    curvature,
    async onStep(v, at) {
      const { loss, ...rest } = at as Awaited<ReturnType<typeof regularized>>
      await onTrial({ shape, v, at: { ...rest, value: loss } })
      return false
    },
  })
}
