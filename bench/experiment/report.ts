import { Html, html, json, script, section } from '../../ts/report/html.ts'
import { loadPlotter } from '../../ts/report/index.ts'
import { type Job, type Run, thresholds } from './job.ts'

/** A run without its curve. */
export function entry({ curve: _, ...rest }: Run): Omit<Run, 'curve'> {
  return rest
}

/** One line per run. */
export function csv(runs: readonly Run[]): string {
  const rows = runs.map((run) => {
    const { secondsTo, calls, ...plain } = entry(run)
    const times = Object.entries(secondsTo).flatMap(([what, levels]) =>
      Object.entries(levels).map(([level, s]) => [`seconds to ${what} ${level}`, s]),
    )
    const counts = Object.entries(calls ?? {}).flatMap(([kind, { calls, samples }]) => [
      [`${kind} calls`, calls],
      [`${kind} samples`, samples],
    ])
    return Object.fromEntries([...Object.entries(plain), ...times, ...counts])
  })
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  const lines = rows.map((row) => columns.map((column) => row[column] ?? '').join(','))
  return `${columns.join(',')}\n${lines.join('\n')}\n`
}

const header = [
  'method',
  'runs',
  ...thresholds.f.map((f) => `s to f ≤ ${f}`),
  ...thresholds.accuracy.map((a) => `s to ${a}`),
  'accuracy',
  'F1',
  'AUC',
  'f',
  'steps',
  'CPU s',
  'MB',
]

/** What was cleaned, in words. */
export function cellOf({ dataset, noise, kind, trusted, weighting }: Run): string {
  return `${dataset}, ${Math.round(100 * noise)} % ${kind} noise, ${trusted} trusted, ${weighting}`
}

/** Means and deviations over seeds, one row per cell and method. The method that is first to reach f ≤ 0.30 comes first. */
function summary(runs: readonly Run[]): { title: string; rows: string[][] }[] {
  return [...group(runs, cellOf)].map(([title, inCell]) => {
    const rows = [...group(inCell, (run) => run.method)].map(([method, all]) => {
      const of = (pick: (run: Run) => number | null | undefined, digits: number) =>
        spread(all.map(pick), digits)
      return [
        method,
        String(all.length),
        ...thresholds.f.map((f) => of((run) => run.secondsTo.f[f], 2)),
        ...thresholds.accuracy.map((a) => of((run) => run.secondsTo.accuracy[a], 2)),
        of((run) => run.accuracy, 4),
        of((run) => run.f1, 3),
        of((run) => run.auc, 3),
        of((run) => run.outerLoss, 3),
        of((run) => run.steps, 0),
        of((run) => run.cpu, 1),
        of((run) => run.peakMemory / 1e6, 0),
      ]
    })
    const key = (row: string[]) => Number.parseFloat(row[header.indexOf('s to f ≤ 0.30')])
    const order = (row: string[]) =>
      Number.isNaN(key(row)) ? 1e6 + (Number.parseFloat(row[header.indexOf('f')]) || 1e6) : key(row)
    return { title, rows: rows.sort((a, b) => order(a) - order(b)) }
  })
}

/** The tables as text. */
export function table(runs: readonly Run[]): string {
  return summary(runs)
    .map(({ title, rows }) => {
      const widths = header.map((name, i) => Math.max(name.length, ...rows.map((row) => row[i].length)))
      const line = (row: readonly string[]) =>
        row
          .map((cell, i) => cell.padEnd(widths[i]))
          .join('  ')
          .trimEnd()
      return [`\n${title}`, line(header), ...rows.map(line)].join('\n')
    })
    .join('\n')
}

/** `mean ± deviation` if every run has a value, the mean and the number of values if some lack one, a dash if all do. */
function spread(values: readonly (number | null | undefined)[], digits: number): string {
  const known = values.filter((x): x is number => typeof x === 'number' && Number.isFinite(x))
  if (known.length === 0) return '–'
  const middle = mean(known)
  const text = middle.toFixed(digits)
  if (known.length < values.length) return `${text} (${known.length} of ${values.length})`
  if (known.length === 1) return text
  const variance = known.reduce((sum, x) => sum + (x - middle) ** 2, 0) / (known.length - 1)
  return `${text} ± ${Math.sqrt(variance).toFixed(digits)}`
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length
}

export function group<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const name = key(item)
    groups.set(name, [...(groups.get(name) ?? []), item])
  }
  return groups
}

interface PageOptions {
  readonly clock: Job['clock']
  readonly command: string
  /** The grid, and the candidates that were chosen from it. */
  readonly steps: readonly string[]
  /** Where the default method is not the best. */
  readonly losses: readonly string[]
}

/** The tables, and the curves of the first seed in the first cell, against time and against samples. */
export function page(runs: readonly Run[], { clock, command, steps, losses }: PageOptions): string {
  const [first] = runs
  const drawn = runs.filter((run) => run.seed === 0 && run.curve.length > 0 && cellOf(run) === cellOf(first))
  const charts = (['f', 'accuracy'] as const).flatMap((y) =>
    ([clock, 'samples'] as const).map((x) => ({
      title: `${y} against ${x === 'samples' ? 'samples that oracles were asked about' : `${x} seconds`}`,
      curves: drawn.map(({ method, curve }) => ({
        method,
        x: curve.map((look) => look[x]),
        y: curve.map((look) => look[y]),
      })),
    })),
  )
  const { script: plot, style } = loadPlotter()
  const tables = summary(runs).map(({ title, rows }) => {
    const cells = (row: readonly string[]) => row.map((cell) => html`<td>${cell}</td>`)
    return section(
      title,
      html`<div class="scroll"><table><thead><tr>${header.map((name) => html`<th>${name}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${cells(row)}</tr>\n`)}</tbody></table></div>`,
    )
  })
  const body = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Methods on equal budgets</title><style>${new Html(style + pageStyle)}</style></head><body><main>
<h1>Methods on equal budgets</h1>
<p>Mean ± deviation over seeds; seconds are ${clock} time without evaluation, which is every 0.1 s or after an outer step
that takes longer. MB is the peak of the process, the data sets included. f is the loss on all trusted samples.</p>
<pre>${command}</pre>
${section('Where the default method is not the best', html`<ul>${losses.map((loss) => html`<li>${loss}</li>\n`)}</ul>`)}
${tables}
${section('Curves, seed 0', html`<div class="plots">${charts.map((chart) => html`<figure><figcaption>${chart.title}</figcaption><div class="plot"></div></figure>`)}</div>`)}
${section('The grid, → what was chosen with seed 0', html`<pre>${steps.join('\n')}</pre>`)}
</main>${json('charts', charts)}${script(plot)}${script(pageScript)}</body></html>
`
  return body.markup
}

const pageStyle = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 0; } main { max-width: 80rem; margin: auto; padding: 2rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; } pre { overflow-x: auto; background: #f5f6f7; padding: 1rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(30rem, 1fr)); gap: 2rem; } figure { margin: 0; }
`

const pageScript = `
'use strict'
const charts = JSON.parse(document.getElementById('charts').textContent)
document.querySelectorAll('.plot').forEach((place, i) => {
  const { curves } = charts[i]
  new uPlot({
    width: place.clientWidth, height: 340, scales: { x: { time: false } },
    series: [{}, ...curves.map(({ method }, k) => ({
      label: method, spanGaps: true, stroke: 'hsl(' + (k * 360) / curves.length + ' 70% 42%)', width: 2,
      dash: [[], [8, 4], [2, 3]][k % 3], points: { show: false },
    }))],
  }, uPlot.join(curves.map((curve) => [curve.x, curve.y])), place)
})
`
