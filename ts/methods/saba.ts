import type { Method } from './method.ts'
import { type SingleLoopOptions, type Sums, singleLoop, singleLoopDefaults } from './singleLoop.ts'

export type SabaOptions = SingleLoopOptions

/**
 * SABA (Dagréou et al. 2022, section 2.3): SOBA with the variance reduction of SAGA, new − old + mean of the old. The
 * samples are parted into m batches once and for all, of sizes that differ by one at the most; a table remembers the sums
 * of each, m (2d + p) numbers in all. It starts at u = 0, where all but ∇_θ g is zero.
 */
export function saba(options: SabaOptions = {}): Method {
  const settings = { ...singleLoopDefaults, ...options }
  return singleLoop('saba', settings, ({ problem, point: { inner, outer } }, sampler) => {
    const { oracles } = problem
    const n = oracles.samples
    const m = Math.ceil(n / settings.batchSize)
    const batches = Array.from({ length: m }, (_, i) => sampler.take(Math.floor((n + i) / m)))
    const sums = (): Sums => ({
      gradient: problem.zeros(inner.length),
      product: problem.zeros(inner.length),
      cross: problem.zeros(outer.length),
    })
    const [mean, change] = [sums(), sums()]
    const table = batches.map((batch) => {
      const entry = sums()
      oracles.innerGradient(inner, outer, batch, entry.gradient)
      mean.gradient.axpy(1 / m, entry.gradient)
      return entry
    })
    let drawn = 0
    return {
      next() {
        drawn = sampler.seed() % m
        return batches[drawn]
      },
      reduce(fresh) {
        for (const key of ['gradient', 'product', 'cross'] as const) {
          change[key].copyFrom(fresh[key])
          change[key].axpy(-1, table[drawn][key]) // new − old
          table[drawn][key].copyFrom(fresh[key])
          fresh[key].copyFrom(mean[key])
          fresh[key].axpy(1, change[key]) // new − old + mean
          mean[key].axpy(1 / m, change[key])
        }
      },
    }
  })
}
