import { chartData, charts, histogram } from './charts.ts'
import type { CleaningReport, Confusion, MethodResult, SuspectLabel } from './content.ts'
import { count, figure, MISSING, short } from './format.ts'
import { type Html, html, type Plotter, page, section } from './html.ts'

const METRICS = [
  ['accuracy', 'Accuracy'],
  ['auc', 'AUC'],
  ['precision', 'Precision'],
  ['recall', 'Recall'],
  ['f1', 'F1'],
] as const

/** One self-contained page of HTML: no network, light and dark, wide and narrow. All text in `report` is escaped. */
export function renderCleaningReport(report: CleaningReport, plotter: Plotter): string {
  const { title, facts, suspects = [], phases, settings, environment, command } = report
  const content = [
    confusionTable(report.confusions),
    suspects.length > 0 && gallery(suspects, report.imageShape),
    methodTable(report.methods),
    charts(report),
    histogram(report.weights),
    phases && phaseTable(phases),
    environment && section('Machine', html`<dl class="list">${pairs(environment)}</dl>`),
    settings && section('Settings', html`<dl class="list">${pairs(flatten(settings))}</dl>`),
    command !== undefined && section('Command', html`<pre tabindex="0"><code>${command}</code></pre>`),
  ]
  const list = facts && html`<dl class="facts">${pairs(facts)}</dl>`
  return page({ title, sentences: report.summary, facts: list }, plotter, content, chartData(report))
}

/** One plain sentence: who is best, and by how much. */
function verdict(methods: readonly MethodResult[] = []): Html | undefined {
  const metric = METRICS.find(([key]) => rivals(methods, key).length > 0)
  if (!metric) return undefined
  const [key, label] = metric
  const [first, second] = rivals(methods, key)
  const value = figure(first[key])
  const ahead = second && (first[key] ?? 0) - (second[key] ?? 0)
  const lead =
    second &&
    (figure(ahead) === figure(0)
      ? html`, level with ${second.name}`
      : html`, ${figure(ahead)} above ${second.name} (${figure(second[key])})`)
  return html`<p class="verdict"><strong>${first.name}</strong> is best by ${label === 'AUC' || label === 'F1' ? label : label.toLowerCase()}: ${value}${lead}.</p>`
}

/** Methods that may win by `key`, best first. */
function rivals(
  methods: readonly MethodResult[],
  key: keyof MethodResult & (typeof METRICS)[number][0],
): MethodResult[] {
  const known = methods.filter((method) => !method.oracle && Number.isFinite(method[key]))
  return known.sort((a, b) => (b[key] ?? 0) - (a[key] ?? 0))
}

function methodTable(methods: readonly MethodResult[] = []): Html | undefined {
  if (methods.length === 0) return undefined
  const shown = METRICS.filter(([key]) => methods.some((method) => method[key] !== undefined))
  const timed = methods.some((method) => method.seconds !== undefined)
  const best = new Map(shown.map(([key]) => [key, figure(rivals(methods, key)[0]?.[key])]))
  const rows = methods.map((method) => {
    const cells = shown.map(([key]) => {
      const value = figure(method[key])
      const wins = !method.oracle && value !== MISSING && value === best.get(key)
      return wins
        ? html`<td class="best">${value}<span class="hidden"> (best)</span></td>`
        : html`<td>${value}</td>`
    })
    const oracle = method.oracle && html` <small>(oracle)</small>`
    const seconds =
      timed && html`<td>${method.seconds === undefined ? MISSING : method.seconds.toFixed(1)}</td>`
    return html`<tr${method.oracle && html` class="oracle"`}><th scope="row">${method.name}${oracle}</th>${cells}${seconds}</tr>\n`
  })
  const heads = shown.map(([, label]) => html`<th scope="col">${label}</th>`)
  return section(
    'Methods',
    html`${verdict(methods)}<div class="scroll" tabindex="0" role="region" aria-label="Methods"><table>
<thead><tr><th scope="col">Method</th>${heads}${timed && html`<th scope="col">Seconds</th>`}</tr></thead>
<tbody>
${rows}</tbody>
</table></div>
<p class="note">The best of each column is marked${methods.some((method) => method.oracle) && '; an oracle knows the true labels and is not compared'}.</p>`,
  )
}

function confusionTable(confusions: readonly Confusion[] = []): Html | undefined {
  if (confusions.length === 0) return undefined
  const rows = confusions.map(
    ({ given, suggested, count: times }) =>
      html`<tr><th scope="row">${given}</th><td>${suggested}</td><td>${count(times)}</td></tr>\n`,
  )
  return section(
    'What is taken for what',
    html`<div class="scroll" tabindex="0" role="region" aria-label="What is taken for what"><table class="phases">
<thead><tr><th scope="col">Given</th><th scope="col">Suggested</th><th scope="col">Labels</th></tr></thead>
<tbody>
${rows}</tbody></table></div>`,
  )
}

function gallery(suspects: readonly SuspectLabel[], imageShape: CleaningReport['imageShape']): Html {
  const heading = suspects.length === 1 ? 'The worst label' : `The ${count(suspects.length)} worst labels`
  if (!imageShape || !suspects.every((suspect) => suspect.pixels))
    return section(heading, suspectTable(suspects))
  const [height, width] = imageShape
  const tiles = suspects.map(({ index, given, suggested, score, truth }, i) => {
    const known = truth === undefined ? '' : `, in truth ${truth}`
    const alt = `Sample ${index}: given ${given}, suggested ${suggested}${known}, score ${short(score)}`
    return html`<li><figure>
<canvas data-picture="${i}" width="${width}" height="${height}" role="img" aria-label="${alt}"></canvas>
<figcaption><span class="labels"><s>${given}</s> → <b>${suggested}</b></span>${truth !== undefined && html`<span class="${truth === suggested ? 'right' : 'wrong'}">${truth === suggested ? '✓ true' : `✗ true: ${truth}`}</span>`}
<small>#${index}</small><small>${short(score)}</small></figcaption>
</figure></li>
`
  })
  const note = html`<p class="note">Each with the given label (struck out), the suggested one, its row (from 0), and how likely the label is wrong.</p>`
  return section(heading, html`${note}<ul class="gallery">${tiles}</ul>`)
}

function suspectTable(suspects: readonly SuspectLabel[]): Html {
  const known = suspects.some(({ truth }) => truth !== undefined)
  const words = suspects.some(({ shown }) => shown !== undefined)
  const rows = suspects.map(
    ({ index, given, suggested, score, truth, shown }) =>
      html`<tr><th scope="row">${index}</th><td>${given}</td><td>${suggested}</td>${known && html`<td>${truth ?? MISSING}</td>`}<td>${short(score)}</td>${words && html`<td class="words">${shown ?? MISSING}</td>`}</tr>\n`,
  )
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Worst labels"><table>
<thead><tr><th scope="col">Row</th><th scope="col">Given</th><th scope="col">Suggested</th>${known && html`<th scope="col">True</th>`}<th scope="col">Score</th>${words && html`<th scope="col" class="words">Sample</th>`}</tr></thead>
<tbody>
${rows}</tbody>
</table></div>`
}

function phaseTable(phases: Readonly<Record<string, number>>): Html {
  const longest = Math.max(...Object.values(phases), Number.MIN_VALUE)
  const rows = Object.entries(phases).map(
    ([name, seconds]) =>
      html`<tr><th scope="row">${name}</th><td>${seconds.toFixed(2)}</td><td class="bar"><span style="width:${((100 * seconds) / longest).toFixed(1)}%"></span></td></tr>\n`,
  )
  return section(
    'Time by phase',
    html`<table class="phases"><thead><tr><th scope="col">Phase</th><th scope="col">Seconds</th><td></td></tr></thead>
<tbody>
${rows}</tbody></table>`,
  )
}

function pairs(values: Readonly<Record<string, string | number>>): Html[] {
  return Object.entries(values).map(
    ([name, value]) =>
      html`<div><dt>${name}</dt><dd>${typeof value === 'number' ? count(value) : value}</dd></div>\n`,
  )
}

/** Nested settings as one list: `fisher.damping` → `0.03`. */
function flatten(settings: Readonly<Record<string, unknown>>, prefix = ''): Record<string, string> {
  const entries = Object.entries(settings).flatMap(([key, value]) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.entries(flatten(value as Record<string, unknown>, `${prefix}${key}.`))
      : [[prefix + key, typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))]],
  )
  return Object.fromEntries(entries)
}
