import { Command, InvalidArgumentError } from 'commander'
import { loadBackend } from '../../../ts/backend/load.ts'
import { write } from '../jobs.ts'
import { cases, controlError } from './cases.ts'
import { cpuSeconds, type Entry, methods, runCase } from './run.ts'

interface Options {
  readonly seed: number
  readonly quick: boolean
  readonly cases?: string[]
  readonly json?: string
}

/** `npm run experiment -- pde`. */
export function pdeCommand(): Command {
  return new Command('pde')
    .description(
      'controls and coefficients of differential equations, beside a solver of the adjoint equation',
    )
    .option('--seed <n>', 'the seed of the networks', whole, 0)
    .option('--cases <names>', 'some of boundary; source, square; …, separated by semicolons', (text) =>
      text.split(';').map((name) => name.trim()),
    )
    .option('--quick', 'coarser grids and fewer outer steps', false)
    .option('--json <file>', 'entries as JSON')
    .action(pde)
}

function whole(text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new InvalidArgumentError('expected a whole number from 0.')
}

async function pde({ seed, quick, cases: names, json }: Options): Promise<void> {
  const backend = await loadBackend()
  const entries: Entry[] = []
  const tell = (entry: Entry) => {
    entries.push(entry)
    const { error, seconds, evaluations } = entry
    const figures = [`${(100 * error).toFixed(2)} %`, `${seconds.toFixed(2)} s`, String(evaluations)]
    console.log(
      [entry.case, entry.method, ...figures]
        .map((cell) => cell.padEnd(26))
        .join('')
        .trimEnd(),
    )
  }
  console.log(
    ['case', 'method', 'error of the control', 'CPU time', 'hypergradients']
      .map((x) => x.padEnd(26))
      .join(''),
  )
  for (const one of cases(quick)) {
    if (names && !names.includes(one.name)) continue
    const best = one.adjoint(true)
    const began = cpuSeconds()
    const coarse = one.adjoint(false)
    const seconds = cpuSeconds() - began
    tell({
      case: one.name,
      method: 'adjoint',
      seed,
      error: controlError(one.basis, coarse, best),
      seconds,
      evaluations: 0,
    })
    for (const method of Object.keys(methods)) tell(await runCase(backend, one, best, method, seed, quick))
  }
  if (json) write(json, `${JSON.stringify(entries, null, 2)}\n`)
}
