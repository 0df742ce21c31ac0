import { NhgdError } from '../backend/errors.ts'
import { isMissing } from './table.ts'

/** Columns of a table by their titles, such as `tableFromArrays` of apache-arrow takes them. */
export type Columns = Readonly<Record<string, ArrayLike<string | number | boolean>>>

/** A text as it stands in CSV; one that says "missing" stands in quotes, since it means itself. */
export function csvCell(text: string): string {
  return /[",;\t\n\r]/.test(text) || isMissing(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/**
 * Columns as CSV with a header.
 *
 * @throws NhgdError `ERR_SHAPE` for columns of different lengths.
 */
export function writeCsv(columns: Columns): string {
  const all = Object.entries(columns)
  const rows = all[0]?.[1].length ?? 0
  const other = all.find(([, column]) => column.length !== rows)
  if (other) {
    throw new NhgdError(
      'ERR_SHAPE',
      `"${other[0]}" expected ${rows} rows as the first, got ${other[1].length}`,
    )
  }
  const line = (cells: readonly (string | number | boolean)[]) =>
    cells.map((cell) => (typeof cell === 'string' ? csvCell(cell) : cell)).join()
  const lines = [
    Object.keys(columns),
    ...Array.from({ length: rows }, (_, i) => all.map(([, column]) => column[i])),
  ]
  return `${lines.map(line).join('\n')}\n`
}
