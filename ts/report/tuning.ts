import { chartData, charts } from './charts.ts'
import { short } from './format.ts'
import { type Html, html, type Plotter, page, section } from './html.ts'

interface Score {
  readonly value: number
  readonly standardError: number
}

/** What a search found, of `TuneRegularizationResult`. */
export interface TunedModel {
  readonly losses: { readonly chosen: Score; readonly ridge: Score; readonly none: Score }
  readonly path: readonly {
    readonly step: number
    readonly loss: number
    readonly power: number
    readonly heldOutLoss?: number
  }[]
  readonly coefficients: readonly {
    readonly feature: number
    readonly output: number
    readonly value: number
    readonly standardized: number
  }[]
  readonly leftOut: readonly number[]
  readonly heldOut: Float64Array
}

/** What a report on a tuned penalty tells. */
export interface TuningReport {
  readonly title: string
  /** What was found, in sentences, up to the first empty one. */
  readonly sentences: readonly string[]
  readonly result: TunedModel
  /** The true targets, or classes. */
  readonly values: Float64Array
  readonly classes?: readonly string[]
  /** Names of the targets where there are several: `values` has a row of them per sample. */
  readonly targets?: readonly string[]
  /** The name of a feature. */
  nameOf(feature: number): string
}

/** One self-contained page of HTML, like that of cleaning. */
export function renderTuningReport(report: TuningReport, plotter: Plotter): string {
  const { title, sentences, result, classes } = report
  const end = sentences.indexOf('')
  const { path } = result
  const held = path.some(({ heldOutLoss }) => heldOutLoss !== undefined)
  const drawn = {
    title,
    steps: path.map(({ step }) => step),
    charts: [
      {
        title: 'Loss on rows that were held out',
        curves: [
          { name: 'folds', values: path.map(({ loss }) => loss) },
          ...(held
            ? [{ name: 'further rows', values: path.map((point) => point.heldOutLoss ?? Number.NaN) }]
            : []),
        ],
      },
      { title: 'Exponent', curves: [{ name: 'q', values: path.map(({ power }) => power) }] },
    ],
  }
  const content = [
    losses(result),
    ...(result.coefficients.length > 0 ? [coefficients(report)] : []),
    ...(classes ? [confusion(report, classes)] : scatters(report)),
    charts(drawn),
  ]
  const told = sentences.slice(0, end < 0 ? undefined : end)
  return page({ title, sentences: told }, plotter, content, chartData(drawn))
}

/** Four digits, as losses are compared. */
const digits = (value: number) => String(Number(value.toPrecision(4)))

function losses({ losses: { chosen, ridge, none } }: TunedModel): Html {
  const row = (name: string, { value, standardError }: Score) =>
    html`<tr><th scope="row">${name}</th><td>${digits(value)}</td><td>± ${digits(standardError)}</td></tr>\n`
  return section(
    'Loss on rows that were held out',
    html`<table class="phases"><thead><tr><th scope="col">Penalty</th><th scope="col">Loss</th><th scope="col">Standard error</th></tr></thead>
<tbody>
${row('chosen', chosen)}${row('one ridge penalty', ridge)}${row('none', none)}</tbody></table>`,
  )
}

function coefficients({ result, classes, targets = [], nameOf }: TuningReport): Html {
  const { coefficients: all, leftOut } = result
  const left = new Set(leftOut)
  const shown = all.filter(({ feature }) => !left.has(feature)).slice(0, 30)
  const largest = Math.max(...shown.map(({ standardized }) => Math.abs(standardized)), Number.MIN_VALUE)
  const outputs = classes && classes.length > 2 ? classes : targets
  const several = outputs.length > 1
  const rows = shown.map(
    ({ feature, output, value, standardized }) =>
      html`<tr><th scope="row">${nameOf(feature)}</th>${several && html`<td>${outputs[output]}</td>`}<td>${short(value)}</td><td>${short(standardized)}</td><td class="bar"><span style="width:${((100 * Math.abs(standardized)) / largest).toFixed(1)}%"></span></td></tr>\n`,
  )
  return section(
    'The largest coefficients',
    html`<div class="scroll" tabindex="0" role="region" aria-label="The largest coefficients"><table>
<thead><tr><th scope="col">Column</th>${several && html`<th scope="col">${classes ? 'Class' : 'Target'}</th>`}<th scope="col">Coefficient</th><th scope="col">Standardized</th><td></td></tr></thead>
<tbody>
${rows}</tbody></table></div>
<p class="note">${leftOut.length === 0 ? 'No column was left out.' : `Left out: ${leftOut.map(nameOf).slice(0, 60).join(', ')}${leftOut.length > 60 ? ` and ${leftOut.length - 60} more` : ''}.`}</p>`,
  )
}

/** A picture per target. */
function scatters({ result: { heldOut }, values, targets = [''] }: TuningReport): Html[] {
  return targets.map((name, c) => {
    const own = (all: Float64Array) => all.filter((_, k) => k % targets.length === c)
    return scatter(own(heldOut), own(values), targets.length > 1 ? `: ${name}` : '')
  })
}

/** Predicted against true values, at most 2000 of them, as a picture. */
function scatter(heldOut: Float64Array, values: Float64Array, of: string): Html {
  const step = Math.ceil(values.length / 2000)
  const points = Array.from(values.keys()).filter((i) => i % step === 0 && Number.isFinite(heldOut[i]))
  const all = points.flatMap((i) => [values[i], heldOut[i]])
  const [low, high] = [Math.min(...all), Math.max(...all)]
  const at = (x: number) => (100 * (x - low)) / (high - low || 1)
  const dots = points.map(
    (i) => html`<circle cx="${at(values[i]).toFixed(2)}" cy="${(100 - at(heldOut[i])).toFixed(2)}" r="0.7"/>`,
  )
  return section(
    `Predicted against true${of}`,
    html`<figure><svg viewBox="-2 -2 104 104" width="100%" style="max-width:30rem" role="img" aria-label="Predictions of rows that were held out against their true values, from ${short(low)} to ${short(high)}"><rect x="0" y="0" width="100" height="100" fill="none" stroke="var(--line)" stroke-width="0.4"/><line x1="0" y1="100" x2="100" y2="0" stroke="var(--mark)" stroke-width="0.4" stroke-dasharray="2 2"/><g fill="var(--a)" fill-opacity="0.6">${dots}</g></svg>
<figcaption>Each point is a row that was held out: its true value to the right, its prediction upwards, both from ${short(low)} to ${short(high)}. On the dashed line they are equal.</figcaption></figure>`,
  )
}

function confusion({ result: { heldOut }, values }: TuningReport, classes: readonly string[]): Html {
  const counts = classes.map(() => classes.map(() => 0))
  for (const [i, predicted] of heldOut.entries()) {
    if (Number.isFinite(predicted)) counts[values[i]][predicted]++
  }
  const rows = counts.map(
    (row, c) =>
      html`<tr><th scope="row">${classes[c]}</th>${row.map((count, p) => html`<td${p === c && html` class="best"`}>${count}</td>`)}</tr>\n`,
  )
  return section(
    'Predicted against true',
    html`<div class="scroll" tabindex="0" role="region" aria-label="Predicted against true"><table>
<thead><tr><th scope="col">True</th>${classes.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>
${rows}</tbody></table></div>
<p class="note">Rows that were held out, by their true class and the predicted one.</p>`,
  )
}
