import { parse } from 'csv-parse/browser/esm/sync'
import { NhgdError } from '../backend/errors.ts'
import type { Matrix } from '../backend/matrix.ts'
import { numericColumns, type Odd } from './columns.ts'
import { bytesOf, dataError, listed } from './error.ts'

export interface CsvOptions {
  /** Name of the column that holds the labels; every other column is a feature. */
  readonly label?: string
  /** Columns to leave out where they are there. */
  readonly ignore?: readonly string[]
  /** Columns that have to be there. */
  readonly required?: readonly string[]
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
/** As spreadsheets write numbers where semicolons separate the columns. */
const DECIMAL_COMMA = /^[-+]?\d+,\d+(e[-+]?\d+)?$/i
/** Stands before a text that says "missing" within quotes, and so means itself. No file has it. */
const QUOTED = '\0'

/**
 * Reads CSV with a header (UTF-8; quotes, CRLF, a byte-order mark and empty lines are fine). Rows in messages count from 0
 * below the header. A label such as NA is a missing value, unless it stands in quotes. Columns of truth values become
 * numbers, as do decimal commas between semicolons; columns of few words become a column of 0 and 1 per word, and the index of a data frame, a first column without a name
 * that counts the rows, is left out.
 *
 * @throws NhgdError `ERR_DATA` for missing values (empty, NA, N/A, NaN, null, None) and for text in a feature, with row
 * and column, of all columns at once; for rows of another length than the header, nameless or repeated columns, names that
 * are all numbers (but for 0, 1, 2 and so on in three columns or more), an absent column.
 * `ERR_NOT_FINITE` for infinity.
 */
export function readCsv(bytes: Uint8Array, options: CsvOptions = {}, name = 'file'): Table {
  const { label, ignore = [], texts: wanted = [], impute, delimiter, header: named = true } = options
  const asked = [...wanted, ...(label === undefined ? [] : [label])]
  const labels = new Labels()
  const texts = Object.fromEntries(wanted.map((column) => [column, [] as string[]]))
  const numbers = new Growing()
  const odd = new Map<number, Odd[]>()
  const left = new Set([...asked, ...ignore])
  let commas = 0
  const take = (record: string[], row: number, header: string[], between: string) => {
    for (let i = 0; i < record.length; i++) {
      const value = Number(record[i])
      if (Number.isFinite(value) && record[i] !== '' && !left.has(header[i])) {
        numbers.push(value)
      } else if (header[i] === label) {
        labels.push(record[i], row, header[i])
      } else if (texts[header[i]]) {
        texts[header[i]].push(isMissing(record[i]) ? '' : plain(record[i]))
      } else if (between === ';' && DECIMAL_COMMA.test(record[i]) && !left.has(header[i])) {
        commas++
        numbers.push(Number(record[i].replace(',', '.')))
      } else if (!left.has(header[i])) {
        numbers.push(Number.NaN)
        const list = odd.get(i) ?? []
        odd.set(i, list)
        list.push({ row, text: isMissing(record[i]) ? '' : plain(record[i]), written: plain(record[i]) })
      }
    }
  }
  const onHeader = (header: string[]) => {
    for (const column of [...asked, ...(options.required ?? [])]) findColumn(header, column, name)
  }
  const { header, rows } = eachRow(bytes, delimiter, name, take, onHeader, named)
  const kept = [...header.keys()].filter((i) => !left.has(header[i]))
  const plainColumns = kept.map((i) => ({ name: header[i], odd: odd.get(i) ?? [] }))
  const { features, columns, notes } = numericColumns(numbers.take(), rows, plainColumns, impute, name)
  if (commas > 0) notes.push(`${commas} numbers have a decimal comma, as 1,5 for 1.5`)
  const table = { features, columns, texts, notes }
  return label === undefined ? table : { ...table, labels: labels.take(name) }
}

/**
 * One column of a CSV file as text: the one called `column`, or the only one beside an index without a name.
 *
 * @throws NhgdError `ERR_DATA` as {@link readCsv}.
 */
export function readCsvColumn(
  bytes: Uint8Array,
  column?: string,
  { delimiter, header = true }: { delimiter?: string; header?: boolean } = {},
  name = 'file',
): string[] {
  const values = new Labels()
  let at = 0
  const { header: titles } = eachRow(
    bytes,
    delimiter,
    name,
    (record, row, titles) => values.push(record[at], row, titles[at]),
    (titles) => {
      at = findColumn(titles, column, name)
    },
    header,
  )
  const texts = values.take(name)
  if (header && column === undefined && texts.includes(titles[at])) throw headerless(name, [titles[at]])
  return texts
}

/** The columns of these names, where they are there, as text. */
export function readCsvTexts(
  bytes: Uint8Array,
  wanted: readonly string[],
  name = 'file',
): { readonly header: readonly string[]; readonly texts: Readonly<Record<string, string[]>> } {
  const texts: Record<string, string[]> = {}
  const take = (record: string[], _row: number, header: string[]) => {
    for (const [i, text] of record.entries()) texts[header[i]]?.push(isMissing(text) ? '' : plain(text))
  }
  const { header } = eachRow(bytes, undefined, name, take, (header) => {
    for (const column of wanted) if (header.includes(column)) texts[column] = []
  })
  return { header, texts }
}

/** Reads row by row; otherwise millions of small strings would be alive at once. */
function eachRow(
  bytes: Uint8Array,
  given: string | undefined,
  name: string,
  take: (record: string[], row: number, header: string[], delimiter: string) => void,
  onHeader: (header: string[]) => void = () => {},
  named = true,
): { header: string[]; rows: number } {
  let header: string[] | undefined
  let rows = 0
  const onRecord = (record: string[]): null => {
    if (header) {
      take(record, rows++, header, delimiter)
      return null
    }
    header = named ? checkHeader(record, name) : record.map((_, i) => `x${i}`)
    onHeader(header)
    if (!named) take(record, rows++, header, delimiter)
    return null
  }
  const text = decode(bytes, name)
  const delimiter = given ?? delimiterOf(text)
  const cast = (value: string, { quoting }: { quoting: boolean }) =>
    quoting && value !== '' && isMissing(value) ? QUOTED + value : value
  try {
    if (text.includes('"')) {
      const record_delimiter = ['\r\n', '\n', '\r']
      const on_record = onRecord as never
      parse(text, { delimiter, record_delimiter, trim: true, skip_empty_lines: true, cast, on_record })
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
function eachPlainRecord(content: string, delimiter: string, onRecord: (record: string[]) => void): void {
  const text = (content.includes('\r') ? content.replace(/\r\n?/g, '\n') : content).trimEnd()
  let width: number | undefined
  for (let line = 1, from = 0; from < text.length; line++) {
    const found = text.indexOf('\n', from)
    const to = found < 0 ? text.length : found
    const record = text.slice(from, to).split(delimiter)
    // In a list, an empty line is a missing value.
    if (to > from || width === 1) {
      width ??= record.length
      if (record.length !== width)
        throw new Error(`${record.length} instead of ${width} columns on line ${line}`)
      for (let i = 0; i < record.length; i++) record[i] = record[i].trim()
      onRecord(record)
    }
    from = to + 1
  }
}

function decode(bytes: Uint8Array, name: string): string {
  bytesOf(bytes, name)
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
  if (looksLikeData(header)) throw headerless(name, header)
  // The first column may be the index of a data frame, which has no name.
  const nameless = header.indexOf('', 1)
  if (nameless >= 0) throw dataError(name, 'a name for every column', `none for column ${nameless + 1}`)
  const repeated = firstRepeated(header)
  if (repeated === undefined) return header
  throw dataError(name, 'a header with different names', `"${repeated}" twice (is the header missing?)`)
}

/**
 * Whether a first line holds values: truth values, or numbers that are no names. Beside names of text, numbers may count
 * from 0, rise (2019, 2020, 2021), or be one or two whole ones among more texts; alone they have to count, in three columns
 * or more.
 */
function looksLikeData(header: readonly string[]): boolean {
  if (header.some((column) => /^(true|false)$/i.test(column))) return true
  const numbers = header.filter((column) => column !== '' && !Number.isNaN(Number(column)))
  if (numbers.length === 0) return false
  const texts = header.filter((column) => column !== '').length - numbers.length
  if (numbers.every((column, i) => column === String(i))) return texts === 0 && header.length < 3
  const rising = numbers.every((column, i) => i === 0 || Number(column) > Number(numbers[i - 1]))
  const few =
    numbers.length < 3 && (numbers.length >= texts || !numbers.every((column) => /^\d+$/.test(column)))
  return texts === 0 || few || !rising
}

function headerless(name: string, header: readonly string[]): NhgdError {
  return dataError(
    name,
    'a header',
    `what looks like data: ${listed(header)} (is the header missing? then say so with --no-header)`,
  )
}

/** The first entry that an earlier one equals; each entry is read once. */
export function firstRepeated(names: readonly string[]): string | undefined {
  const seen = new Set<string>()
  return names.find((name) => seen.size === seen.add(name).size)
}

function findColumn(header: string[], column: string | undefined, name: string): number {
  const only = header.length === 1 ? 0 : header.length === 2 && header[0] === '' ? 1 : -1
  const at = column === undefined ? only : header.indexOf(column)
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

/** A column of labels; those that are missing are counted, and refused in the end. */
class Labels {
  readonly #texts: string[] = []
  #missing = 0
  #first = ''

  push(text: string, row: number, column: string): void {
    if (isMissing(text) && this.#missing++ === 0)
      this.#first = `${text || 'none'} in row ${row}, column "${column}"`
    this.#texts.push(plain(text))
  }

  take(name: string): string[] {
    if (this.#missing === 0) return this.#texts
    const count = `${this.#missing} of ${this.#texts.length} values are missing`
    const help = 'rows count from 0; a name such as NA has to stand in quotes'
    throw dataError(name, 'a value', `${this.#first} (${count}; ${help})`)
  }
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
