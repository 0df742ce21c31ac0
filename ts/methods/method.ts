import type { Point, Vector } from '../backend/binding.ts'
import { having } from '../backend/check.ts'
import type { Stopped } from '../hypergradient/conjugateGradients.ts'
import type { State } from '../hypergradient/state.ts'
import type { AnyProblem } from '../problems/problem.ts'

/** One estimate of ∇Φ and how good its parts are. */
export interface Estimate {
  /** f(v, θ) where the estimate was taken. */
  readonly outerLoss: number
  /** ∇_v f − Lᵀ A ∇_θ f; overwritten by the next estimate. */
  readonly hypergradient: Vector
  /** θ at which it was taken: the last inner iterate, or an average of them. */
  readonly inner: Vector
  /** ‖∇_θ f − C u‖ / ‖∇_θ f‖ of the direction u in use; absent where nobody asked for the product that it costs. */
  readonly residual?: number
  /** C: what the residual was taken with. */
  readonly operator: 'hessian' | 'gauss-newton' | 'none'
  /** Damping in force. */
  readonly damping: number
  /** Why the steps on the linear system stopped, where there were any. */
  readonly stopped?: Stopped
  /** What had to be done otherwise than asked, and how often. */
  readonly fallbacks: Readonly<Record<string, number>>
}

/** What an estimate says of a linear solve that did not take place. */
export const noSolve = { operator: 'none', damping: 0, fallbacks: {} } as const

/** A method that estimates hypergradients. */
export interface Method<S extends State = State> {
  readonly name: string
  readonly settings: Readonly<Record<string, unknown>>
  /** The state of a run that starts at `point`; `seed` decides every draw. */
  init(problem: AnyProblem, point: Point, seed: number): S | Promise<S>
  /** Takes one outer iteration up to its hypergradient. It changes θ and the state, and leaves v as it is. */
  step(problem: AnyProblem, point: Point, state: S): Promise<Estimate>
}

export const methodCheck = having('a method such as nhgd()', 'init', 'step')
