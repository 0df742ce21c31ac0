import { chartData, charts, picture } from './charts.ts'
import { figure, short } from './format.ts'
import { type Html, html, type Plotter, page, section } from './html.ts'

/** What a report on a small set tells, of `DistillResult`. */
export interface DistillationReport {
  readonly title: string
  /** What was found, in sentences. */
  readonly sentences: readonly string[]
  readonly result: {
    readonly features: { readonly data: ArrayLike<number>; readonly rows: number; readonly columns: number }
    readonly labels: ArrayLike<number>
    readonly targets?: ArrayLike<number>
    readonly judged: Readonly<
      Record<
        string,
        | {
            readonly samples: number
            readonly losses: readonly number[]
            readonly accuracies: readonly number[]
          }
        | undefined
      >
    >
    readonly curves: readonly { readonly step: number; readonly outerLoss: number }[]
  }
  /** Names of the classes. */
  readonly classes: readonly string[]
  /** Where the features are pictures. */
  readonly imageShape?: readonly [height: number, width: number]
  readonly command?: string
}

/** One self-contained page of HTML, like that of cleaning. */
export function renderDistillationReport(report: DistillationReport, plotter: Plotter): string {
  const { title, sentences, result, imageShape, command } = report
  const { curves, features } = result
  const course = {
    title,
    steps: curves.map(({ step }) => step),
    charts: [
      {
        title: 'Loss on a batch of the real samples',
        curves: [{ name: 'loss', values: curves.map(({ outerLoss }) => outerLoss) }],
      },
    ],
  }
  const pictures = imageShape ? pixels(features).map(picture) : []
  return page(
    { title, sentences },
    plotter,
    [
      imageShape && gallery(report, imageShape),
      compared(result.judged),
      charts(course),
      command !== undefined && section('Command', html`<pre>${command}</pre>`),
    ],
    { ...chartData(course), pictures },
  )
}

/** The features of each sample. */
function pixels({ data, rows, columns }: DistillationReport['result']['features']): number[][] {
  const row = (i: number) => Array.from({ length: columns }, (_, j) => data[i * columns + j])
  return Array.from({ length: rows }, (_, i) => row(i))
}

function gallery({ result, classes }: DistillationReport, [height, width]: readonly [number, number]): Html {
  const { labels, targets } = result
  const tiles = Array.from(labels, (label, i) => {
    const soft = targets?.[i * classes.length + label]
    const alt = `Sample ${i}, of the class ${classes[label]}${soft === undefined ? '' : `, whose share is ${short(soft)}`}`
    return html`<li><figure>
<canvas data-picture="${i}" width="${width}" height="${height}" role="img" aria-label="${alt}"></canvas>
<figcaption><span class="labels"><b>${classes[label]}</b></span>${soft !== undefined && html`<small>${short(soft)}</small>`}</figcaption>
</figure></li>
`
  })
  const shares = targets ? ' The number is the share of its own class in the soft label.' : ''
  return section(
    'The small set',
    html`<p class="note">Every sample as a picture, from its least value (black) to its greatest (white).${shares}</p><ul class="gallery">${tiles}</ul>`,
  )
}

function compared(judged: DistillationReport['result']['judged']): Html | undefined {
  const rows = Object.entries(judged).flatMap(([name, found]) => {
    if (!found) return []
    const { samples, losses, accuracies } = found
    return html`<tr><th scope="row">${name}</th><td>${samples}</td><td>${figure(mean(losses))}</td><td>${figure(mean(accuracies))}</td><td>${figure(Math.min(...accuracies))}</td></tr>
`
  })
  if (rows.length === 0) return undefined
  return section(
    'Models trained from scratch',
    html`<div class="scroll" tabindex="0" role="region" aria-label="Models trained from scratch"><table>
<thead><tr><th scope="col">Trained on</th><th scope="col">Samples</th><th scope="col">Loss on the real samples</th><th scope="col">Accuracy</th><th scope="col">Least accuracy</th></tr></thead>
<tbody>
${rows}</tbody></table></div>
<p class="note">Means of several trainings, each with its own order and start. “analytic” is one sample per class with soft labels that holds the model of all samples.</p>`,
  )
}

const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length
