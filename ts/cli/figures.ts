import type { CleanLabelsResult } from '../tasks/cleanLabels/cleanLabels.ts'
import {
  type CleaningCase,
  onTest,
  type RivalName,
  type RivalResult,
  wrong,
} from '../tasks/cleanLabels/rivals.ts'
import { auc, detection } from '../tasks/metrics.ts'

/** What `--json` holds for one seed; NaN becomes null. */
export interface Figures {
  readonly nhgd: {
    readonly accuracy: { readonly theta: number; readonly thetaLast10: number; readonly retrained: number }
    readonly precision: number
    readonly recall: number
    readonly f1: number
    readonly auc: { readonly weights: number; readonly score: number }
    readonly outerLoss: number
    readonly outerSteps: number
    readonly bestStep: number
    readonly overfitting: boolean
    readonly status: string
  }
  readonly rivals: Partial<Record<RivalName, RivalResult>>
  readonly seconds: Readonly<Record<string, number>>
  readonly backend: string
  readonly simd: string
  readonly threads: number
  readonly seed: number
  readonly settings: Readonly<Record<string, unknown>>
}

/** The figures of a run whose answer is known. */
export function figures(
  result: CleanLabelsResult,
  known: CleaningCase,
  accuracies: readonly number[],
  rivals: Figures['rivals'],
  seed: number,
): Figures {
  const truth = wrong(known)
  const scores = Array.from(known.rows, (row) => result.scores[row])
  const last = accuracies.slice(-10)
  const { backend, simd, threads } = result.backend
  return {
    nhgd: {
      accuracy: {
        theta: onTest(known, result.theta),
        thetaLast10: last.reduce((sum, a) => sum + a, 0) / last.length,
        retrained: onTest(known, result.model),
      },
      ...detection(
        scores.map((score) => score > result.threshold),
        truth,
      ),
      auc: {
        weights: auc(
          Array.from(known.rows, (row) => -result.weights[row]),
          truth,
        ),
        score: auc(scores, truth),
      },
      outerLoss: result.solve?.outerLoss ?? Number.NaN,
      outerSteps: result.solve?.steps ?? result.bilevel?.steps ?? 0,
      bestStep: result.bestStep,
      overfitting: result.overfitting,
      status: result.solve?.status ?? 'outerSteps',
    },
    rivals,
    seconds: phases(result.seconds),
    backend,
    simd,
    threads,
    seed,
    settings: result.settings,
  }
}

function phases(seconds: CleanLabelsResult['seconds']): Record<string, number> {
  return { inner: 0, fisher: 0, cross: 0, outer: 0, ...seconds }
}

/** The mean of every number over runs of the same shape. What is not a number is taken from the first run. */
export function mean<T>(runs: readonly T[]): T {
  const [first] = runs
  if (typeof first === 'number') {
    return ((runs as readonly number[]).reduce((sum, x) => sum + x, 0) / runs.length) as T
  }
  if (typeof first !== 'object' || first === null || Array.isArray(first)) return first
  const keys = Object.keys(first) as (keyof T)[]
  return Object.fromEntries(keys.map((key) => [key, mean(runs.map((run) => run[key]))])) as T
}

/** The table of methods that ends a run. */
export function table(figures: Figures): string {
  const rows = methods(figures)
  const header = ['', 'accuracy', 'AUC', 'precision', 'recall', 'F1', 'seconds']
  const cells = rows.map(({ name, ...row }) => [
    name,
    ...[row.accuracy, row.auc, row.precision, row.recall, row.f1].map((x) => number(x, 4)),
    number(row.seconds, 1),
  ])
  const widths = header.map((title, i) => Math.max(title.length, ...cells.map((row) => row[i].length)))
  const line = (row: string[]) =>
    row.map((cell, i) => (i ? cell.padStart(widths[i]) : cell.padEnd(widths[i]))).join('  ')
  return [header, ...cells].map(line).join('\n')
}

/** One plain sentence on who is best by accuracy. */
export function verdict(figures: Figures): string {
  const [first, second] = methods(figures)
    .filter((row) => !row.oracle && Number.isFinite(row.accuracy))
    .sort((a, b) => b.accuracy - a.accuracy)
  if (!second) return `${first.name}: accuracy ${number(first.accuracy, 4)}`
  const ahead = (first.accuracy - second.accuracy).toFixed(4)
  return `best by accuracy: ${first.name}, ${number(first.accuracy, 4)}, ${ahead} above ${second.name}`
}

const names: Record<RivalName, string> = {
  unweighted: 'unweighted, early-stopped',
  trustedOnly: 'trusted samples alone',
  filter: 'filter until stable',
  selfConfidence: 'self-confidence, cross-validated',
  mixture: 'mixture start, no hypergradient',
  allTrue: 'all labels true (unreachable)',
}

/** Rows of the table, ours first. */
export function methods({ nhgd, rivals, seconds }: Figures) {
  const { precision, recall, f1, accuracy, auc } = nhgd
  const nothing = {
    auc: Number.NaN,
    precision: Number.NaN,
    recall: Number.NaN,
    f1: Number.NaN,
    seconds: Number.NaN,
  }
  return [
    {
      name: 'cleanLabels, retrained',
      accuracy: accuracy.retrained,
      auc: auc.score,
      precision,
      recall,
      f1,
      seconds: seconds.total,
    },
    { name: 'cleanLabels, θ of the last outer step', ...nothing, accuracy: accuracy.theta, auc: auc.weights },
    ...(Object.keys(rivals) as RivalName[]).map((name) => ({
      name: names[name],
      ...nothing,
      ...rivals[name],
    })),
  ].map((row) => ({ ...row, accuracy: row.accuracy ?? Number.NaN, oracle: row.name === names.allTrue }))
}

function number(x: number, digits: number): string {
  return Number.isFinite(x) ? x.toFixed(digits) : '–'
}
