import type { Point, Vector } from '../backend/binding.ts'
import { checkOptions, numbers, seedCheck, shape, whole } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { Breather } from '../hypergradient/clock.ts'
import { conjugateGradients } from '../hypergradient/conjugateGradients.ts'
import { type AnyProblem, problemCheck } from '../problems/problem.ts'
import { type Method, methodCheck } from './method.ts'

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
  method: methodCheck,
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
  /** How far rounding and the step of the differences may have moved a true derivative, over the largest true one. */
  readonly precision: number
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
 * is dear; check a small version of the problem. Directions have entries ±1. Where a method is off, the verdict tells
 * whether the method is far from the solution of its linear system, or that solution from the truth, as it may be with
 * the Gauss–Newton matrix of a network in place of the Hessian.
 *
 * @throws NhgdError `ERR_DTYPE` unless the problem is of f64: differences need the digits.
 */
export async function checkHypergradient(problem: AnyProblem, options: CheckOptions): Promise<CheckResult> {
  problemCheck('problem', problem)
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

  const state = await method.init(problem, point, seed)
  state.optimizer.frozen = true
  let estimate = await method.step(problem, point, state)
  for (let k = 1; k < iterations; k++) estimate = await method.step(problem, point, state)

  const random = new problem.backend.Sampler(seed, 1)
  const along: Vector[] = []
  const [estimated, differences, doubts]: number[][] = [[], [], []]
  for (let j = 0; j < directions; j++) {
    const signs = Float64Array.from({ length: outer.length }, () => 2 * (random.seed() % 2) - 1)
    const direction = problem.vector(signs)
    along.push(direction)
    estimated.push(estimate.hypergradient.dot(direction))
    const { value, doubt } = await difference(problem, point, direction)
    differences.push(value)
    doubts.push(doubt)
  }
  const { residual } = estimate
  const measures = {
    ...compare(estimated, differences),
    precision: Math.max(...doubts) / largest(differences),
  }
  const judgement = judge(measures, estimated)
  const cause = off.has(judgement) ? await causeOf(problem, point, along, estimated, differences) : ''
  const hint = cause || (judgement === elsewhere ? ': more inner samples, steps or less damping' : '')
  const verdict = inWords(judgement + hint, measures, residual, innerGradient)
  return { ...measures, estimated, differences, residual, innerGradient, verdict }
}

/** Solves again as long as what the problem derives from θ (margins) moves θ*. */
async function settle(problem: AnyProblem, point: Point): Promise<number> {
  let norm = Number.POSITIVE_INFINITY
  for (let round = 0; round < 200 && norm > converged; round++) {
    await minimise(problem, point)
    problem.oracles.refresh(point)
    norm = await innerNorm(problem, point)
  }
  return norm
}

/** ‖∇_θ g‖ at which θ counts as θ*. */
const converged = 1e-9

/** Newton's method with conjugate gradients and backtracking on g, in place. */
async function minimise(problem: AnyProblem, point: Point): Promise<void> {
  const { backend, oracles } = problem
  const { inner } = point
  const batch = backend.Batch.all(oracles.samples)
  const [gradient, direction, trial] = [inner, inner, inner].map((x) => problem.zeros(x.length))
  const onTrial = point.at(trial)
  const breather = new Breather()
  let before = Number.POSITIVE_INFINITY
  for (let step = 0; step < 200; step++) {
    const loss = await oracles.innerGradient(point, batch, gradient)
    const norm = gradient.norm()
    // Newton's method goes on until rounding stops it: a difference has to see changes far below a tolerance.
    if (norm === 0 || (norm <= converged / 100 && norm > before / 4)) break
    before = norm
    direction.fill(0)
    const tolerance = Math.min(0.1, norm)
    const system = { problem, point, batch, target: gradient, damping: 0, tolerance }
    await conjugateGradients(system, identity, direction, 2 * inner.length)
    const slope = gradient.dot(direction)
    // Below the rounding of g, or where nobody gave g, the loss tells nothing, but the gradient still does.
    const lost = !(slope >= 1e-12 * Math.abs(loss))
    let size = 1
    for (; size > 1e-8; size /= 2) {
      trial.copyFrom(inner)
      trial.axpy(-size, direction)
      const falls = lost
        ? (await innerNorm(problem, onTrial)) < norm
        : (await oracles.innerLoss(onTrial)) <= loss - 1e-4 * size * slope
      if (falls) break
    }
    if (size <= 1e-8) break
    inner.copyFrom(trial)
    await breather.due()
  }
}

async function innerNorm(problem: AnyProblem, point: Point): Promise<number> {
  const { backend, oracles } = problem
  const gradient = problem.zeros(point.inner.length)
  await oracles.innerGradient(point, backend.Batch.all(oracles.samples), gradient)
  return gradient.norm()
}

/** Step of the differences along a direction of entries ±1. */
const h = 5e-3

/**
 * The derivative of Φ along a direction, by central differences of steps h and 2h and Richardson's extrapolation, and
 * how far it may be off: what the extrapolation changed, and the rounding of Φ.
 */
async function difference(problem: AnyProblem, { inner, outer, signals }: Point, direction: Vector) {
  const [theta, moved] = [problem.zeros(inner.length), problem.zeros(outer.length)]
  const there = new problem.backend.Point(theta, moved, signals)
  let size = 0
  const phi = async (step: number) => {
    theta.copyFrom(inner)
    moved.copyFrom(outer)
    moved.axpy(step, direction)
    await minimise(problem, there)
    const loss = await problem.oracles.outerLoss(there)
    size = Math.max(size, Math.abs(loss))
    return loss
  }
  const central = async (step: number) => ((await phi(step)) - (await phi(-step))) / (2 * step)
  const [fine, coarse] = [await central(h), await central(2 * h)]
  const doubt = Math.abs(fine - coarse) / 3 + (4 * Number.EPSILON * size) / h
  return { value: (4 * fine - coarse) / 3, doubt }
}

const largest = (x: readonly number[]) => Math.max(...x.map(Math.abs))
const worstOf = (x: readonly number[], y: readonly number[]) => largest(x.map((a, i) => a - y[i]))

function compare(estimated: readonly number[], differences: readonly number[]) {
  const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, x, i) => sum + x * b[i], 0)
  const [e, d] = [Math.hypot(...estimated), Math.hypot(...differences)]
  return {
    cosine: e === 0 ? 0 : dot(estimated, differences) / e / d,
    ratio: e / d,
    worst: worstOf(estimated, differences) / largest(differences),
  }
}

const uphill = 'The hypergradient points uphill'
const elsewhere = 'The hypergradient points elsewhere'
const length = 'The direction is right, the length is not: step sizes do not carry over'
const near = 'The hypergradient is near the truth'
/** Judgements of a hypergradient that is not quite right. */
const off = new Set([uphill, elsewhere, length, near])

type Measures = Pick<CheckResult, 'cosine' | 'ratio' | 'worst' | 'precision'>

function judge({ cosine, ratio, worst, precision }: Measures, estimated: readonly number[]): string {
  if (!estimated.every(Number.isFinite)) return 'No verdict: an estimated derivative is not finite'
  if (!(precision < 0.1)) return 'No verdict: the differences of the value function drown in its rounding'
  if (estimated.every((x) => x === 0)) return 'The hypergradient is zero where the value function is not flat'
  if (worst < Math.max(1e-3, precision)) return 'The hypergradient agrees with the value function'
  if (cosine < 0) return uphill
  if (cosine < 0.9) return elsewhere
  return ratio < 0.8 || ratio > 1.25 ? length : near
}

/** What to add where the solution of C u = ∇_θ f over all samples is farther from the truth than the method from it. */
async function causeOf(
  problem: AnyProblem,
  point: Point,
  along: readonly Vector[],
  estimated: readonly number[],
  differences: readonly number[],
): Promise<string> {
  const { backend, oracles } = problem
  const batch = backend.Batch.all(oracles.samples)
  const { innerLength, outerLength } = oracles
  const [reference, target, u] = [outerLength, innerLength, innerLength].map((length) =>
    problem.zeros(length),
  )
  await oracles.outerGradient(point, reference, target)
  const system = { problem, point, batch, target, damping: 0, tolerance: 1e-8 }
  await conjugateGradients(system, identity, u, 4 * innerLength)
  await oracles.crossProduct(point, batch, u, -1, reference)
  const solved = along.map((direction) => reference.dot(direction))
  if (oracles.curvature === 'hessian' || worstOf(solved, estimated) > worstOf(solved, differences)) {
    return ''
  }
  return ': the Gauss–Newton matrix leaves out what matters here, for its exact solution is off as well'
}

const identity = async (b: Vector, x: Vector) => x.copyFrom(b)

function inWords(
  judgement: string,
  { cosine, ratio, worst, precision }: Measures,
  residual: number | undefined,
  innerGradient: number,
): string {
  const figures = `cosine ${cosine.toFixed(4)}, norm ratio ${ratio.toFixed(4)}, worst error ${worst.toExponential(1)}`
  const solved = residual === undefined ? '' : `, residual ${residual.toExponential(1)}`
  const told = precision < 1e-3 ? '' : `, differences good to ${precision.toExponential(1)}`
  const doubt =
    innerGradient > converged
      ? ` The inner problem was left at a gradient of ${innerGradient.toExponential(1)}: differences of its solution are rough.`
      : ''
  return `${judgement} (${figures}${solved}${told}).${doubt}`
}
