import { is, something } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { list } from './given.ts'
import { isMissing } from './table.ts'

/** Columns of a table by their titles, such as `tableFromArrays` of apache-arrow takes them. */
export type Columns = Readonly<Record<string, ArrayLike<string | number | boolean>>>

/** A text as it stands in CSV; one that says "missing" stands in quotes, since it means itself. */
export function csvCell(text: string): string {
  return /[",;\t\n\r]/.test(text) || isMissing(text) ? `"${text.replaceAll('"', '""')}"` : text
}

const plainCell = is<number | boolean>(
  'a text, a number or a truth value',
  (cell) => !['object', 'function', 'symbol'].includes(typeof cell) || cell === null,
  'ERR_DTYPE',
)

/**
 * Columns as CSV with a header.
 *
 * @throws NhgdError `ERR_SHAPE` for columns of different lengths, `ERR_DTYPE` for cells that are objects.
 */
export function writeCsv(columns: Columns): string {
  const all = Object.entries(something('columns', columns) as Columns)
  for (const [title, column] of all) list(title, column)
  const rows = all[0]?.[1].length ?? 0
  const other = all.find(([, column]) => column.length !== rows)
  if (other) {
    throw new NhgdError(
      'ERR_SHAPE',
      `"${other[0]}" expected ${rows} rows as the first, got ${other[1].length}`,
    )
  }
  const line = (cells: readonly (string | number | boolean)[]) =>
    cells.map((cell) => (typeof cell === 'string' ? csvCell(cell) : plainCell('cell', cell))).join()
  const lines = [
    Object.keys(columns),
    ...Array.from({ length: rows }, (_, i) => all.map(([, column]) => column[i])),
  ]
  return `${lines.map(line).join('\n')}\n`
}
