import type { Quality, Result } from './run.ts'

const figures = ['accuracy', 'auc', 'f1'] as const
type Figure = (typeof figures)[number]

/** A mean of paired differences, and twice its standard error. */
export interface Difference {
  readonly mean: number
  readonly interval: number
}

/** A cell's draws: our means, and the differences from the best rival and from our start. */
export interface Summary {
  readonly cell: string
  readonly checked: number
  readonly draws: number
  readonly ours: Quality
  /** By figure: the rival that is best on average, and ours minus it. */
  readonly best: Readonly<Record<Figure, { readonly rival: string } & Difference>>
  readonly start: Readonly<Record<Figure, Difference>>
  readonly confirmed: number
  readonly seconds: number
}

export function paired(a: readonly number[], b: readonly number[]): Difference {
  const differences = a.map((x, i) => x - b[i])
  const average = mean(differences)
  const variance = differences.reduce((sum, d) => sum + (d - average) ** 2, 0) / Math.max(1, a.length - 1)
  return { mean: average, interval: 2 * Math.sqrt(variance / a.length) }
}

export function summaries(results: readonly Result[]): Summary[] {
  const cells = new Map<string, Result[]>()
  for (const result of results) cells.set(nameOf(result), [...(cells.get(nameOf(result)) ?? []), result])
  return Array.from(cells, ([cell, runs]) => {
    const of = (pick: (run: Result) => Quality) => (figure: Figure) => runs.map((run) => pick(run)[figure])
    const ours = of((run) => run.ours)
    const rivals = Object.keys(runs[0].rivals)
    const best = (figure: Figure) => {
      const means = rivals.map((rival) => mean(of((run) => run.rivals[rival])(figure)))
      const rival = rivals[means.indexOf(Math.max(...means))]
      return { rival, ...paired(ours(figure), of((run) => run.rivals[rival])(figure)) }
    }
    const each = <T>(value: (figure: Figure) => T) =>
      Object.fromEntries(figures.map((figure) => [figure, value(figure)])) as Record<Figure, T>
    return {
      cell,
      checked: runs[0].checked,
      draws: runs.length,
      ours: each((figure) => mean(ours(figure))),
      best: each(best),
      start: each((figure) => paired(ours(figure), of((run) => run.start)(figure))),
      confirmed: runs.filter((run) => run.confirmed).length,
      seconds: mean(runs.map((run) => run.seconds)),
    }
  })
}

/** What sums of accuracies may miss by rounding. */
const rounding = 1e-9

/** The mean of the cells' differences, paired by cell. */
export function average(all: readonly Summary[], against: 'best' | 'start', figure: Figure): Difference {
  const means = all.map((summary) => summary[against][figure].mean)
  return paired(
    means,
    means.map(() => 0),
  )
}

/** What a difference may be at the least, beyond its interval. */
const bars = {
  enough: { accuracy: 0.008, auc: 0.002, f1: 0.01 },
  few: { accuracy: 0.03, auc: 0.03, f1: 0.03 },
}

/** The cells as a table, and what was missed. */
export function report(all: readonly Summary[]): string {
  const show = ({ mean, interval }: Difference) =>
    `${mean >= 0 ? '+' : ''}${mean.toFixed(4)} ± ${interval.toFixed(4)}`
  const rows = all.map(({ cell, draws, ours, best, start, seconds }) =>
    [
      cell,
      draws,
      ...figures.map((figure) => ours[figure].toFixed(4)),
      ...figures.map((figure) => `${show(best[figure])} (${best[figure].rival})`),
      ...figures.map((figure) => show(start[figure])),
      seconds.toFixed(1),
    ].join(' | '),
  )
  const head = [
    'cell | draws | accuracy | AUC | F1 | accuracy − best rival | AUC − best rival | F1 − best rival | accuracy − start | AUC − start | F1 − start | seconds',
    '---|--:|--:|--:|--:|---|---|---|---|---|---|--:',
  ]
  const missed = all.flatMap(({ cell, checked, best, start }) => {
    const bar = checked >= 200 ? bars.enough : bars.few
    return figures.flatMap((figure) => [
      ...(best[figure].mean + best[figure].interval < -bar[figure]
        ? [`${cell}: ${figure} is ${show(best[figure])} from ${best[figure].rival}`]
        : []),
      ...(start[figure].mean < -0.002 - rounding
        ? [`${cell}: ${figure} is ${show(start[figure])} from its start`]
        : []),
    ])
  })
  const averages = ([200, 0] as const).map((from) => {
    const those = all.filter(({ checked }) => (from === 0 ? checked < 200 : checked >= from))
    if (those.length === 0) return ''
    const name = from ? '200 and more' : 'fewer'
    const each = (against: 'best' | 'start') =>
      figures.map((figure) => {
        const difference = average(those, against, figure)
        // With few checked rows level with the best rival is enough.
        if (against === 'start' || from ? difference.mean <= 0 : difference.mean + difference.interval < 0) {
          const other = against === 'start' ? 'the start' : 'the best rival'
          missed.push(`${name} checked rows: ${figure} is on average ${show(difference)} from ${other}`)
        }
        const t = those.length > 1 ? ` (t = ${((2 * difference.mean) / difference.interval).toFixed(1)})` : ''
        return `${figure} ${show(difference)}${t}`
      })
    return `${name} checked rows, average over ${those.length} cells: against the best rival ${each('best').join(', ')}; against the start ${each('start').join(', ')}`
  })
  const said =
    missed.length > 0 ? `Missed:\n${missed.map((line) => `- ${line}`).join('\n')}` : 'Nothing is missed.'
  return [...head, ...rows, '', ...averages.filter(Boolean), '', said].join('\n')
}

function nameOf({ set, kind, rate, checked }: Result): string {
  return kind === 'real' ? `${set} ${checked}` : `${set} ${kind} ${Math.round(100 * rate)} % ${checked}`
}

function mean(all: readonly number[]): number {
  return all.reduce((sum, x) => sum + x, 0) / all.length
}
