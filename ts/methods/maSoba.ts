import { methods } from '../defaults.ts'
import { settingsOf } from './check.ts'
import type { Method } from './method.ts'
import { type SingleLoopOptions, singleLoop } from './singleLoop.ts'

export interface MaSobaOptions extends SingleLoopOptions {
  /** τ, share of the new estimate in the moving average. */
  readonly share?: number
}

/**
 * MA-SOBA (Chen, Xiao & Balasubramanian 2023, arXiv 2306.12067, Algorithm 1): SOBA whose v follows h ← (1 − τ) h + τ
 * D_v.
 */
export function maSoba(options: MaSobaOptions = {}): Method {
  const settings = settingsOf(methods.maSoba, options)
  const { batchSize, outerBatchSize, share } = settings
  return singleLoop('maSoba', settings, {
    init: (problem) => ({ average: problem.zeros(problem.oracles.outerLength) }),
    next: ({ sampler, outerSampler }) => ({
      batch: sampler.take(batchSize),
      outerBatch: outerSampler.take(outerBatchSize),
    }),
    smooth(hypergradient, { outerStep, own: { average } }) {
      const started = outerStep > 0
      average.scale(started ? 1 - share : 0)
      average.axpy(started ? share : 1, hypergradient)
      hypergradient.copyFrom(average)
    },
  })
}
