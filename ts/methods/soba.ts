import { methods } from '../defaults.ts'
import { settingsOf } from './check.ts'
import type { Method } from './method.ts'
import { type SingleLoopOptions, singleLoop } from './singleLoop.ts'

export type SobaOptions = SingleLoopOptions

/**
 * SOBA (Dagréou et al. 2022, arXiv 2201.13409, section 2.2): a step of SGD for θ, u and v each, from the same batches.
 */
export function soba(options: SobaOptions = {}): Method {
  const settings = settingsOf(methods.soba, options)
  const { batchSize, outerBatchSize } = settings
  return singleLoop('soba', settings, {
    init: () => ({}),
    next: ({ sampler, outerSampler }) => ({
      batch: sampler.take(batchSize),
      outerBatch: outerSampler.take(outerBatchSize),
    }),
  })
}
