import * as defaults from '../../defaults.ts'
import type { Folds } from './folds.ts'
import { sharedStrength, strengthsAt } from './grid.ts'
import { lbfgs } from './lbfgs.ts'
import { type Evaluated, objective, type PenaltyShape, penaltyAt } from './objective.ts'
import type { Prepared } from './prepare.ts'
import type { Setup } from './setup.ts'

const { grid, scan, refinements, outer, prior, few, enough } = defaults.tuneRegularization

/** A penalty that was tried. */
export interface Trial {
  readonly shape: PenaltyShape
  readonly v: Float64Array
  readonly at: Evaluated
  /** Whose θ this one started from, where others may lead to other minima. */
  readonly before?: Trial | undefined
}

/** Candidates that were tried, the strongest penalty first, and the best of them. */
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
  before?: Trial,
): Promise<Tried> {
  const all: Trial[] = []
  let best: Trial | undefined
  let worse = 0
  const evaluate = objective(folds, shape, starts)
  for (const v of candidates) {
    const isConvex = folds.isConvex && penaltyAt(shape, v).power >= 1
    const at = await evaluate(v, false, isConvex ? all.at(-1)?.at.thetas : undefined)
    all.push({ shape, v, at, before: isConvex ? undefined : before })
    worse = best && !(at.value < best.at.value) ? worse + 1 : 0
    if (worse === 0) best = all.at(-1)
    if (worse === enough) break
  }
  return { all, best: best as Trial }
}

/**
 * Moves the one strength of a shape, at the exponent of a grid, to about where the folds like it best, by parabolas through
 * the best so far and its neighbours. What comes after starts there, wherever the grid lay.
 */
async function refined(folds: Folds, { all: grid, best: first }: Tried): Promise<Trial> {
  const all = grid.slice()
  let best = first
  for (let round = 0; round < refinements.rounds; round++) {
    const at = all.indexOf(best)
    const step = vertex(all[at - 1], best, all[at + 1])
    if (!(Math.abs(step) > refinements.least)) break
    const v = best.v.slice()
    v[0] += step
    const next = { ...best, v, at: await objective(folds, best.shape, best.at.thetas)(v, false) }
    all.splice(step > 0 ? at : at + 1, 0, next)
    if (next.at.value < best.at.value) best = next
  }
  return best
}

/** From the best strength to the least of the parabola through it and its neighbours, or as far again beyond the last. */
function vertex(stronger: Trial | undefined, best: Trial, weaker: Trial | undefined): number {
  if (!stronger || !weaker) {
    const neighbour = stronger ?? weaker
    return neighbour ? best.v[0] - neighbour.v[0] : 0
  }
  const [a, b] = [stronger, weaker].map((side) => {
    const distance = side.v[0] - best.v[0]
    return { distance, slope: (side.at.value - best.at.value) / distance }
  })
  const bend = (b.slope - a.slope) / (b.distance - a.distance)
  return bend > 0 ? (bend * a.distance - a.slope) / (2 * bend) : 0
}

const least = (trials: readonly Trial[]) =>
  trials.reduce((best, next) => (next.at.value < best.at.value ? next : best))

/** What a search starts from. */
export interface Start {
  /** The best ridge penalty, and next to none, one of 10⁻⁶. */
  readonly ridge: Trial
  readonly none: Trial
  /** The best of the penalty that is tuned. */
  readonly found: Trial
}

/** What moves a start: a factor of all strengths of the grid, 1 by default, and numbers for θ, 0 by default. */
export interface Moved {
  readonly shift?: number
  readonly theta?: () => number
}

/**
 * The best of a grid of shared strengths for each exponent: ridge, then smaller ones. Where θ has one minimum, it goes on
 * from the exponent before. Below 1 there are several, and θ starts from 0 under the strongest penalty.
 */
export async function findStart(
  { data, folds, foldRows, shapes, start }: Setup,
  { shift = 1, theta = () => 0 }: Moved = {},
): Promise<Start> {
  const thetas = foldRows.map(() => start.map((x) => x + theta()))
  const shared = (shape: PenaltyShape, q: number) =>
    strengthsAt(data, q).map((strength) => sharedStrength(shape, shift * strength, q))
  // With several strengths the search would tell them apart: what is compared has one.
  const isOne = shapes.ridge.strengths === 1 && folds.ridge.isConvex
  const tried = await bestOf(folds.ridge, shapes.ridge, thetas, shared(shapes.ridge, 2))
  const weak = sharedStrength(shapes.ridge, 1e-6, 2)
  const none = (await bestOf(folds.ridge, shapes.ridge, tried.best.at.thetas, [weak])).best
  const { power } = shapes.tuned
  const ridge = isOne && power !== 2 ? await refined(folds.ridge, tried) : tried.best
  if (power === 2) return { ridge, none, found: ridge }
  const bests: Trial[] = []
  let from = ridge
  for (const q of power === 'learned' ? grid.powers : [power]) {
    const isNear = isOne && from !== ridge
    const candidates = isNear ? nearby(from, q) : shared(shapes.tuned, q)
    const next = await bestOf(folds.tuned, shapes.tuned, from.at.thetas, candidates, from)
    const isBetter = isPromising(next.best, ridge)
    // Where an exponent is no better than ridge, smaller ones are not either.
    const settles = isOne && isBetter && q >= 1 && power === 'learned'
    bests.push(settles ? await onSteps(data, folds.tuned, next.best) : next.best)
    if (!isBetter) break
    if (settles) from = bests.at(-1) as Trial
  }
  return { ridge, none, found: least(bests) }
}

/**
 * The best of strengths whose logarithms are whole steps from the scale of the data, so that what starts there does not
 * depend on where a grid lay.
 */
async function onSteps(data: Prepared, folds: Folds, { shape, v, at }: Trial): Promise<Trial> {
  const evaluate = objective(folds, shape, at.thetas)
  const tried = new Map<number, Trial>()
  const place = (k: number) => {
    const own = v.slice()
    own[0] = Math.log(data.scale) + k * scan.step
    return own
  }
  const loss = async (k: number) => {
    const own = tried.get(k) ?? { shape, v: place(k), at: await evaluate(place(k), false) }
    tried.set(k, own)
    return own.at.value
  }
  let k = Math.round((v[0] - Math.log(data.scale)) / scan.step)
  for (let round = 0; round < scan.rounds; round++) {
    const [weaker, here, stronger] = [await loss(k - 1), await loss(k), await loss(k + 1)]
    if (here <= Math.min(weaker, stronger)) break
    k += weaker < stronger ? -1 : 1
  }
  const best = least([...tried.values()])
  return { ...best, at: await objective(folds, shape, best.at.thetas)(best.v, (_, rough) => rough) }
}

/** Strengths of another exponent that pull coefficients of the usual size about as much as a penalty does. */
function nearby({ shape, v }: Trial, q: number): Float64Array[] {
  const equal = v[0] + Math.log(scan.size) * (penaltyAt(shape, v).power - q)
  return scan.steps.map((k) => sharedStrength(shape, Math.exp(equal + k * scan.step), q))
}

/** Whether the folds prefer one penalty to another. */
export const isPromising = (found: Trial, ridge: Trial) => found.at.value < ridge.at.value

/**
 * Follows the hypergradient from a trial. Each θ goes on from that of the last step, but for networks. Where there are many
 * strengths, a prior holds them near those of the start. `onTrial` sees the start and each accepted step.
 */
export async function follow(
  folds: Folds,
  first: Trial,
  onTrial: (trial: Trial) => Promise<void>,
): Promise<void> {
  const { shape, v: start } = first
  let last: Trial = first
  const evaluate = objective(folds, shape, first.at.thetas)
  const precision = shape.strengths > few ? prior : 0
  const regularized = async (v: Float64Array, wanted: (value: number) => boolean) => {
    const pull = v.map((x, k) => (k < shape.strengths ? precision * (x - start[k]) : 0))
    const extra = 0.5 * pull.reduce((sum, x, k) => sum + x * (v[k] - start[k]), 0)
    const from = folds.isConvex ? last.at.thetas : undefined
    const at = await evaluate(v, (value) => wanted(value + extra), from)
    return {
      ...at,
      value: at.value + extra,
      gradient: at.gradient.map((g, k) => g + pull[k]),
      loss: at.value,
    }
  }
  await lbfgs(start, regularized, {
    ...outer,
    async onStep(v, at) {
      const { loss, ...rest } = at as Awaited<ReturnType<typeof regularized>>
      const before = folds.isConvex && penaltyAt(shape, v).power < 1 ? last : undefined
      last = { shape, v, at: { ...rest, value: loss }, before }
      await onTrial(last)
      return false
    },
  })
}

/** What a trial came from, the first one first, and the trial. */
export const wayTo = (trial: Trial): readonly Trial[] =>
  trial.before ? [...wayTo(trial.before), trial] : [trial]
