import { readCsvTexts } from '../data/csv.ts'
import { dataError, listed } from '../data/error.ts'
import { gunzip } from '../data/gzip.ts'
import { readBytes } from '../data/index.ts'
import type { CleanLabelsResult } from '../tasks/cleanLabels/cleanLabels.ts'

/** What a run before said of the rows that it judged. */
export type Before = ReadonlyMap<number, { readonly doubted: boolean; readonly suggested: string }>

const columns = ['row', 'suggested', 'doubted'] as const

/**
 * Reads a file that `clean --out` wrote.
 *
 * @throws NhgdError `ERR_DATA` where it is none of this data set of `rows` rows.
 */
export async function readBefore(path: string, rows: number): Promise<Before> {
  const as = '--before'
  const { header, texts } = readCsvTexts(gunzip(await readBytes(path, as), as), columns, as)
  if (columns.some((column) => !texts[column])) {
    throw dataError(as, 'a file that "clean --out" wrote', `the columns ${listed(header)}`)
  }
  const before = new Map<number, { doubted: boolean; suggested: string }>()
  for (const [i, text] of texts.row.entries()) {
    const row = text === '' ? Number.NaN : Number(text)
    if (!Number.isInteger(row) || row < 0 || row >= rows) {
      throw dataError(as, `rows from 0 to ${rows - 1}`, `"${text}" at ${i}`)
    }
    if (before.has(row)) throw dataError(as, 'each row once', `${row} twice`)
    const doubted = texts.doubted[i]
    if (doubted !== 'true' && doubted !== 'false') {
      throw dataError(as, 'true or false in the column "doubted"', `"${doubted}" at ${i}`)
    }
    before.set(row, { doubted: doubted === 'true', suggested: texts.suggested[i] })
  }
  return before
}

/** What the checks since a run before have changed, in sentences. */
export function changes(before: Before, result: CleanLabelsResult, names: readonly string[]): string {
  const { checked, rows, scores, suggested, threshold } = result
  const told = Array.from(checked.rows, (row, i) => ({ was: before.get(row), wrong: !checked.right[i] }))
  const since = told.filter(({ was }) => was !== undefined)
  const doubted = since.filter(({ was }) => was?.doubted)
  const wrong = (some: typeof since) => some.filter(({ wrong }) => wrong).length
  const count = { cleared: 0, doubted: 0, suggested: 0 }
  for (const row of rows) {
    const was = before.get(row)
    if (!was) continue
    const is = scores[row] > threshold
    if (was.doubted && !is) count.cleared++
    if (!was.doubted && is) count.doubted++
    if (was.doubted && is && was.suggested !== names[suggested[row]]) count.suggested++
  }
  return [
    `Since the run before, ${since.length} of its rows were checked: ${wrong(since)} labels are wrong, ${wrong(doubted)} of them among the ${doubted.length} that it doubted.`,
    `Of the other labels, ${count.cleared} are doubted no more, ${count.doubted} are doubted now, and ${count.suggested} have another suggestion.`,
  ].join('\n')
}
