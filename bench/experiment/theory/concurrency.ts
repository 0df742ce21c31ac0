import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { atMost, type Claim, type Part } from './claim.ts'
import { modes, type Setup, type WallTimes } from './concurrencyRun.ts'
import { medianInterval } from './slope.ts'

export interface ConcurrencySizes {
  readonly setups: readonly Setup[]
  readonly rounds: number
}

/** Wall time of an outer iteration where A is built after, in, and beside the inner loop, on one and on two cores. */
export async function concurrency({ setups, rounds }: ConcurrencySizes): Promise<Part> {
  const claims: Claim[] = []
  const curves = modes.map((mode) => ({ name: mode, x: [] as number[], y: [] as number[] }))
  for (const [i, setup] of setups.entries()) {
    for (const cores of [1, 2]) {
      const times = await timesOf(setup, rounds, cores)
      const { settings, features, classes, batchSize, observe } = setup
      const about = `${settings.form}, d = ${(features + 1) * classes}, B = ${batchSize}${observe ? `, ${observe.samples} samples of every ${observe.every}th step` : ''}, ${cores} core${cores > 1 ? 's' : ''}`
      const ratio = (a: number[], b: number[]) => medianInterval(a.map((time, round) => time / b[round]))
      claims.push(
        atMost(`${about}: beside the loop over the loop alone`, 1, ratio(times.beside, times.alone)),
        atMost(`${about}: beside the loop over in line`, 1, ratio(times.beside, times.inline), 0.05),
        atMost(
          `${about}: beside the loop over optimise-then-approximate`,
          1,
          ratio(times.beside, times.after),
          0.05,
        ),
      )
      if (cores === 2) {
        for (const curve of curves) {
          curve.x.push(i + 1)
          curve.y.push(medianInterval(times[curve.name as keyof WallTimes]).value)
        }
      }
    }
  }
  return {
    name: 'concurrency',
    title: 'What concurrency saves',
    setting: `Wall time of an outer iteration of nhgd on random features: inner steps, which A observes (each of them unless a row says otherwise), and one solve. "Alone" has no A. "After" takes the same number of batches once the loop is done. The results of "in line" and "beside" are the same bits, so they are compared at equal error. The four take turns, ${rounds} rounds, and each ratio is the median over rounds. Processes are held to one or two cores.`,
    claims,
    charts: [
      {
        title: 'ms per outer iteration on two cores',
        x: `setting (${setups.map(({ settings }, i) => `${i + 1} ${settings.form}`).join(', ')})`,
        curves,
      },
    ],
  }
}

async function timesOf(setup: Setup, rounds: number, cores: number): Promise<WallTimes> {
  const script = fileURLToPath(new URL('concurrencyRun.ts', import.meta.url))
  const set = Array.from({ length: cores }, (_, i) => i).join(',')
  const command = [process.execPath, '--import', 'tsx', script, JSON.stringify({ setup, rounds })]
  const { stdout } = await promisify(execFile)('taskset', ['-c', set, ...command])
  return JSON.parse(stdout)
}
