import type { Backend } from '../../ts/backend/backend.ts'
import type { OpenBlas } from '../rivals/openblas.ts'

/** What rows measure with. */
export interface Context {
  /** The one that is measured. */
  readonly backend: Backend
  /** Both, for rows that compare them; null where one doesn't load. */
  readonly native: Backend | null
  readonly wasm: Backend | null
  readonly openblas: OpenBlas | null
  readonly seed: number
}

/** One of two competitors. */
export interface Side {
  /** Does the work on the next of its inputs; a promise where it waits for something. */
  run(): unknown
  /** Units of work in a run, 1 where absent. */
  readonly units?: number
  /** Brings things back to a start before each round, untimed. */
  before?(): Promise<void>
}

/** Ours and the rival's way to the same result. */
export interface Pair {
  readonly ours: Side
  /** Null where the rival is not installed. */
  readonly theirs: Side | null
  /** The largest difference between the answers, in units of the largest entry. */
  check(): number | Promise<number>
  readonly tolerance: number
}

/** A row of the table: a ratio of times with a bar. */
export interface Row {
  readonly name: string
  readonly rival: string
  /** Ratio that is allowed at most; null where it is reported only. */
  readonly bar: number | null
  /** What the times are per. */
  readonly unit: string
  /** Of a unit of our work. */
  readonly flops?: number
  /** Bytes that a unit of our work moves, where they don't fit a cache. */
  readonly bytes?: number
  /** What the ratio compares: `cpu` time, which others on the machine disturb less, or `wall` time where threads share
   * the work. `cpu` where absent. */
  readonly clock?: 'cpu' | 'wall'
  prepare(context: Context): Pair | Promise<Pair>
}

/** The largest difference in units of the largest entry expected. */
export function distance(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) return Number.POSITIVE_INFINITY
  let [difference, size] = [0, Number.MIN_VALUE]
  for (let i = 0; i < got.length; i++) {
    if (!Number.isFinite(got[i])) return Number.POSITIVE_INFINITY
    difference = Math.max(difference, Math.abs(got[i] - expected[i]))
    size = Math.max(size, Math.abs(expected[i]))
  }
  return difference / size
}

/** Goes round through inputs, so that no run finds its own in cache by accident of the benchmark. */
export function rotate<Input>(inputs: readonly Input[]): () => Input {
  let next = 0
  return () => inputs[next++ % inputs.length]
}
