import type { Method } from './method.ts'
import { nhgd } from './nhgd.ts'
import type { NhgdOptions } from './nhgdOptions.ts'

/**
 * Implicit differentiation with K-FAC (Liao, Dangel & Yu 2026, arXiv 2603.29108): Kronecker factors of the sampled
 * Fisher, taken afresh in each outer iteration, damping split between them, no correction by curvature products.
 */
export function kfacImplicit(options: NhgdOptions = {}): Method {
  const method = nhgd({
    refine: 0,
    innerSteps: 10,
    innerOptimizer: { kind: 'sgd', rate: 0.1 },
    cross: 'all',
    averaging: 0,
    ...options,
    fisher: {
      form: 'kronecker',
      statistic: 'sampled',
      kroneckerDamping: 'split',
      damping: 1e-3,
      size: 1024,
      refreshEvery: 1,
      ...options.fisher,
    },
  })
  return { ...method, name: 'kfacImplicit' }
}
