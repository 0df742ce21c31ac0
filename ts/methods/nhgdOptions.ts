import { oneOf } from '../backend/check.ts'
import type { FisherSettings, KroneckerSettings } from '../backend/settings.ts'
import { methods, namedForm } from '../defaults.ts'
import type { FisherOptions } from '../hypergradient/direction.ts'
import type { ObserveOptions } from '../hypergradient/observer.ts'
import { fisherCheck, settingsOf } from './check.ts'

export interface NhgdOptions extends FisherOptions {
  /** The inverse Fisher; without a `form` it is the default one but for what is given. `reset` forgets it at the start
   * of each outer iteration. */
  readonly fisher?: (FisherSettings | KroneckerSettings) & {
    readonly reset?: 'outer' | 'never'
  }
  /** Which samples of the inner steps the Fisher sees: by default 256 of every 60th step, of every 15th where `fisher`
   * names a form. */
  readonly observe?: ObserveOptions
}

/**
 * The method as printed: smoothed rank-1 updates from raw mini-batch gradients, the start decaying, begun anew in each
 * outer iteration; cross derivative averaged over the trajectory (arXiv 2602.10905, Algorithm 1).
 */
export const paper = {
  fisher: { form: 'dense', rows: 'mean', smoothing: 0.9, damping: 1, start: 'decaying', reset: 'outer' },
  observe: { every: 1 },
  refine: 0,
  cross: 'trajectory',
  innerSteps: 10,
  innerOptimizer: { kind: 'sgd', rate: 0.3 },
  averaging: 0,
} as const satisfies NhgdOptions

/** Options with nothing absent. */
export interface NhgdSettings extends Required<Omit<NhgdOptions, 'fisher'>> {
  readonly fisher: FisherSettings & { readonly reset?: 'outer' | 'never' }
}

/** Options with what is absent filled in; a Fisher of a named form takes nothing from the default one, and sees more. */
export function withDefaults(options: NhgdOptions): NhgdSettings {
  const special = { fisher: fisherCheck({ reset: oneOf('outer', 'never') }) }
  const settings = settingsOf<Required<NhgdOptions>, NhgdOptions>(methods.nhgd, options, special)
  const { fisher } = settings
  if (!('form' in fisher)) return { ...settings, fisher: { ...methods.nhgd.fisher, ...fisher } }
  return { ...settings, ...(options.observe ? {} : namedForm), fisher }
}
