import { dataError } from '../data/error.ts'
import { type Fold, groupFolds, holdOut, timeFolds } from '../data/index.ts'

interface FoldOptions {
  readonly folds: number
  /** The share of a single hold-out, in place of folds. */
  readonly holdOut?: number
  readonly groupColumn?: string
  readonly timeColumn?: string
  readonly seed: number
}

/**
 * The number of folds, or folds that keep groups of rows together or follow the order of time, where a column tells them;
 * or a single hold-out, of groups or of the latest rows. `samples` are classes, or how many rows there are.
 */
export function rowFolds(
  { folds: asked, holdOut: share, groupColumn, timeColumn, seed }: FoldOptions,
  samples: number | ArrayLike<number>,
  texts: Readonly<Record<string, readonly string[]>> = {},
): number | Fold[] {
  const rows = typeof samples === 'number' ? samples : samples.length
  if (share !== undefined && Math.floor(share * rows) < 1)
    throw dataError('--hold-out', `at least one of the ${rows} rows`, `${share} of them`)
  const folds = share === undefined ? asked : Math.max(2, Math.round(1 / share))
  if (groupColumn !== undefined) {
    const groups = filled(texts[groupColumn], '--group-column')
    const distinct = new Set(groups).size
    if (distinct < folds)
      throw dataError('--group-column', `at least ${folds} groups, one per fold`, `${distinct}`)
    return groupFolds(groups, folds, seed).slice(0, share === undefined ? folds : 1)
  }
  if (timeColumn === undefined) return share === undefined ? folds : holdOut(samples, share, seed)
  const times = timesOf(filled(texts[timeColumn], '--time-column'))
  if (times.length <= folds && share === undefined)
    throw dataError('--folds', `fewer than ${times.length} rows`, `${folds}`)
  const order = Uint32Array.from(times.keys()).sort((a, b) => times[a] - times[b])
  if (share !== undefined) {
    const cut = rows - Math.floor(share * rows)
    return [{ train: order.slice(0, cut), validation: order.slice(cut) }]
  }
  return timeFolds(times.length, folds).map(({ train, validation }) => ({
    train: train.map((i) => order[i]),
    validation: validation.map((i) => order[i]),
  }))
}

function filled(texts: readonly string[], name: string): readonly string[] {
  const row = texts.indexOf('')
  if (row < 0) return texts
  throw dataError(name, 'a value in every row', `none in the row ${row}`)
}

const isoDate = /^\d{4}-\d{2}-\d{2}/

/** Numbers, or the times of dates, whichever all of them are. */
function timesOf(texts: readonly string[]): number[] {
  const numbers = texts.map(Number)
  const times = numbers.every(Number.isFinite)
    ? numbers
    : texts.map((text) => (isoDate.test(text) ? Date.parse(text) : Number.NaN))
  const row = times.findIndex((time) => !Number.isFinite(time))
  if (row < 0) return times
  throw dataError(
    '--time-column',
    'numbers, or dates as 2026-01-31, in all rows',
    `"${texts[row]}" in the row ${row}`,
  )
}
