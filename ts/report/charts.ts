import type { Chart, CleaningReport } from './content.ts'
import { count, percent, short } from './format.ts'
import { type Html, html, section } from './html.ts'

const BINS = 40

export function charts({ steps, charts = [], overfitting }: CleaningReport): Html | undefined {
  if (!steps || steps.length === 0 || charts.length === 0) return undefined
  const figures = charts.map(
    (chart, i) => html`<figure><h3>${chart.title}</h3>
<div class="plot" data-chart="${i}" role="img" aria-label="${chart.title} against outer step. ${inWords(chart, steps)}"></div></figure>
`,
  )
  const mark =
    overfitting !== undefined &&
    html`<p class="note">Over-fitting of the trusted set began at outer step ${overfitting} (dashed line).</p>`
  return section('Course of the run', html`<div class="plots">${figures}</div>${mark}`)
}

export function histogram(weights: CleaningReport['weights']): Html | undefined {
  if (!weights || weights.values.length === 0) return undefined
  const groups = weightGroups(weights)
  const words = groups.map(({ name, values }) => {
    const low = values.filter((value) => value < 0.5).length
    return `${name}: ${percent(low / values.length)} of ${count(values.length)} have a weight below one half.`
  })
  return section(
    'Weights',
    html`<figure><h3>Share of samples by weight</h3>
<div class="plot" data-chart="weights" role="img" aria-label="Histogram of the weights. ${words.join(' ')}"></div>
<figcaption>${words.join(' ')}</figcaption></figure>`,
  )
}

/** What the page's script draws. */
export function chartData({
  steps = [],
  charts = [],
  overfitting,
  weights,
  suspects = [],
  imageShape,
}: CleaningReport) {
  const groups = weights && weights.values.length > 0 ? weightGroups(weights) : []
  return {
    steps: Array.from(steps),
    overfitting,
    charts: charts.map(({ curves, logarithmic }) => ({
      logarithmic,
      curves: curves.map(({ name, values }) => ({ name, values: plottable(values, logarithmic) })),
    })),
    weights: groups.map(({ name, values }) => ({ name, shares: plottable(shares(values)) })),
    pictures: imageShape ? suspects.map(({ pixels }) => (pixels ? picture(pixels) : '')) : [],
  }
}

/** What a curve shows, for those who can't see it. */
function inWords({ curves }: Chart, steps: ArrayLike<number>): string {
  const sentences = curves.map(({ name, values }) => {
    const known = Array.from(values).flatMap((value, i) =>
      Number.isFinite(value) ? [{ value, step: steps[i] }] : [],
    )
    if (known.length === 0) return `${name}: no values.`
    const least = known.reduce((a, b) => (b.value < a.value ? b : a))
    const greatest = known.reduce((a, b) => (b.value > a.value ? b : a))
    const from = `${name}: ${short(known[0].value)} at step ${known[0].step}, ${short(known[known.length - 1].value)} at step ${known[known.length - 1].step}`
    return `${from}; least ${short(least.value)} at ${least.step}, greatest ${short(greatest.value)} at ${greatest.step}.`
  })
  return sentences.join(' ')
}

function weightGroups({
  values,
  wrong,
}: NonNullable<CleaningReport['weights']>): { name: string; values: number[] }[] {
  const all = Array.from(values)
  if (!wrong) return [{ name: 'All labels', values: all }]
  return [
    { name: 'True labels', values: all.filter((_, i) => !wrong[i]) },
    { name: 'Wrong labels', values: all.filter((_, i) => wrong[i]) },
  ].filter((group) => group.values.length > 0)
}

/** Six digits; a gap where there is nothing to draw. */
function plottable(values: ArrayLike<number>, logarithmic = false): (number | null)[] {
  return Array.from(values, (value) =>
    Number.isFinite(value) && !(logarithmic && value <= 0) ? Number(value.toPrecision(6)) : null,
  )
}

/** Share of the values in each of {@link BINS} equal parts of [0, 1], in per cent. */
function shares(values: readonly number[]): number[] {
  const counts = new Array<number>(BINS).fill(0)
  for (const value of values) counts[Math.min(BINS - 1, Math.max(0, Math.floor(value * BINS)))]++
  return counts.map((n) => (100 * n) / values.length)
}

/** Grey values as the page's script draws them. */
export function picture(pixels: ArrayLike<number>): string {
  return base64(greyBytes(pixels))
}

function greyBytes(pixels: ArrayLike<number>): Uint8Array {
  if (pixels instanceof Uint8Array) return pixels
  const values = Array.from(pixels)
  const least = Math.min(...values)
  const range = Math.max(...values) - least || 1
  return Uint8Array.from(values, (value) => Math.round((255 * (value - least)) / range))
}

function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''))
}
