/** Colours are those of Okabe and Ito, told apart by the colour-blind too; dashes tell curves apart without colour. */
export const pageStyle = `
:root {
  color-scheme: light dark;
  --ground: #fff; --raised: #f5f6f7; --text: #1b1f23; --quiet: #57606a; --line: #d8dde2;
  --a: #0072b2; --b: #d55e00; --c: #007d5b; --d: #a0468c; --mark: #57606a; --best: #e3f1fa;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #111518; --raised: #1a2025; --text: #e6eaed; --quiet: #9aa5ae; --line: #313a42;
    --a: #56b4e9; --b: #f0944d; --c: #2fc296; --d: #d98cc3; --mark: #9aa5ae; --best: #14364b;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--ground); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif;
}
main { max-width: 68rem; margin: 0 auto; padding: clamp(1.25rem, 4vw, 3rem) clamp(1rem, 4vw, 2rem) 4rem; }
h1 { margin: 0; font-size: clamp(1.6rem, 1.2rem + 2vw, 2.3rem); line-height: 1.2; letter-spacing: -0.015em; text-wrap: balance; overflow-wrap: anywhere; }
h2 { margin: 0 0 0.9rem; font-size: 1.25rem; line-height: 1.3; letter-spacing: -0.01em; }
h3 { margin: 0 0 0.4rem; font-size: 0.95rem; font-weight: 600; }
section { margin-top: 2.75rem; }
figure { margin: 0; min-width: 0; }
.verdict { margin: 0.8rem 0 0; font-size: 1.1rem; max-width: 46rem; }
.note, figcaption { color: var(--quiet); font-size: 0.875rem; margin: 0.6rem 0 0; max-width: 46rem; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
small { color: var(--quiet); font-size: 0.8em; font-weight: 400; }
dl { margin: 0; }
dt { color: var(--quiet); font-size: 0.85rem; }
dd { margin: 0; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.facts { display: flex; flex-wrap: wrap; gap: 0.9rem 2.2rem; margin-top: 1.4rem; }
.facts dd { font-size: 1.3rem; font-weight: 600; line-height: 1.3; }
.list { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); column-gap: 2rem; }
.list div { display: flex; justify-content: space-between; gap: 1rem; padding: 0.3rem 0; border-bottom: 1px solid var(--line); font-size: 0.9rem; }
.list dd { text-align: right; }
.scroll { overflow-x: auto; position: relative; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 0.45rem 0.75rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
thead th { color: var(--quiet); font-size: 0.85rem; font-weight: 600; }
th:first-child { text-align: left; padding-left: 0; }
.words { text-align: left; white-space: normal; min-width: 14rem; color: var(--quiet); font-size: 0.85rem; }
tbody th { font-weight: 500; white-space: normal; min-width: 10rem; }
.scroll th:first-child { position: sticky; left: 0; background: var(--ground); }
.best { background: var(--best); font-weight: 700; }
.oracle { color: var(--quiet); }
.phases { max-width: 40rem; }
.phases tbody th { min-width: 6rem; }
.bar { width: 55%; padding-right: 0; }
.bar span { display: block; height: 0.7rem; min-width: 1px; background: var(--a); border-radius: 2px; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); gap: 1.75rem 1.75rem; }
.plot { min-height: 16rem; }
.uplot { font: inherit; }
.u-legend { text-align: left; font-size: 0.8rem; margin: 0.2rem 0 0; }
.u-legend th, .u-legend td { padding: 0 0.15rem; border: 0; font-weight: 400; }
.u-legend .u-value { font-variant-numeric: tabular-nums; min-width: 3.6em; display: inline-block; text-align: left; }
.u-legend .u-marker { width: 1.3em; height: 0; border-top-width: 3px !important; border-bottom: 0 !important; border-left: 0 !important; border-right: 0 !important; }
.gallery { list-style: none; margin: 1rem 0 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(clamp(4.6rem, 21vw, 5.6rem), 1fr)); gap: clamp(0.4rem, 1.5vw, 0.7rem); }
.gallery li { background: var(--raised); border-radius: 6px; overflow: hidden; }
.gallery canvas { display: block; width: 100%; height: auto; background: #000; image-rendering: pixelated; }
.gallery figcaption { margin: 0; padding: 0.3rem 0.45rem 0.4rem; line-height: 1.3; color: var(--text); overflow-wrap: anywhere; }
.gallery figcaption > * { display: block; }
.gallery .labels { font-size: 0.95rem; }
.gallery s { color: var(--quiet); }
.right { color: var(--c); font-size: 0.8rem; }
.wrong { color: var(--b); font-size: 0.8rem; }
pre { margin: 0; padding: 0.9rem 1rem; overflow-x: auto; background: var(--raised); border-radius: 6px; font-size: 0.875rem; }
:focus-visible { outline: 2px solid var(--a); outline-offset: 2px; }
@media (max-width: 40rem) { tr:has(.words) { display: flex; flex-wrap: wrap; border-bottom: 1px solid var(--line); } tr:has(.words) > * { flex: 1 1 4rem; min-width: 0; border: 0; } tr:has(.words) .words { flex-basis: 100%; padding-left: 0; } }
@media (max-width: 40rem) { th, td { padding: 0.4rem 0.5rem; } tbody th { min-width: 8rem; } .bar { width: 40%; } }
@media print { .gallery li, figure { break-inside: avoid; } }
`

/** Draws the charts and the pictures from the page's data; a browser's own words, so no TypeScript. */
export const pageScript = `
'use strict'
const report = JSON.parse(document.getElementById('report').textContent)
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()
const colours = ['a', 'b', 'c', 'd']
const dashes = [[], [7, 4], [2, 3], [10, 3, 2, 3]]
const font = '12px system-ui, sans-serif'
const plots = []

const axis = (more) => ({
  stroke: () => colour('quiet'), font, labelFont: font, labelGap: 0, labelSize: 18, gap: 6,
  grid: { stroke: () => colour('line'), width: 1 }, ticks: { show: false }, ...more,
})
const digits = (value) => value == null ? '–' : String(Number(value.toPrecision(4)))

const markOverfitting = (plot) => {
  if (report.overfitting === undefined) return
  const { ctx, bbox } = plot
  const x = Math.round(plot.valToPos(report.overfitting, 'x', true)) + 0.5
  ctx.save()
  ctx.strokeStyle = colour('mark')
  ctx.lineWidth = devicePixelRatio
  ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio])
  ctx.beginPath()
  ctx.moveTo(x, bbox.top)
  ctx.lineTo(x, bbox.top + bbox.height)
  ctx.stroke()
  ctx.restore()
}

const draw = (place, options, data) => {
  const size = () => ({ width: place.clientWidth, height: 250 })
  const plot = new uPlot({ ...size(), ...options }, data, place)
  plots.push(plot)
  new ResizeObserver(() => plot.setSize(size())).observe(place)
}

const line = (curve, i) => ({
  label: curve.name, stroke: () => colour(colours[i % 4]), width: 2, dash: dashes[i % 4], points: { show: report.steps.length === 1 },
  spanGaps: true, value: (_, value) => digits(value),
})

const drawCurves = (place, chart) => draw(place, {
  scales: { x: { time: false }, y: chart.logarithmic ? { distr: 3 } : {} },
  axes: [axis({ label: 'outer step', size: 24 }), axis({
    size: 58, values: (_, ticks) => ticks.map((tick) => tick == null ? '' : digits(tick)),
  })],
  series: [{ label: 'step', value: (_, value) => digits(value) }, ...chart.curves.map(line)],
  cursor: { sync: { key: 'step' }, y: false },
  hooks: { draw: [markOverfitting] },
}, [report.steps, ...chart.curves.map((curve) => curve.values)])

const drawWeights = (place, groups) => {
  const bins = groups[0].shares.length
  const edges = Array.from({ length: bins + 1 }, (_, i) => i / bins)
  draw(place, {
    scales: { x: { time: false, range: [0, 1] }, y: { range: (_, least, most) => [0, most * 1.05 || 1] } },
    axes: [axis({ label: 'weight', size: 24 }), axis({ size: 58, values: (_, ticks) => ticks.map((tick) => tick + ' %') })],
    series: [{ label: 'weight', value: (_, value) => digits(value) }, ...groups.map((group, i) => ({
      ...line(group, i), points: { show: false }, fill: () => colour(colours[i]) + '33', paths: uPlot.paths.stepped({ align: 1 }),
      value: (_, value) => value == null ? '–' : value.toFixed(1) + ' %',
    }))],
    cursor: { y: false },
  }, [edges, ...groups.map((group) => [...group.shares, group.shares[bins - 1]])])
}

const drawPicture = (canvas, text) => {
  const context = canvas.getContext('2d')
  const picture = context.createImageData(canvas.width, canvas.height)
  const grey = atob(text)
  for (let i = 0; i < grey.length; i++) picture.data.fill(grey.charCodeAt(i), 4 * i, 4 * i + 3)[4 * i + 3] = 255
  context.putImageData(picture, 0, 0)
}

for (const place of document.querySelectorAll('[data-chart]')) {
  const { chart } = place.dataset
  if (chart === 'weights') drawWeights(place, report.weights)
  else drawCurves(place, report.charts[Number(chart)])
}
for (const canvas of document.querySelectorAll('[data-picture]')) {
  drawPicture(canvas, report.pictures[Number(canvas.dataset.picture)])
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const plot of plots) plot.redraw(false, true)
})
`
