import { is, something } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import {
  type Cell,
  isTable,
  type PlainColumn,
  plainColumns,
  type TableLike,
  tableColumns,
} from '../backend/table.ts'
import { decode } from './csv.ts'
import { dataError } from './error.ts'
import { quoted, type RowSource } from './table.ts'

/** A row of a table, by the titles of its columns. */
export type Row = Readonly<Record<string, unknown>>

/** A table in memory: one of apache-arrow or of its like, or an array of rows. */
export type TableData = TableLike | readonly Row[]

/** The rows of a table whose cells have types. Text that says "missing" means itself, since null says it here. */
export function typedRows(data: TableData, name: string): RowSource {
  if (!isTable(data)) {
    const rows = is<readonly unknown[]>('a table or an array of rows', Array.isArray, 'ERR_DTYPE')(name, data)
    for (const [i, row] of rows.entries()) something(`${name}[${i}]`, row)
  }
  const [rows, titles] = isTable(data)
    ? [data.numRows, data.schema.fields.map(({ name }) => name)]
    : [data.length, [...new Set(data.flatMap(Object.keys))]]
  const columnsOf = (wanted: readonly string[]): PlainColumn[] =>
    isTable(data)
      ? tableColumns(data, name, wanted)
      : wanted.flatMap((title) => plainColumns(title, (row) => data[row][title], rows, name))
  return {
    guessed: false,
    visit({ onTitles, wants = () => true, take }) {
      if (rows === 0 || titles.length === 0) throw dataError(name, 'at least one row', `a table of ${rows}`)
      onTitles?.(titles)
      const columns = readable(name, () => columnsOf(titles.filter(wants)))
      const header = columns.map(({ name }) => name)
      const record = new Array<number | string>(columns.length)
      for (let row = 0; row < rows; row++) {
        readable(name, () => {
          for (let j = 0; j < columns.length; j++) record[j] = written(columns[j].at(row))
        })
        take(record, row, header, false)
      }
      return { header, rows }
    },
  }
}

/** What reads cells, whose package may find that a file is damaged. */
function readable<T>(name: string, read: () => T): T {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof NhgdError) throw cause
    throw dataError(name, 'cells that can be read', (cause as Error).message, { cause })
  }
}

/** A cell as it would stand in CSV. */
function written(cell: Cell): number | string {
  if (typeof cell === 'number') return Number.isNaN(cell) ? '' : cell
  if (typeof cell === 'string') return quoted(cell.trim())
  if (cell instanceof Date) return cell.toISOString()
  return cell === null || cell === undefined ? '' : String(cell)
}

/**
 * The rows of JSON lines: one object per line.
 *
 * @throws NhgdError `ERR_DATA` for a line that is something else.
 */
export function parseJsonLines(bytes: Uint8Array, name: string): Row[] {
  const lines = decode(bytes, name, 'JSON lines').split('\n')
  return lines.flatMap((line, i) => {
    if (line.trim() === '') return []
    let row: unknown
    try {
      row = JSON.parse(line)
    } catch (cause) {
      throw dataError(name, 'JSON in each line', `${(cause as Error).message} on line ${i + 1}`, { cause })
    }
    if (typeof row === 'object' && row !== null && !Array.isArray(row)) return [row as Row]
    throw dataError(name, 'a JSON object in each line', `${line.trim().slice(0, 40)} on line ${i + 1}`)
  })
}
