import type { Point, Vector } from '../backend/binding.ts'
import type { Clock } from '../hypergradient/clock.ts'
import type { Problem } from '../problems/problem.ts'

/** One estimate of ∇Φ and how good its parts are. */
export interface Estimate {
  /** f(v, θ) where the estimate was taken. */
  readonly outerLoss: number
  /** ∇_v f − Lᵀ A ∇_θ f; overwritten by the next estimate. */
  readonly hypergradient: Vector
  /** θ at which it was taken: the last inner iterate, or an average of them. */
  readonly inner: Vector
  /** ‖∇_θ f − C u‖ / ‖∇_θ f‖ of the direction u in use, NaN for methods without a linear system. */
  readonly residual: number
  /** C: what the residual was taken with. */
  readonly operator: 'hessian' | 'gauss-newton' | 'none'
  /** Damping in force. */
  readonly damping: number
  /** What had to be done otherwise than asked, with how often. */
  readonly fallbacks: Readonly<Record<string, number>>
}

/** What a method is given to start with. */
export interface Context {
  readonly problem: Problem
  /** Changed in place. */
  readonly point: Point
  readonly seed: number
  readonly clock: Clock
  /** Leaves θ where it is: inner steps are looked at, not taken. */
  readonly frozen: boolean
}

/** A method under way. */
export interface MethodRun {
  /** Outer iteration k up to its hypergradient: moves θ, leaves v. */
  estimate(k: number): Promise<Estimate>
}

/** A way to have the hypergradient. */
export interface Method {
  readonly name: string
  readonly settings: Readonly<Record<string, unknown>>
  start(context: Context): MethodRun
}
