import { parse } from 'csv-parse/browser/esm/sync'
import { NhgdError } from '../backend/errors.ts'
import { type Matrix, matrix } from '../backend/matrix.ts'
import { dataError, listed } from './error.ts'

export interface CsvOptions {
  /** Name of the column that holds the labels; every other column is a feature. */
  readonly label?: string
  /** Columns to leave out where they are there. */
  readonly ignore?: readonly string[]
  /** A comma, a semicolon or a tab by default: whichever the header has most of. */
  readonly delimiter?: string
}

export interface Table {
  /** Feature columns as f64, in the order of the file. */
  readonly features: Matrix
  readonly columns: readonly string[]
  /** The label column as it stands in the file. */
  readonly labels?: readonly string[]
}

/** What pandas, R, SQL, Python and Excel write for a value that is missing. */
const MISSING = /^(#?n\/?a|[-+]?nan|<na>|null)?$/i
/** Stands before a text that says "missing" within quotes, and so means itself. No file has it. */
const QUOTED = '\0'
const INFINITE = /^[+-]?inf(inity)?$/i

/**
 * Reads CSV with a header (UTF-8; quotes, CRLF, a byte-order mark and empty lines are fine). Rows in messages count
 * from 1 below the header. A label such as NA is a missing value, unless it stands in quotes.
 *
 * @throws NhgdError `ERR_DATA` for missing values (empty, NA, N/A, NaN, null, None) and for text in a feature, with row
 * and column; for rows of another length than the header, nameless or repeated columns, names that are all numbers
 * (but for 0, 1, 2 and so on in three columns or more), an absent label column.
 * `ERR_NOT_FINITE` for infinity.
 */
export function readCsv(
  bytes: Uint8Array,
  { label, ignore = [], delimiter }: CsvOptions = {},
  name = 'file',
): Table {
  const labels: string[] = []
  const numbers = new Growing()
  const ignored = new Set(ignore)
  const take = (record: string[], row: number, header: string[]) => {
    for (let i = 0; i < record.length; i++) {
      if (ignored.size > 0 && ignored.has(header[i])) continue
      const value = Number(record[i])
      if (header[i] === label) labels.push(present(record[i], row, header[i], name))
      else if (Number.isFinite(value) && record[i] !== '') numbers.push(value)
      else throw notANumber(present(record[i], row, header[i], name), row, header[i], name)
    }
  }
  const onHeader = (header: string[]) => {
    if (label !== undefined) findColumn(header, label, name)
  }
  const { header, rows } = eachRow(bytes, delimiter, name, take, onHeader)
  const columns = header.filter((column) => column !== label && !ignored.has(column))
  const features = matrix(numbers.take(), rows, columns.length)
  return label === undefined ? { features, columns } : { features, columns, labels }
}

/**
 * One column of a CSV file as text: the one called `column`, or the only one.
 *
 * @throws NhgdError `ERR_DATA` as {@link readCsv}.
 */
export function readCsvColumn(
  bytes: Uint8Array,
  column?: string,
  { delimiter }: { delimiter?: string } = {},
  name = 'file',
): string[] {
  const values: string[] = []
  eachRow(bytes, delimiter, name, (record, row, header) => {
    const at = findColumn(header, column, name)
    values.push(present(record[at], row, header[at], name))
  })
  return values
}

/** Reads row by row; otherwise millions of small strings would be alive at once. */
function eachRow(
  bytes: Uint8Array,
  given: string | undefined,
  name: string,
  take: (record: string[], row: number, header: string[]) => void,
  onHeader: (header: string[]) => void = () => {},
): { header: string[]; rows: number } {
  let header: string[] | undefined
  let rows = 0
  const onRecord = (record: string[]): null => {
    if (header) take(record, ++rows, header)
    else {
      header = checkHeader(record, name)
      onHeader(header)
    }
    return null
  }
  const text = decode(bytes, name)
  const delimiter = given ?? delimiterOf(text)
  const cast = (value: string, { quoting }: { quoting: boolean }) =>
    quoting && value !== '' && isMissing(value) ? QUOTED + value : value
  try {
    if (text.includes('"')) {
      parse(text, { delimiter, trim: true, skip_empty_lines: true, cast, on_record: onRecord as never })
    } else eachPlainRecord(text, delimiter, onRecord)
  } catch (error) {
    if (error instanceof NhgdError) throw error
    throw dataError(name, 'CSV with rows as long as its header', (error as Error).message, { cause: error })
  }
  if (header && rows > 0) return { header, rows }
  throw dataError(name, 'CSV with a header and at least one row', `${bytes.length} bytes`)
}

/** What the names in the first line are most likely separated by. */
function delimiterOf(text: string): string {
  const [line] = /[^\r\n]+/.exec(text) ?? ['']
  const count = (delimiter: string) => line.replace(/"[^"]*"/g, '').split(delimiter).length
  return [',', ';', '\t'].reduce((best, other) => (count(other) > count(best) ? other : best))
}

/** Where nothing is quoted there is nothing to parse, and splitting takes a fraction of the time. */
function eachPlainRecord(text: string, delimiter: string, onRecord: (record: string[]) => void): void {
  const lineEnd = /\r\n|\n|\r/.exec(text)?.[0] ?? '\n'
  let width: number | undefined
  for (let line = 1, from = 0; from < text.length; line++) {
    const found = text.indexOf(lineEnd, from)
    const to = found < 0 ? text.length : found
    const record = text.slice(from, to).split(delimiter)
    if (to > from) {
      width ??= record.length
      if (record.length !== width)
        throw new Error(`${record.length} instead of ${width} columns on line ${line}`)
      for (let i = 0; i < record.length; i++) record[i] = record[i].trim()
      onRecord(record)
    }
    from = to + lineEnd.length
  }
}

function decode(bytes: Uint8Array, name: string): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    if (!text.includes('\0')) return text
  } catch (cause) {
    throw dataError(name, 'CSV in UTF-8', `${bytes.length} bytes that are not (or too many)`, { cause })
  }
  throw dataError(name, 'CSV in UTF-8', 'a binary file')
}

function checkHeader(record: string[], name: string): string[] {
  const header = record.map(plain)
  // A data frame without names of its own has 0, 1, 2, …; in few columns these may be data.
  const counted = header.length > 2 && header.every((column, i) => column === String(i))
  if (!counted && header.every((column) => column !== '' && !Number.isNaN(Number(column)))) {
    throw dataError(
      name,
      'a header',
      `names that are all numbers: ${listed(header)} (is the header missing?)`,
    )
  }
  const nameless = header.indexOf('')
  if (nameless >= 0) {
    throw dataError(
      name,
      'a name for every column',
      `none for column ${nameless + 1} (a data frame's index?)`,
    )
  }
  const repeated = firstRepeated(header)
  if (repeated === undefined) return header
  throw dataError(name, 'a header with different names', `"${repeated}" twice (is the header missing?)`)
}

/** The first entry that an earlier one equals; each entry is read once. */
export function firstRepeated(names: readonly string[]): string | undefined {
  const seen = new Set<string>()
  return names.find((name) => seen.size === seen.add(name).size)
}

function findColumn(header: string[], column: string | undefined, name: string): number {
  const at = column === undefined && header.length === 1 ? 0 : header.indexOf(column ?? '')
  if (at >= 0) return at
  throw dataError(
    name,
    column === undefined ? 'one column or its name' : `a column "${column}"`,
    listed(header),
  )
}

function isMissing(text: string): boolean {
  return MISSING.test(text) || text === 'None'
}

/** A text without the mark of its quotes. */
function plain(text: string): string {
  return text.startsWith(QUOTED) ? text.slice(QUOTED.length) : text
}

function present(text: string, row: number, column: string, name: string): string {
  if (!isMissing(text)) return plain(text)
  throw dataError(name, 'a value', `${text || 'none'} in row ${row}, column "${column}"`)
}

function notANumber(text: string, row: number, column: string, name: string): NhgdError {
  const got = `"${text.slice(0, 40)}" in row ${row}, column "${column}"`
  const infinite = INFINITE.test(text) || !Number.isNaN(Number(text))
  if (!infinite) return dataError(name, 'a number', got)
  return new NhgdError('ERR_NOT_FINITE', `"${name}" expected finite numbers, got ${got}`)
}

/** Numbers of a length that isn't known beforehand. */
class Growing {
  #data = new Float64Array(1024)
  #length = 0

  push(value: number): void {
    if (this.#length === this.#data.length) {
      const wider = new Float64Array(2 * this.#length)
      wider.set(this.#data)
      this.#data = wider
    }
    this.#data[this.#length++] = value
  }

  take(): Float64Array {
    return this.#data.slice(0, this.#length)
  }
}
