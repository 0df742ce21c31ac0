import type { FisherSettings } from '../backend/fisher.ts'
import { methods } from '../defaults.ts'
import type { CrossSettings } from '../hypergradient/cross.ts'
import type { OptimizerSettings, Rate } from '../hypergradient/optimizer.ts'
import type { RefineSettings } from '../hypergradient/refine.ts'
import { settingsOf } from './check.ts'

export interface NhgdOptions {
  /** The inverse Fisher; `refreshEvery` takes it anew from `size` fresh samples every so many outer iterations
   * instead of from each inner step, `reset` forgets it at the start of each outer iteration. */
  readonly fisher?: FisherSettings & { readonly refreshEvery?: number; readonly reset?: 'outer' | 'never' }
  /** Corrections of A∇_θf by curvature products, 0 for the paper's method. */
  readonly refine?: RefineSettings
  /** Samples that curvature products are taken from. */
  readonly refineSamples?: number
  /** Damping added to curvature products, or one for each outer iteration 0, 1, 2, … */
  readonly refineDamping?: Rate
  readonly cross?: CrossSettings
  /** T, inner steps an outer iteration. */
  readonly innerSteps?: number
  /** B, samples an inner step. */
  readonly batchSize?: number
  readonly innerOptimizer?: OptimizerSettings
  /** Share of the inner steps, the last ones, whose θ is averaged for the hypergradient; 0 takes θ^T. */
  readonly averaging?: number
  /** Whether the Fisher works on a thread of its own; the results are the same. */
  readonly concurrent?: boolean
}

/**
 * The method as printed: smoothed rank-1 updates from raw mini-batch gradients, the start decaying, begun anew in each
 * outer iteration; cross derivative averaged over the trajectory (arXiv 2602.10905, Algorithm 1).
 */
export const paper = {
  fisher: { form: 'dense', rows: 'mean', smoothing: 0.9, damping: 1, start: 'decaying', reset: 'outer' },
  refine: 0,
  cross: 'trajectory',
  innerSteps: 10,
  innerOptimizer: { kind: 'sgd', rate: 0.3 },
  averaging: 0,
} as const satisfies NhgdOptions

/** Options with what is absent filled in; a Fisher of a named form takes nothing from the default one. */
export function withDefaults(options: NhgdOptions): Required<NhgdOptions> {
  const settings = settingsOf<Required<NhgdOptions>, NhgdOptions>(methods.nhgd, options)
  const { fisher } = settings
  return { ...settings, fisher: fisher.form ? fisher : { ...methods.nhgd.fisher, ...fisher } }
}
