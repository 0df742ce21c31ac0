import { writeCsv } from '../data/writeCsv.ts'
import { type CleaningReport, cleaningReport } from '../report/index.ts'
import type { CleanLabelsResult } from '../tasks/cleanLabels/cleanLabels.ts'
import { inSentences } from '../tasks/cleanLabels/inSentences.ts'
import { rankingColumns } from '../tasks/cleanLabels/rankingColumns.ts'
import { type Figures, methods } from './figures.ts'
import { confusions, inWords } from './findings.ts'
import type { Input } from './input.ts'
import { writeWhole } from './write.ts'

/** What is known of labels, whichever way they were judged. */
type Ranked = Pick<CleanLabelsResult, 'ranking' | 'suggested' | 'weights' | 'scores'>

/** Every row that nobody checked, the most doubtful first; rows count from 0. */
export async function writeIssues(path: string, input: Input, result: Ranked): Promise<void> {
  const columns = rankingColumns(result, { labels: input.labels, names: input.names, ids: input.ids })
  const digits = (numbers: Float64Array) => Array.from(numbers, (x) => x.toFixed(6))
  const [weight, score] = [columns.weight, columns.score].map(digits)
  await writeWhole(path, writeCsv({ ...columns, weight, score }))
}

/** Weight and score of every row, and the retrained model with the names of its classes and columns. */
export async function writeWeights(path: string, input: Input, result: CleanLabelsResult): Promise<void> {
  const { weights, scores, model } = result
  const arrays = {
    weights: { data: weights, shape: [weights.length] },
    scores: { data: scores, shape: [scores.length] },
  }
  const format = path.toLowerCase().endsWith('.safetensors') ? 'safetensors' : 'npz'
  await writeWhole(
    path,
    model.save({ format, arrays, names: { classes: input.names, columns: input.columns } }),
  )
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
      ...(result.solve && result.solve.status !== 'outerSteps' && { ended: result.solve.status }),
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
