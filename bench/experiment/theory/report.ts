import { Html, html, json, script, section } from '../../../ts/report/html.ts'
import { loadPlotter } from '../../../ts/report/index.ts'
import { pageStyle } from '../../../ts/report/page.ts'
import type { Claim, Part } from './claim.ts'

const header = ['claim', 'theory', 'measured', '95 % interval', 'verdict']

function cells({ claim, expected, measured, verdict }: Claim): string[] {
  const { value, low, high } = measured
  return [claim, expected, short(value), `${short(low)} to ${short(high)}`, verdict]
}

function short(x: number): string {
  return Math.abs(x) >= 100 ? x.toPrecision(3) : x.toFixed(2)
}

/** The claims as Markdown tables. */
export function theoryMarkdown(parts: readonly Part[]): string {
  const line = (row: readonly string[]) => `| ${row.join(' | ')} |`
  const table = ({ title, setting, claims }: Part) =>
    [
      `## ${title}`,
      '',
      setting,
      '',
      line(header),
      line(header.map(() => '---')),
      ...claims.map((claim) => line(cells(claim))),
    ].join('\n')
  return `${parts.map(table).join('\n\n')}\n`
}

/** The claims and their pictures on one page. */
export function theoryPage(parts: readonly Part[], command: string): string {
  const { script: plot, style } = loadPlotter()
  const charts = parts.flatMap((part) => part.charts)
  const body = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>The paper’s claims, measured</title><style>${new Html(style + pageStyle)}</style></head><body><main>
<h1>The paper’s claims, measured</h1>
<pre>${command}</pre>
${parts.map(({ title, setting, claims, charts }) =>
  section(
    title,
    html`<p>${setting}</p>
<div class="scroll"><table><thead><tr>${header.map((name) => html`<th>${name}</th>`)}</tr></thead>
<tbody>${claims.map((claim) => html`<tr>${row(claim)}</tr>\n`)}</tbody></table></div>
<div class="plots">${charts.map((chart) => html`<figure><figcaption>${chart.title}, against ${chart.x}</figcaption><div class="plot"></div></figure>`)}</div>`,
  ),
)}
</main>${json('charts', charts)}${script(plot)}${script(pageScript)}</body></html>
`
  return body.markup
}

function row(claim: Claim): Html[] {
  const [name, ...rest] = cells(claim)
  return [html`<th scope="row">${name}</th>`, ...rest.map((cell) => html`<td>${cell}</td>`)]
}

/** Both axes are logarithmic. */
const pageScript = `
'use strict'
const charts = JSON.parse(document.getElementById('charts').textContent)
const ink = getComputedStyle(document.body).color
const axis = { stroke: ink, grid: { stroke: 'rgba(128, 128, 128, 0.2)' } }
document.querySelectorAll('.plot').forEach((place, i) => {
  const { curves } = charts[i]
  new uPlot({
    width: place.clientWidth, height: 320, axes: [axis, { ...axis, size: 70 }],
    scales: { x: { time: false, distr: 3 }, y: { distr: 3 } },
    series: [{}, ...curves.map(({ name }, k) => ({
      label: name, spanGaps: true, stroke: 'hsl(' + (k * 360) / curves.length + ' 70% 45%)', width: 2,
      dash: [[], [8, 4], [2, 3]][k % 3], points: { show: true },
    }))],
  }, uPlot.join(curves.map((curve) => [curve.x, curve.y])), place)
})
`
