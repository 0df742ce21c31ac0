import { Command, InvalidArgumentError } from 'commander'
import { loadBackend } from '../../../ts/backend/load.ts'
import { write } from '../jobs.ts'
import { cases, controlError } from './cases.ts'
import { cpuSeconds, type Entry, methods, runCase } from './run.ts'

interface Options {
  readonly seed: number
  readonly seeds: number
  readonly quick: boolean
  readonly cases?: string[]
  readonly methods?: string[]
  readonly json?: string
}

/** `npm run experiment -- pde`. */
export function pdeCommand(): Command {
  return new Command('pde')
    .description(
      'controls and coefficients of differential equations, beside a solver of the adjoint equation',
    )
    .option('--seed <n>', 'the first seed of the networks', whole, 0)
    .option('--seeds <n>', 'how many seeds', whole, 3)
    .option('--cases <names>', 'some of boundary; source, square; …, separated by semicolons', names)
    .option('--methods <names>', `some of ${Object.keys(methods).join('; ')}`, names)
    .option('--quick', 'coarser grids and fewer outer steps', false)
    .option('--json <file>', 'entries as JSON')
    .action(pde)
}

const names = (text: string) => text.split(';').map((name) => name.trim())

function whole(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new InvalidArgumentError('expected a whole number from 0.')
}

async function pde({ seed: first, seeds, quick, cases: some, methods: asked, json }: Options): Promise<void> {
  const backend = await loadBackend()
  const entries: Entry[] = []
  const line = (cells: string[]) =>
    console.log(
      cells
        .map((cell) => cell.padEnd(33))
        .join('')
        .trimEnd(),
    )
  const tell = (entry: Entry) => {
    entries.push(entry)
    const { error, seconds, evaluations } = entry
    const figures = [`${(100 * error).toFixed(2)} %`, `${seconds.toFixed(2)} s`, String(evaluations)]
    line([entry.case, String(entry.seed), entry.method, ...figures])
    if (json) write(json, `${JSON.stringify(entries, null, 2)}\n`)
  }
  line(['case', 'seed', 'method', 'error of the control', 'CPU time', 'hypergradients'])
  const wanted = cases(quick).filter(({ name }) => some?.includes(name) ?? true)
  const bests = new Map<string, ArrayLike<number>>()
  for (const { name, basis, adjoint } of wanted) {
    const best = adjoint(true)
    bests.set(name, best)
    const began = cpuSeconds()
    const coarse = adjoint(false)
    const seconds = cpuSeconds() - began
    const error = controlError(basis, coarse, best)
    tell({ case: name, method: 'adjoint', seed: first, error, seconds, evaluations: 0 })
  }
  for (let seed = first; seed < first + (quick ? 1 : seeds); seed++) {
    for (const one of wanted) {
      const best = bests.get(one.name) as ArrayLike<number>
      for (const method of asked ?? Object.keys(methods)) {
        tell(await runCase(backend, one, best, method, seed, quick))
      }
    }
  }
}
