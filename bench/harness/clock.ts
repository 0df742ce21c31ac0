import Benchmark from 'benchmark'
import type { Side } from './row.ts'

interface Deferred {
  resolve(): void
}

/** Seconds per unit of one side, measured by Benchmark.js in a cycle of at least `least` seconds. */
export function stopwatch(side: Side, least: number): () => Promise<number> {
  let fail: (error: unknown) => void
  const fn = async (deferred: Deferred) => {
    try {
      await side.run()
      deferred.resolve()
    } catch (error) {
      fail(error)
    }
  }
  // One cycle a call: repeating and pairing are the caller's.
  const options = { fn, defer: true, delay: 0, minTime: least, minSamples: 1, maxTime: -1 }
  const benchmark = new Benchmark(options) as Benchmark & { initCount: number }
  return async () => {
    await side.before?.()
    await new Promise((resolve, reject) => {
      fail = reject
      benchmark.off('complete')
      benchmark.on('complete', resolve)
      benchmark.run()
    })
    benchmark.initCount = benchmark.count // the next cycle needs no calibration
    return benchmark.stats.mean / (side.units ?? 1)
  }
}
