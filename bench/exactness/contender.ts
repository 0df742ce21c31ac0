import type { Batch, Point, Vector } from '../../ts/backend/binding.ts'
import type { Problem } from '../../ts/problems/problem.ts'

/** Where outer iteration k stands after its inner steps. */
export interface Moment {
  /** Number of the outer iteration, from 1. */
  readonly k: number
  /** Whether contenders are asked for estimates. */
  readonly checkpoint: boolean
  readonly problem: Problem
  readonly point: Point
  /** ∇_θ f. */
  readonly target: Vector
  /** The inner steps: θ before each, and its batch. */
  readonly steps: readonly { readonly inner: Vector; readonly batch: Batch }[]
}

/** What tells rows of the table apart. */
export interface Label {
  readonly form: string
  readonly statistic: string
  /** The number of corrections by conjugate gradients, or of steps of a method without a Fisher. */
  readonly refine: number
  /** Damping, sizes and the like, in words. */
  readonly detail: string
  /** Whether the direction is kept from outer iteration to outer iteration. */
  readonly warm: boolean
  readonly dtype: 'f32' | 'f64'
  readonly default: boolean
  readonly best: boolean
}

/** What an outer iteration took. */
export interface Cost {
  /** CPU time of all threads, in ms. */
  readonly cpu: number
  /** Curvature products × samples, plus samples that statistics were taken from. */
  readonly products: number
}

/** An estimate u of H⁻¹∇_θ f. */
export interface Trial {
  readonly label: Label
  readonly direction: Vector
  readonly cost: Cost
}

/** A way to estimate the direction. It follows the run, and gives estimates at the checkpoints. */
export interface Contender {
  readonly dtype: 'f32' | 'f64'
  follow(moment: Moment): Promise<readonly Trial[]>
}

/** ms of CPU time that `work` takes, over all threads. */
export async function cpuOf(work: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/** The same as the median of several runs where one is short. */
export async function typicalCpuOf(work: () => unknown): Promise<number> {
  const first = await cpuOf(work)
  return first > 10 ? first : median([first, await cpuOf(work), await cpuOf(work)])
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length
}
