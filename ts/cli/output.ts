import { writeNpz } from '../data/index.ts'
import { isMissing } from '../data/table.ts'
import { type CleaningReport, cleaningReport } from '../report/index.ts'
import type { CleanLabelsResult } from '../tasks/cleanLabels/cleanLabels.ts'
import { inSentences } from '../tasks/cleanLabels/inSentences.ts'
import { type Figures, methods } from './figures.ts'
import { confusions, inWords } from './findings.ts'
import type { Input } from './input.ts'
import { writeWhole } from './write.ts'

/** What is known of labels, whichever way they were judged. */
type Ranked = Pick<CleanLabelsResult, 'ranking' | 'suggested' | 'weights' | 'scores'>

/** A text as it stands in CSV; one that says "missing" stands in quotes, since it means itself. */
export function csvCell(text: string): string {
  return /[",;\t\n\r]/.test(text) || isMissing(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Every row that nobody checked, the most doubtful first; rows count from 0. */
export async function writeIssues(path: string, input: Input, result: Ranked): Promise<void> {
  const lines = Array.from(result.ranking, (row, rank) => {
    const given = csvCell(input.names[input.labels[row]])
    const suggested = csvCell(input.names[result.suggested[row]])
    const numbers = [result.weights[row].toFixed(6), result.scores[row].toFixed(6), rank + 1]
    const id = input.ids ? [csvCell(input.ids[row])] : []
    return [row, given, suggested, ...numbers, result.scores[row] > 0.5, ...id].join()
  })
  await writeWhole(
    path,
    `row,given,suggested,weight,score,rank,doubted${input.ids ? ',id' : ''}\n${lines.join('\n')}\n`,
  )
}

/** Names as an array of numbers: the bytes of their JSON. */
function namesArray(names: readonly string[]) {
  const data = new TextEncoder().encode(JSON.stringify(names))
  return { data, shape: [data.length] }
}

/** Weight and score of every row, and the retrained model with the names of its classes and columns, as NPZ. */
export async function writeWeights(path: string, input: Input, result: CleanLabelsResult): Promise<void> {
  const { weights, scores, model } = result
  const arrays = {
    weights: { data: weights, shape: [weights.length] },
    scores: { data: scores, shape: [scores.length] },
    theta: { data: model.theta, shape: [model.columns + 1, model.classes] },
    classes: namesArray(input.names),
    ...(input.columns && { columns: namesArray(input.columns) }),
  }
  await writeWhole(path, writeNpz(arrays))
}

/** NaN and infinities become null. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeWhole(path, `${JSON.stringify(value, null, 2)}\n`)
}

const pictured = 100

export async function writeReport(
  path: string,
  input: Input,
  result: CleanLabelsResult,
  accuracies: readonly number[],
  figures: Figures | undefined,
  command: string,
): Promise<void> {
  const { curves, rows, weights, issues, seconds, backend, settings } = result
  const { data, columns } = input.features
  const of = (key: 'outerLoss' | 'heldOutLoss' | 'residual') => curves.map((curve) => curve[key])
  const held = of('heldOutLoss')
  const { skipped, ...environment } = backend
  const report: CleaningReport = {
    title: input.title,
    summary: inSentences(result),
    confusions: confusions(result, input),
    facts: {
      samples: input.features.rows,
      classes: input.names.length,
      'checked or trusted': result.checked.rows.length,
      'labels doubted': result.issues.length,
      ...(result.solve && { ended: result.solve.status }),
    },
    ...(figures && {
      methods: methods(figures).map(({ seconds, ...row }) =>
        Number.isNaN(seconds) ? row : { ...row, seconds },
      ),
    }),
    steps: curves.map(({ step }) => step),
    charts:
      curves.length === 0
        ? []
        : [
            {
              title: 'Loss',
              curves: [
                { name: 'outer', values: of('outerLoss') },
                ...(held.some(Number.isFinite) ? [{ name: 'held out', values: held }] : []),
              ],
            },
            ...(accuracies.length > 0
              ? [{ title: 'Accuracy on test samples', curves: [{ name: 'θ', values: accuracies }] }]
              : []),
            ...(of('residual').some(Number.isFinite)
              ? [
                  {
                    title: 'Residual of the linear solve',
                    curves: [{ name: 'residual', values: of('residual') }],
                    logarithmic: true,
                  },
                ]
              : []),
          ],
    ...(result.overfitting && { overfitting: result.bestStep }),
    weights: {
      values: Float64Array.from(rows, (row) => weights[row]),
      ...(input.truth && { wrong: Array.from(rows, (row) => input.labels[row] !== input.truth?.[row]) }),
    },
    suspects: issues.slice(0, pictured).map(({ row, given, suggested, score }) => ({
      index: row,
      given: input.names[given],
      suggested: input.names[suggested],
      score,
      ...(input.truth && { truth: input.names[input.truth[row]] }),
      ...(input.imageShape
        ? { pixels: data.subarray(row * columns, (row + 1) * columns) }
        : { shown: inWords(input, row) }),
    })),
    ...(input.imageShape && { imageShape: input.imageShape }),
    phases: seconds,
    environment: {
      ...environment,
      ...Object.fromEntries(skipped.map((s) => [`without ${s.backend}`, s.reason])),
    },
    settings,
    command,
  }
  await writeWhole(path, cleaningReport(report))
}
