import { read } from '../backend/backend.ts'
import type { Point, Vector } from '../backend/binding.ts'
import type { NhgdError } from '../backend/errors.ts'
import * as defaults from '../defaults.ts'
import { optimizer, type Stepper } from '../hypergradient/optimizer.ts'
import { Backtracking, capJump, projectOnSimplex } from '../hypergradient/safeguard.ts'
import type { State } from '../hypergradient/state.ts'
import type { Estimate, Method } from '../methods/method.ts'
import { preconditionedConjugateGradients } from '../methods/preconditionedConjugateGradients.ts'
import type { AnyProblem } from '../problems/problem.ts'
import type { SolveOptions } from './options.ts'

/** The last whole outer step. */
interface Last {
  /** θ where its hypergradient was taken, and v that it led to. */
  readonly inner: Vector
  readonly outer: Vector
  outerLoss: number
  hypergradientNorm: number
  /** NaN where it is not known. */
  residual: number
  damping: number
  readonly fallbacks: Record<string, number>
}

/** All that decides how a run goes on. */
export interface RunState {
  /** Outer steps taken. */
  outerStep: number
  readonly point: Point
  /** Moves v. */
  readonly outer: Stepper
  readonly method: State
  /** Norms of the last hypergradients. */
  readonly norms: number[]
  readonly backtracking: Backtracking | undefined
  readonly last: Last
  /** The outer loss of the first step, which says when a run has diverged. */
  firstLoss: number
  /** Factor on both rates, since a step diverged. */
  slowed?: number
}

/** Options with defaults for those that decide where a run goes. */
export function settled(options: SolveOptions) {
  const { method = preconditionedConjugateGradients() as Method, seed = 0 } = options
  const { outerOptimizer = defaults.outerOptimizer } = options
  return { ...options, method, seed, outerOptimizer }
}

/** The state of a run before its first step. */
export async function startRun(problem: AnyProblem, options: SolveOptions): Promise<RunState> {
  const { method, seed } = settled(options)
  const state = startingPoint(problem, options)
  return { ...state, method: await method.init(problem, state.point, seed) }
}

/** The part of that state that asks nothing of the problem. */
export function startingPoint(problem: AnyProblem, options: SolveOptions): Omit<RunState, 'method'> {
  const { seed, outerOptimizer, backtracking } = settled(options)
  const point = problem.start(seed, { inner: options.inner, outer: options.outer })
  const { inner, outer } = point
  const copy = (x: Vector) => {
    const copied = problem.zeros(x.length)
    copied.copyFrom(x)
    return copied
  }
  return {
    outerStep: 0,
    point,
    outer: optimizer(problem.backend, outerOptimizer),
    norms: [],
    firstLoss: Number.NaN,
    backtracking: backtracking === undefined ? undefined : new Backtracking(copy(outer), copy(outer)),
    last: {
      inner: copy(inner),
      outer: copy(outer),
      outerLoss: Number.NaN,
      hypergradientNorm: Number.NaN,
      residual: Number.NaN,
      damping: Number.NaN,
      fallbacks: {},
    },
  }
}

/** Goes on from the last whole step of a run that diverged: its method anew, both rates times `factor`. */
export async function goBack(
  problem: AnyProblem,
  options: SolveOptions,
  { outerStep, last, firstLoss }: RunState,
  factor: number,
): Promise<RunState> {
  const { fallbacks, outerLoss, hypergradientNorm, residual, damping } = last
  const fresh = await startRun(problem, { ...options, inner: read(last.inner), outer: read(last.outer) })
  Object.assign(fresh.last, { outerLoss, hypergradientNorm, residual, damping })
  Object.assign(fresh.last.fallbacks, fallbacks, { 'rates lowered': 1 })
  fresh.outerStep = outerStep
  fresh.firstLoss = firstLoss
  return slow(fresh, factor)
}

/** Multiplies both rates of a run. */
export function slow(state: RunState, factor: number): RunState {
  for (const stepper of [state.outer, state.method.optimizer]) stepper.factor = factor
  state.slowed = factor
  return state
}

/**
 * Takes an outer step; nothing where a number in it stopped being finite or the outer loss has grown beyond all measure,
 * after which the run cannot go on.
 */
export async function takeStep(
  problem: AnyProblem,
  options: SolveOptions,
  state: RunState,
): Promise<{ estimate: Estimate; hypergradientNorm: number } | undefined> {
  const { method, jumpCap = Number.POSITIVE_INFINITY, backtracking: slack = 0 } = settled(options)
  const { simplex, box } = options
  const { point, outer: optimizer, backtracking, last } = state
  const { outer } = point
  const estimate = await finiteEstimate(method, problem, point, state.method)
  if (!estimate) return undefined
  if (estimate.outerLoss > defaults.divergence * Math.max(1, Math.abs(state.firstLoss))) return undefined
  const { hypergradient, outerLoss, residual = Number.NaN, damping } = estimate
  const hypergradientNorm = capJump(state.norms, jumpCap, hypergradient)
  const move = () => optimizer.step(outer, hypergradient)
  if (!backtracking) move()
  else if (!backtracking.wentBack(outer, outerLoss, slack)) backtracking.take(outer, move)
  if (simplex !== undefined && outer.isFinite()) projectOnSimplex(outer, simplex)
  if (box) outer.clamp(box.low, box.high)
  if (!outer.isFinite()) return undefined
  if (Number.isNaN(state.firstLoss)) state.firstLoss = outerLoss
  state.outerStep++
  last.inner.copyFrom(estimate.inner)
  last.outer.copyFrom(outer)
  Object.assign(last, { outerLoss, hypergradientNorm, residual, damping })
  Object.assign(last.fallbacks, estimate.fallbacks)
  return { estimate, hypergradientNorm }
}

/** Whether every number of an estimate is finite. */
export function isFiniteEstimate({ outerLoss, hypergradient, inner }: Estimate): boolean {
  return Number.isFinite(outerLoss) && hypergradient.isFinite() && inner.isFinite()
}

async function finiteEstimate(
  method: Method,
  problem: AnyProblem,
  point: Point,
  state: State,
): Promise<Estimate | undefined> {
  try {
    const estimate = await method.step(problem, point, state)
    return isFiniteEstimate(estimate) && point.inner.isFinite() ? estimate : undefined
  } catch (error) {
    // All that was given to the run was finite.
    if ((error as NhgdError).code === 'ERR_NOT_FINITE' || !point.inner.isFinite()) return undefined
    throw error
  }
}
