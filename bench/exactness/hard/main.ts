import type { Backend } from '../../../ts/backend/backend.ts'
import { mean } from '../contender.ts'
import { type Cell, hardCells, type Sets, speeds, standardized } from './cells.ts'
import { entrants } from './entrants.ts'
import { geometricMean } from './equalCpu.ts'
import { followCell, type Protocol, type Result } from './follow.ts'
import type { HardEntry } from './table.ts'

const protocol: Protocol = { innerSteps: 20, batchSize: 64, outerSteps: 20, every: 5 }
const short: Protocol = { ...protocol, outerSteps: 10, every: 5 }

export interface HardOptions {
  readonly seeds: readonly number[]
  readonly quick: boolean
  /** The classes of the labels, and the hidden units of the perceptron. */
  readonly classes: number
  readonly units: number
}

/** Every entrant in every hard cell; `setsOf` gives the samples of a seed. */
export async function hard(
  backend: Backend,
  setsOf: (seed: number) => Sets,
  { seeds, quick, classes, units }: HardOptions,
): Promise<HardEntry[]> {
  const runs: { cell: Cell; speed: keyof typeof speeds; results: Result[] }[] = []
  for (const seed of seeds) {
    for (const cell of hardCells(standardized(setsOf(seed)), classes, units)) {
      for (const speed of ['slow', 'fast'] as const) {
        const racing = entrants(cell.sets.train.labels.length, cell.damping, quick)
        const about = { ...(quick ? short : protocol), speed: speeds[speed], seed }
        runs.push({ cell, speed, results: await followCell(backend, cell, racing, about) })
      }
    }
  }
  const first = runs.slice(0, runs.length / seeds.length)
  return first.flatMap(({ cell, speed, results }) =>
    results.map(({ cold, errors: _, ...about }, i) => {
      const same = runs.filter((run) => run.cell.name === cell.name && run.speed === speed)
      const all = same.map((run) => run.results[i])
      return {
        ...about,
        cell: cell.name,
        hard: cell.hard,
        speed,
        start: cold ? ('cold' as const) : ('warm' as const),
        error: geometricMean(all.flatMap(({ errors }) => errors)),
        normRatio: mean(all.map(({ normRatio }) => normRatio)),
        cpu: mean(all.map(({ cpu }) => cpu)),
      }
    }),
  )
}
