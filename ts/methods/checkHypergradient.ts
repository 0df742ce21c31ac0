import type { Point, Vector } from '../backend/binding.ts'
import { checkOptions, numbers, seedCheck, shape, something, whole } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { Breather } from '../hypergradient/clock.ts'
import { refine } from '../hypergradient/refine.ts'
import type { Problem } from '../problems/problem.ts'
import type { Method } from './method.ts'

export interface CheckOptions {
  readonly method: Method
  /** v to check at, and θ to start the inner solve from; the problem's own start where absent. */
  readonly at?: { readonly inner?: ArrayLike<number>; readonly outer?: ArrayLike<number> }
  /** Random directions, 8 by default. */
  readonly directions?: number
  /** Estimates at the point, of which the last counts: methods that start warm get better. 20 by default. */
  readonly iterations?: number
  readonly seed?: number
}

const checks = {
  method: something,
  at: shape({ inner: numbers, outer: numbers }),
  directions: whole(1),
  iterations: whole(1),
  seed: seedCheck,
}

export interface CheckResult {
  /** Between estimated and true derivatives along the directions. */
  readonly cosine: number
  /** Norm of the estimated over that of the true ones. */
  readonly ratio: number
  /** Largest difference over the largest true one. */
  readonly worst: number
  /** Derivatives of Φ along the directions, by the method and by differences. */
  readonly estimated: readonly number[]
  readonly differences: readonly number[]
  /** Of the method's linear solve. */
  readonly residual?: number
  /** ‖∇_θ g‖ at the θ* that was checked at. */
  readonly innerGradient: number
  /** In words. */
  readonly verdict: string
}

/**
 * Holds a method's hypergradient against differences of the value function Φ(v) = f(v, θ*(v)), the inner problem solved
 * anew on either side: the first thing to run on a new problem. θ* is found by Newton's method over all samples, which
 * is dear; check a small version of the problem. Directions have entries ±1.
 *
 * @throws NhgdError `ERR_DTYPE` unless the problem is of f64: differences need the digits.
 */
export async function checkHypergradient(problem: Problem, options: CheckOptions): Promise<CheckResult> {
  const {
    method,
    at = {},
    directions = 8,
    iterations = 20,
    seed = 0,
  } = checkOptions(options, checks, ['method'])
  if (problem.dtype !== 'f64') throw new NhgdError('ERR_DTYPE', '"problem" expected dtype f64, got f32')
  const point = problem.start(seed, at)
  const { outer } = point
  const innerGradient = await settle(problem, point)

  const state = method.init(problem, point, seed)
  state.optimizer.frozen = true
  let estimate = await method.step(problem, point, state)
  for (let k = 1; k < iterations; k++) estimate = await method.step(problem, point, state)

  const random = new problem.backend.Sampler(seed, 1)
  const [estimated, differences]: number[][] = [[], []]
  for (let j = 0; j < directions; j++) {
    const signs = Float64Array.from({ length: outer.length }, () => 2 * (random.seed() % 2) - 1)
    const direction = problem.vector(signs)
    estimated.push(estimate.hypergradient.dot(direction))
    differences.push(await difference(problem, point, direction))
  }
  const { residual } = estimate
  const measures = compare(estimated, differences)
  const verdict = inWords(measures, residual, innerGradient)
  return { ...measures, estimated, differences, residual, innerGradient, verdict }
}

/** Solves again as long as what the problem derives from θ (margins) moves θ*. */
async function settle(problem: Problem, point: Point): Promise<number> {
  let norm = Number.POSITIVE_INFINITY
  for (let round = 0; round < 200 && norm > converged; round++) {
    await minimise(problem, point)
    problem.oracles.refresh(point)
    norm = innerNorm(problem, point)
  }
  return norm
}

/** ‖∇_θ g‖ at which θ counts as θ*. */
const converged = 1e-9

/** Newton's method with conjugate gradients and backtracking on g, in place. */
async function minimise(problem: Problem, point: Point): Promise<void> {
  const { backend, oracles } = problem
  const { inner } = point
  const batch = backend.Batch.all(oracles.samples)
  const [gradient, direction, trial] = [inner, inner, inner].map((x) => problem.zeros(x.length))
  const onTrial = point.at(trial)
  const identity = async (b: Vector, x: Vector) => x.copyFrom(b)
  const breather = new Breather()
  for (let step = 0; step < 200; step++) {
    const loss = oracles.innerGradient(point, batch, gradient)
    const norm = Math.sqrt(gradient.dot(gradient))
    if (norm <= converged / 100) break
    direction.fill(0)
    const tolerance = Math.min(0.1, norm)
    const system = { problem, point, batch, target: gradient, damping: 0, tolerance }
    await refine(system, identity, direction, 2 * inner.length)
    const slope = gradient.dot(direction)
    let size = 1
    for (; size > 1e-8; size /= 2) {
      trial.copyFrom(inner)
      trial.axpy(-size, direction)
      if (oracles.innerLoss(onTrial) <= loss - 1e-4 * size * slope) break
    }
    // Below the rounding of g the loss tells nothing any more, but the step still does.
    if (size <= 1e-8) {
      trial.copyFrom(inner)
      trial.axpy(-1, direction)
      if (innerNorm(problem, onTrial) >= norm) break
    }
    inner.copyFrom(trial)
    await breather.due()
  }
}

function innerNorm(problem: Problem, point: Point): number {
  const { backend, oracles } = problem
  const gradient = problem.zeros(point.inner.length)
  oracles.innerGradient(point, backend.Batch.all(oracles.samples), gradient)
  return Math.sqrt(gradient.dot(gradient))
}

/** (Φ(v + h d) − Φ(v − h d)) / 2h. */
async function difference(
  problem: Problem,
  { inner, outer, signals }: Point,
  direction: Vector,
): Promise<number> {
  const h = 1e-4
  const [theta, moved] = [problem.zeros(inner.length), problem.zeros(outer.length)]
  const there = new problem.backend.Point(theta, moved, signals)
  const phi = async (step: number) => {
    theta.copyFrom(inner)
    moved.copyFrom(outer)
    moved.axpy(step, direction)
    await minimise(problem, there)
    return problem.oracles.outerLoss(there)
  }
  return ((await phi(h)) - (await phi(-h))) / (2 * h)
}

function compare(estimated: readonly number[], differences: readonly number[]) {
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i], 0)
  const [e, d] = [Math.sqrt(dot(estimated, estimated)), Math.sqrt(dot(differences, differences))]
  const largest = Math.max(...differences.map(Math.abs))
  return {
    cosine: dot(estimated, differences) / (e * d),
    ratio: e / d,
    worst: Math.max(...estimated.map((x, i) => Math.abs(x - differences[i]))) / largest,
  }
}

function inWords(
  { cosine, ratio, worst }: Pick<CheckResult, 'cosine' | 'ratio' | 'worst'>,
  residual: number | undefined,
  innerGradient: number,
): string {
  const figures = `cosine ${cosine.toFixed(4)}, norm ratio ${ratio.toFixed(4)}, worst error ${worst.toExponential(1)}`
  const solved = residual === undefined ? '' : `, residual ${residual.toExponential(1)}`
  const doubt =
    innerGradient > converged
      ? ` The inner problem was left at a gradient of ${innerGradient.toExponential(1)}: differences of its solution are rough.`
      : ''
  const judgement = (() => {
    if (!Number.isFinite(cosine)) return 'No verdict: a derivative is zero or not finite'
    if (worst < 1e-3) return 'The hypergradient agrees with the value function'
    if (cosine < 0) return 'The hypergradient points uphill'
    if (cosine < 0.9) return 'The hypergradient points elsewhere: more inner samples, steps or less damping'
    if (ratio < 0.8 || ratio > 1.25)
      return 'The direction is right, the length is not: step sizes do not carry over'
    return 'The hypergradient is near the truth'
  })()
  return `${judgement} (${figures}${solved}).${doubt}`
}
