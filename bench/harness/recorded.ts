import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { replaceFile } from '../../ts/backend/files.ts'
import type { Entry } from './measure.ts'
import { markdown, type Report, short } from './report.ts'

const folder = new URL('../results/', import.meta.url)
const fileOf = (name: string) => fileURLToPath(new URL(name, folder))

/** A processor in the name of a file: `Intel(R) Xeon(R) Processor` is `intel-xeon`. */
export function nameOf(processor: string): string {
  const plain = processor
    .toLowerCase()
    .replace(/\((r|tm|c)\)|@.*$|\b(cpu|processor|\d+-core)\b/g, ' ')
    .replace(/[^a-z0-9]+/g, '-')
  return plain.replace(/^-|-$/g, '') || 'unknown'
}

/** Writes the figures and the table of a run beside those of other processors, and the page of all. */
export async function record(report: Report): Promise<void> {
  const name = `kernels-${nameOf(report.machine.processor)}`
  await replaceFile(fileOf(`${name}.json`), `${JSON.stringify(report, null, 2)}\n`)
  await replaceFile(fileOf(`${name}.md`), markdown(report))
  await replaceFile(fileOf('README.md'), summary(recorded()))
}

/** The runs that are recorded, by the name of the processor. */
function recorded(): Report[] {
  const files = readdirSync(folder).filter((file) => /^kernels-.*\.json$/.test(file))
  return files.sort().map((file) => JSON.parse(readFileSync(fileOf(file), 'utf8')))
}

/** Of each row the worst ratio, and the processor on which it was measured. */
export function worst(reports: readonly Report[]): { readonly entry: Entry; readonly processor: string }[] {
  const found = new Map<string, { entry: Entry; processor: string }>()
  for (const { machine, entries } of reports) {
    for (const entry of entries) {
      const before = found.get(entry.name)?.entry.ratio
      if (before === undefined || (entry.ratio ?? -1) > (before ?? -1)) {
        found.set(entry.name, { entry, processor: machine.processor })
      }
    }
  }
  return [...found.values()]
}

/** The page of all recorded processors. */
export function summary(reports: readonly Report[]): string {
  const several = reports.length > 1
  const cells = (row: readonly string[]) => `| ${row.join(' | ')} |`
  const titles = ['row', 'rival', 'ratio', 'bar', ...(several ? ['processor'] : [])]
  const rows = worst(reports).map(({ entry, processor }) => {
    const { name, rival, ratio, bar } = entry
    const missed = ratio !== null && bar !== null && ratio > bar ? ', missed' : ''
    const limit = bar === null ? '' : `≤ ${Number(bar.toPrecision(3))}${missed}`
    return [name, rival, short(ratio), limit, ...(several ? [processor] : [])]
  })
  return [
    '# Benchmarks',
    '',
    'Written by `npm run bench -- --record`, which also writes the figures and the table of its own processor. A ratio is our',
    'time over the rival’s: below 1 we are faster. Of each row the worst ratio of the recorded processors stands here:',
    '',
    ...reports.map(({ machine: { processor, simd }, commit }) => {
      const page = `kernels-${nameOf(processor)}`
      return `- [${processor}](${page}.md), ${simd}, at commit ${commit} ([figures](${page}.json))`
    }),
    '',
    cells(titles),
    cells(titles.map((_, i) => (i < 2 || i > 3 ? '---' : '--:'))),
    ...rows.map(cells),
    '',
  ].join('\n')
}
