import { monitorEventLoopDelay } from 'node:perf_hooks'
import { loadBackend } from '../../ts/backend/load.ts'
import { loadMnist } from '../../ts/data/mnist.ts'
import { corruptLabels } from '../../ts/data/split.ts'
import { cleanLabels } from '../../ts/tasks/cleanLabels/cleanLabels.ts'

export interface Turns {
  /** How late timers were, in ms: 99 of 100 were no later, whatever else the machine did. */
  readonly lagP99Ms: number
  /** Processor time between two turns of the event loop, in ms: of 99 of 100 it was no more, and the most. */
  readonly busyP99Ms: number
  readonly busiestMs: number
}

/** Looks at the turns of the event loop, until it is asked what they were. */
export function watchTurns(): () => Turns {
  const lag = monitorEventLoopDelay({ resolution: 5 })
  lag.enable()
  const busy: number[] = []
  let [last, ended] = [process.cpuUsage().user, false]
  const look = () => {
    const now = process.cpuUsage().user
    busy.push((now - last) / 1000)
    last = now
    if (!ended) setTimeout(look, 1)
  }
  look()
  return () => {
    ended = true
    lag.disable()
    const sorted = Float64Array.from(busy).sort()
    const share = (q: number) =>
      Math.round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))])
    return { lagP99Ms: Math.round(lag.percentile(99) / 1e6), busyP99Ms: share(0.99), busiestMs: share(1) }
  }
}

/** The main job: MNIST with half of its labels drawn anew, cleaned with 200 rows that are known to be right. */
export async function turnsOfMainJob(outerSteps: number): Promise<Turns> {
  const backend = await loadBackend()
  const { features, labels: truth } = (await loadMnist()).train
  const trusted = Array.from({ length: 200 }, (_, i) => 300 * i)
  const labels = corruptLabels(truth, 10, { kind: 'uniform', rate: 0.5 }, 1)
  for (const row of trusted) labels[row] = truth[row]
  const turns = watchTurns()
  await cleanLabels({ backend, features, labels, trusted, outerSteps })
  return turns()
}
