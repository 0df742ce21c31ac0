import { methods } from '../defaults.ts'
import { settingsOf } from './check.ts'
import type { Method } from './method.ts'
import { nhgd } from './nhgd.ts'
import type { NhgdOptions } from './nhgdOptions.ts'

/**
 * Implicit differentiation with K-FAC (Liao, Dangel & Yu 2026, arXiv 2603.29108): Kronecker factors of the sampled
 * Fisher, taken afresh in each outer iteration, damping split between them, no correction by curvature products.
 */
export function kfacImplicit(options: NhgdOptions = {}): Method {
  const usual = { ...methods.nhgd, ...methods.kfacImplicit }
  const settings: NhgdOptions = settingsOf(usual, options)
  const method = nhgd({ ...settings, fisher: { ...usual.fisher, ...settings.fisher } })
  return { ...method, name: 'kfacImplicit' }
}
