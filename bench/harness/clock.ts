import Benchmark from 'benchmark'
import type { Side } from './row.ts'

interface Deferred {
  resolve(): void
}

/** Seconds per unit of work: on the wall, and of all threads of this process. */
export interface Times {
  readonly wall: number
  readonly cpu: number
}

/** Times one side by Benchmark.js in a cycle of at least `least` seconds. */
export function stopwatch(side: Side, least: number): () => Promise<Times> {
  const { units = 1 } = side
  let [runs, cpu] = [0, 0]
  let fail: (error: unknown) => void
  const fn = async (deferred: Deferred) => {
    try {
      const start = process.cpuUsage()
      await side.run()
      const { user, system } = process.cpuUsage(start)
      runs++
      cpu += user + system
      deferred.resolve()
    } catch (error) {
      fail(error)
    }
  }
  // One cycle per call: the caller repeats and pairs them.
  const options = { fn, defer: true, delay: 0, minTime: least, minSamples: 1, maxTime: -1 }
  const benchmark = new Benchmark(options) as Benchmark & { initCount: number }
  return async () => {
    await side.before?.()
    runs = 0
    cpu = 0
    await new Promise((resolve, reject) => {
      fail = reject
      benchmark.off('complete')
      benchmark.on('complete', resolve)
      benchmark.run()
    })
    benchmark.initCount = benchmark.count // the next cycle needs no calibration
    return { wall: benchmark.stats.mean / units, cpu: cpu / 1e6 / runs / units }
  }
}
