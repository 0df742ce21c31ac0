import type { DType } from '../../backend/binding.ts'
import type { Eventual, Filled, FilledWithValue } from './callback.ts'
import type { Entries } from './room.ts'

/** The arrays of a scalar type. */
export type ArrayOf<D extends DType> = D extends 'f32' ? Float32Array : Float64Array

/**
 * The inner objective g(v, θ), a mean over samples. Every callback is of all of g, a regulariser included, as a mean over
 * `batch`: the positions of the samples, from 0 to `samples` − 1. It writes every entry of `out`, which is not zero before,
 * or returns an array of its own; it may be asynchronous. What it is lent is its own until it ends, and empty afterwards.
 */
export interface InnerObjective<A extends Entries = Float64Array> {
  /** d, entries of θ. */
  readonly size: number
  /** n, samples that g is a mean over; 1 by default. */
  readonly samples?: number
  /** θ to start from, for a seed; zeros by default. */
  readonly start?: ArrayLike<number> | ((seed: number) => ArrayLike<number>)
  /** g, for `checkDerivatives`; no run needs it. */
  loss?(theta: A, v: A, batch: Uint32Array): Eventual<number>
  /** out ← ∇_θ g, d entries; it may return g. It, or `sampleGradients`, has to be there. */
  gradient?(theta: A, v: A, batch: Uint32Array, out: A): Eventual<FilledWithValue>
  /** out ← ∇_θ g_i of each sample i of the batch, a row of d entries per sample. */
  sampleGradients?(theta: A, v: A, batch: Uint32Array, out: A): Eventual<FilledWithValue>
  /** out ← (∇²_θθ g) u, d entries; by differences of the gradient where absent. */
  hessianProduct?(theta: A, v: A, batch: Uint32Array, u: A, out: A): Eventual<Filled>
  /** out ← (∇²_θv g)ᵀ u, p entries; by differences of the gradient along each entry of v where absent. */
  crossProduct?(theta: A, v: A, batch: Uint32Array, u: A, out: A): Eventual<Filled>
  /**
   * D: what g has of the form ½ Σ_j D_j θ_j², which is not data: one number for all j, or out ← one per j (a number that is
   * returned stands for all). Fishers see the gradients without it. 0 by default.
   */
  regularizer?: number | ((v: A, out: A) => Eventual<FilledWithValue>)
}

/** The outer objective f(v, θ), a mean over samples of its own. See {@link InnerObjective} for what callbacks do. */
export interface OuterObjective<A extends Entries = Float64Array> {
  /** p, entries of v. */
  readonly size: number
  /** m, samples that f is a mean over; 1 by default. */
  readonly samples?: number
  /** v to start from; zeros by default. */
  readonly start?: ArrayLike<number>
  /** f. */
  loss(theta: A, v: A, batch: Uint32Array): Eventual<number>
  /** out ← ∇_θ f, d entries; it may return f. By differences of the loss where absent. */
  gradient?(theta: A, v: A, batch: Uint32Array, out: A): Eventual<FilledWithValue>
  /** out ← ∇_v f with θ held fixed, p entries, or 0 where f does not depend on v but through θ. By differences of the loss
   * where absent. */
  directGradient?: 0 | ((theta: A, v: A, batch: Uint32Array, out: A) => Eventual<Filled>)
}
