import type { Machine } from '../harness/machine.ts'
import { type BilevelEntry, type CleaningEntry, compare, median, type Seconds, targets } from './result.ts'

/** What `--json` writes. */
export interface Report {
  readonly command: string
  readonly commit: string
  readonly machine: Machine
  /** Of each rival, 0 for as many as cores. */
  readonly threads: number
  /** CPU seconds of each bilevel run. */
  readonly budget: number
  readonly seeds: readonly number[]
  readonly quick: boolean
  /** What ours ran with. */
  readonly settings: string
  /** What the requirements pin. */
  readonly packages: readonly string[]
  readonly bilevel: readonly BilevelEntry[]
  readonly cleaning: readonly CleaningEntry[]
}

/** The report with what follows from its entries. */
export function withRatios(report: Report) {
  return { ...report, ...compare(report.bilevel) }
}

interface Table {
  readonly title: string
  readonly header: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

const ends = ['outerLoss', 'accuracy', 'auc', 'f1'] as const

function tables({ bilevel, cleaning }: Report): Table[] {
  const { ratios, bars } = compare(bilevel)
  const names = targets.map(({ name }) => name)
  const secondsTo = (title: string, clock: 'cpuTo' | 'wallTo'): Table => ({
    title,
    header: ['method', ...names],
    rows: grouped(bilevel).map(([method, runs]) => [
      method,
      ...names.map((name) => number(median(runs.map((run) => run[clock][name])), 2)),
    ]),
  })
  const over = (title: string, of: (ratio: (typeof ratios)[number]) => Seconds): Table => ({
    title,
    header: ['ours / rival', ...names],
    rows: ratios.map((ratio) => [ratio.rival, ...names.map((name) => number(of(ratio)[name], 3))]),
  })
  return [
    secondsTo('CPU seconds to', 'cpuTo'),
    over('Ratio of CPU seconds', ({ cpu }) => cpu),
    secondsTo('Wall seconds to', 'wallTo'),
    over('Ratio of wall seconds', ({ wall }) => wall),
    {
      title: 'Bars, in CPU seconds',
      header: ['target', 'best rival', 'ratio', 'bar', ''],
      rows: bars.map(({ target, rival, ratio, bar, met }) => [
        target,
        rival ?? 'none got there',
        number(ratio, 3),
        `≤ ${bar}`,
        met === null ? 'not decided' : met ? 'met' : 'missed',
      ]),
    },
    {
      title: 'At the end of the budget',
      header: ['method', 'f', 'accuracy', 'AUC', 'F1', 'steps', 'CPU ms per step'],
      rows: grouped(bilevel).map(([method, runs]) => [
        method,
        ...ends.map((end) => number(median(runs.map((run) => run[end])), end === 'accuracy' ? 4 : 3)),
        number(median(runs.map(({ steps }) => steps)), 0),
        number(median(runs.map(({ cpu, steps }) => (1000 * cpu) / steps)), 1),
      ]),
    },
    {
      title: 'Finding wrong labels, then training on the kept and the trusted',
      header: ['method', 'AUC', 'F1', 'accuracy', 'CPU s', 'wall s'],
      rows: grouped(cleaning).map(([method, runs]) => [
        method,
        ...(['auc', 'f1', 'accuracy', 'cpu', 'wall'] as const).map((key) =>
          number(median(runs.map((run) => run[key])), { accuracy: 4, cpu: 1, wall: 1, auc: 3, f1: 3 }[key]),
        ),
      ]),
    },
  ].filter(({ rows }) => rows.length > 0)
}

export function plainText(report: Report): string {
  const layout = ({ title, header, rows }: Table) => {
    const widths = header.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i].length)))
    const line = (row: readonly string[]) =>
      row.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join('  ')
    return [`\n${title}`, ...[header, ...rows].map(line)].join('\n')
  }
  return [...about(report), ...tables(report).map(layout)].join('\n')
}

export function markdown(report: Report): string {
  const line = (row: readonly string[]) => `| ${row.join(' | ')} |`
  const layout = ({ title, header, rows }: Table) =>
    [
      `## ${title}`,
      '',
      line(header),
      line(header.map((_, i) => (i ? '--:' : '---'))),
      ...rows.map(line),
    ].join('\n')
  const top = `# Against Python\n\nWritten by \`${report.command}\`.\n\n${about(report)
    .map((text) => `- ${text}`)
    .join('\n')}`
  return `${[top, ...tables(report).map(layout)].join('\n\n')}\n`
}

function about({ seeds, budget, threads, commit, machine, settings, packages, quick }: Report): string[] {
  const { processor, platform, node, simd } = machine
  const used = threads === 0 ? 'on all cores' : `on ${threads} thread${threads > 1 ? 's' : ''}`
  return [
    `MNIST, 50 % uniform noise; seeds ${seeds.join(', ')}, medians; ${budget} CPU seconds per run${quick ? '; quick: a smoke test' : ''}`,
    'seconds without evaluation, the rivals’ without compilation; – where a seed did not get there',
    `rivals ${used}: ${packages.filter((name) => /^(jax|scikit-learn|cleanlab|torch|betty-ml|torchopt)=/.test(name)).join(', ')}`,
    `ours: commit ${commit}, ${settings}`,
    `${processor}, ${platform}, ${machine.threads} threads, ${simd}, Node ${node}`,
  ]
}

function grouped<Entry extends { readonly method: string }>(entries: readonly Entry[]): [string, Entry[]][] {
  const names = [...new Set(entries.map(({ method }) => method))]
  return names.map((name) => [name, entries.filter(({ method }) => method === name)])
}

function number(x: number | null, digits: number): string {
  return x === null ? '–' : x.toFixed(digits)
}
