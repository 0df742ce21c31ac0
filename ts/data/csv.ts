import { parse } from 'csv-parse/browser/esm/sync'
import { NhgdError } from '../backend/errors.ts'
import type { Matrix } from '../backend/matrix.ts'
import { numericColumns, type Odd } from './columns.ts'
import { dataError, listed } from './error.ts'

export interface CsvOptions {
  /** Name of the column that holds the labels; every other column is a feature. */
  readonly label?: string
  /** Columns to leave out where they are there. */
  readonly ignore?: readonly string[]
  /** Columns to give back as text, missing values as ''. They are no features. */
  readonly texts?: readonly string[]
  /** What stands for a missing feature: the median of its column, or nothing, since it is an error (the default). */
  readonly impute?: 'median'
  /** Whether the first line has names; else columns are called x0, x1, … */
  readonly header?: boolean
  /** A comma, a semicolon or a tab by default: whichever the header has most of. */
  readonly delimiter?: string
}

export interface Table {
  /** Feature columns as f64, in the order of the file. */
  readonly features: Matrix
  readonly columns: readonly string[]
  /** The label column as it stands in the file. */
  readonly labels?: readonly string[]
  /** The columns that were asked for as text. */
  readonly texts: Readonly<Record<string, readonly string[]>>
  /** What was made of columns that hold no plain numbers, in sentences. */
  readonly notes: readonly string[]
}

/** What pandas, R, SQL, Python and Excel write for a value that is missing. */
const MISSING = /^(#?n\/?a|[-+]?nan|<na>|null)?$/i
/** Stands before a text that says "missing" within quotes, and so means itself. No file has it. */
const QUOTED = '\0'

/**
 * Reads CSV with a header (UTF-8; quotes, CRLF, a byte-order mark and empty lines are fine). Rows in messages count from 0
 * below the header. A label such as NA is a missing value, unless it stands in quotes. Columns of truth values become
 * numbers, columns of few words a column of 0 and 1 per word, and the index of a data frame, a first column without a name
 * that counts the rows, is left out.
 *
 * @throws NhgdError `ERR_DATA` for missing values (empty, NA, N/A, NaN, null, None) and for text in a feature, with row
 * and column, of all columns at once; for rows of another length than the header, nameless or repeated columns, names that
 * are all numbers (but for 0, 1, 2 and so on in three columns or more), an absent column.
 * `ERR_NOT_FINITE` for infinity.
 */
export function readCsv(bytes: Uint8Array, options: CsvOptions = {}, name = 'file'): Table {
  const { label, ignore = [], texts: wanted = [], impute, delimiter, header: named = true } = options
  const labels: string[] = []
  const texts = Object.fromEntries(wanted.map((column) => [column, [] as string[]]))
  const numbers = new Growing()
  const odd = new Map<number, Odd[]>()
  const left = new Set([...ignore, ...wanted, ...(label === undefined ? [] : [label])])
  const take = (record: string[], row: number, header: string[]) => {
    for (let i = 0; i < record.length; i++) {
      const value = Number(record[i])
      if (Number.isFinite(value) && record[i] !== '' && !left.has(header[i])) {
        numbers.push(value)
      } else if (header[i] === label) {
        labels.push(present(record[i], row, header[i], name))
      } else if (texts[header[i]]) {
        texts[header[i]].push(isMissing(record[i]) ? '' : plain(record[i]))
      } else if (!left.has(header[i])) {
        numbers.push(Number.NaN)
        const list = odd.get(i) ?? []
        odd.set(i, list)
        list.push({ row, text: isMissing(record[i]) ? '' : plain(record[i]), written: plain(record[i]) })
      }
    }
  }
  const onHeader = (header: string[]) => {
    for (const column of [...wanted, ...(label === undefined ? [] : [label])])
      findColumn(header, column, name)
  }
  const { header, rows } = eachRow(bytes, delimiter, name, take, onHeader, named)
  const kept = [...header.keys()].filter((i) => !left.has(header[i]))
  const plainColumns = kept.map((i) => ({ name: header[i], odd: odd.get(i) ?? [] }))
  const { features, columns, notes } = numericColumns(numbers.take(), rows, plainColumns, impute, name)
  const table = { features, columns, texts, notes }
  return label === undefined ? table : { ...table, labels }
}

/**
 * One column of a CSV file as text: the one called `column`, or the only one.
 *
 * @throws NhgdError `ERR_DATA` as {@link readCsv}.
 */
export function readCsvColumn(
  bytes: Uint8Array,
  column?: string,
  { delimiter, header = true }: { delimiter?: string; header?: boolean } = {},
  name = 'file',
): string[] {
  const values: string[] = []
  eachRow(
    bytes,
    delimiter,
    name,
    (record, row, header) => {
      const at = findColumn(header, column, name)
      values.push(present(record[at], row, header[at], name))
    },
    undefined,
    header,
  )
  return values
}

/** Reads row by row; otherwise millions of small strings would be alive at once. */
function eachRow(
  bytes: Uint8Array,
  given: string | undefined,
  name: string,
  take: (record: string[], row: number, header: string[]) => void,
  onHeader: (header: string[]) => void = () => {},
  named = true,
): { header: string[]; rows: number } {
  let header: string[] | undefined
  let rows = 0
  const onRecord = (record: string[]): null => {
    if (header) {
      take(record, rows++, header)
      return null
    }
    header = named ? checkHeader(record, name) : record.map((_, i) => `x${i}`)
    onHeader(header)
    if (!named) take(record, rows++, header)
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
      `names that are all numbers: ${listed(header)} (is the header missing? then say so with --no-header)`,
    )
  }
  // The first column may be the index of a data frame, which has no name.
  const nameless = header.indexOf('', 1)
  if (nameless >= 0) throw dataError(name, 'a name for every column', `none for column ${nameless + 1}`)
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

export function isMissing(text: string): boolean {
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
