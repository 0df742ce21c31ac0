import {
  accuracy,
  type Backend,
  type CleanLabelsResult,
  cleanLabels,
  inSentences,
  relabelNext,
} from 'nhgd/wasm'
import { count } from './dom.ts'
import type { Checks, Example, Findings } from './messages.ts'
import type { Samples } from './samples.ts'

/** With fewer checks than these the library learns nothing from them. */
export const fewestChecks = 10

const pictured = 24
const listed = 50
const asked = 12
const columnsShown = 6

/** What the command does by default, with the rows that somebody checked. */
export function clean(
  backend: Backend,
  { features, labels, names }: Samples,
  checks: Checks,
  onStep: (step: number, steps: number) => void,
): Promise<CleanLabelsResult> {
  const rows = [...checks.keys()]
  const classes = new Map(names.map((name, index) => [name, index]))
  const checked = {
    rows,
    labels: rows.map((row) => classes.get(checks.get(row)?.label ?? '') ?? -1),
    random: rows.map((row) => checks.get(row)?.random === true),
  }
  const enough = checked.labels.filter((label) => label >= 0).length >= fewestChecks
  return cleanLabels({
    backend,
    features,
    labels,
    classes: names.length,
    ...(enough && { checked }),
    onProgress: ({ step, steps }) => onStep(step, steps),
  })
}

export function findings(samples: Samples, result: CleanLabelsResult): Findings {
  const { labels, pictures } = samples
  const most = pictures ? pictured : listed
  const next = relabelNext({ result, labels, count: Math.min(asked, result.rows.length) })
  const examples = (rows: Iterable<number>, random: readonly boolean[] = []) =>
    Array.from(rows, (row, i) => ({ ...example(samples, result, row), random: random[i] ?? false }))
  return {
    summary: [...inSentences(result), ...truth(samples, result)],
    warnings: result.warnings,
    doubted: examples(result.issues.slice(0, most).map(({ row }) => row)),
    helpful: examples(next.rows, next.random),
    ...(pictures && { imageShape: pictures.shape }),
    checked: result.checked.rows.length,
  }
}

/** How much of the truth was found, where it is known. */
function truth(
  { labels, truth, test, names }: Samples,
  { issues, rows, model }: CleanLabelsResult,
): string[] {
  if (!truth || !test) return []
  const isWrong = (row: number) => labels[row] !== truth[row]
  const found = issues.filter(({ row }) => isWrong(row)).length
  const right = accuracy(model.probabilities(test.features), names.length, test.labels)
  return [
    `In truth ${count(rows.filter(isWrong).length)} of them are wrong. ${count(found)} of these were found, and ${count(issues.length - found)} right labels were doubted.`,
    `Trained without the doubted labels, a model reads ${(100 * right).toFixed(1)} % of ${count(test.labels.length)} new digits right.`,
  ]
}

function example(
  samples: Samples,
  { scores, suggested }: CleanLabelsResult,
  row: number,
): Omit<Example, 'random'> {
  const { labels, names, truth, pictures, features, columns } = samples
  const own = (data: ArrayLike<number> & { subarray(from: number, to: number): unknown }, length: number) =>
    data.subarray(row * length, (row + 1) * length)
  const [height = 0, width = 0] = pictures?.shape ?? []
  const values = Array.from(
    (own(features.data, features.columns) as Float64Array).subarray(0, columnsShown),
    (x, j) => `${columns?.[j] ?? j} ${Number(x.toPrecision(4))}`,
  )
  return {
    row,
    given: names[labels[row]],
    suggested: names[suggested[row]],
    score: scores[row],
    ...(truth && { truth: names[truth[row]] }),
    ...(pictures
      ? { pixels: (own(pictures.data, height * width) as Uint8Array).slice() }
      : { values: values.join(', ') + (features.columns > columnsShown ? ', …' : '') }),
  }
}
