import type { Method } from './method.ts'
import { type SingleLoopOptions, singleLoop, singleLoopDefaults } from './singleLoop.ts'

export type SobaOptions = SingleLoopOptions

/** SOBA (Dagréou et al. 2022, section 2.2): a step of SGD for θ, u and v each, from the same batch. */
export function soba(options: SobaOptions = {}): Method {
  const settings = { ...singleLoopDefaults, ...options }
  return singleLoop('soba', settings, (_, sampler) => ({ next: () => sampler.take(settings.batchSize) }))
}
