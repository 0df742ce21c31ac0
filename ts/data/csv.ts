import { parse } from 'csv-parse/browser/esm/sync'
import { checkOptions, flag, is } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { bytesOf, dataError } from './error.ts'
import { optional, text } from './given.ts'
import {
  firstRepeated,
  headerless,
  plain,
  quoted,
  type RowSource,
  readColumn,
  readTable,
  readTexts,
  type Table,
  type TableOptions,
  tableChecks,
} from './table.ts'

export interface CsvOptions extends TableOptions {
  /** Whether the first line has names; else columns are called x0, x1, … */
  readonly header?: boolean
  /** A comma, a semicolon or a tab by default: whichever the header has most of. */
  readonly delimiter?: string
}

const dialectChecks = {
  header: flag,
  delimiter: is<string>(
    'a text without quotes and line ends',
    (value) => typeof value === 'string' && /^[^"\r\n]+$/.test(value),
  ),
}

/**
 * Reads CSV with a header (UTF-8; quotes, CRLF, a byte-order mark and empty lines are fine). Rows in messages count from 0
 * below the header. A label such as NA is a missing value, unless it stands in quotes. Columns of truth values become
 * numbers, as do decimal commas between semicolons; columns of few words become a column of 0 and 1 per word, and the index
 * of a data frame, a first column without a name that numbers the rows, is left out.
 *
 * @throws NhgdError `ERR_DATA` for missing values (empty, NA, N/A, NaN, null, None) and for text in a feature, with row
 * and column, of all columns at once; for rows of another length than the header, nameless or repeated columns, names that
 * are all numbers (but for 0, 1, 2 and so on in three columns or more), an absent column.
 * `ERR_NOT_FINITE` for infinity.
 */
export function readCsv(bytes: Uint8Array, options: CsvOptions = {}, name = 'file'): Table {
  const given = checkOptions(options, { ...tableChecks, ...dialectChecks })
  return readTable(csvRows(bytes, given, name), given, name)
}

/**
 * One column of a CSV file as text: the one called `column`, or the only one beside an index without a name.
 *
 * @throws NhgdError `ERR_DATA` as {@link readCsv}.
 */
export function readCsvColumn(
  bytes: Uint8Array,
  column?: string,
  dialect: Pick<CsvOptions, 'header' | 'delimiter'> = {},
  name = 'file',
): string[] {
  const given = checkOptions(dialect, dialectChecks)
  return readColumn(csvRows(bytes, given, name), optional(text)('column', column), name)
}

/** The columns of these names, where they are there, as text. */
export function readCsvTexts(bytes: Uint8Array, wanted: readonly string[], name = 'file') {
  return readTexts(csvRows(bytes, {}, name), wanted, name)
}

/** The rows of a CSV file; otherwise millions of small strings would be alive at once. */
export function csvRows(
  bytes: Uint8Array,
  { delimiter: given, header: named = true }: CsvOptions,
  name: string,
) {
  const source: RowSource = {
    guessed: named,
    visit({ onTitles, take }) {
      let header: string[] | undefined
      let rows = 0
      const onRecord = (record: string[]): null => {
        if (header) {
          take(record, rows++, header, decimalCommas)
          return null
        }
        header = named ? checkHeader(record, name) : record.map((_, i) => `x${i}`)
        onTitles?.(header)
        if (!named) take(record, rows++, header, decimalCommas)
        return null
      }
      const text = decode(bytes, name)
      const delimiter = given ?? delimiterOf(text)
      const decimalCommas = delimiter === ';'
      const cast = (value: string, { quoting }: { quoting: boolean }) => (quoting ? quoted(value) : value)
      try {
        if (text.includes('"')) {
          const record_delimiter = ['\r\n', '\n', '\r']
          const on_record = onRecord as never
          parse(text, { delimiter, record_delimiter, trim: true, skip_empty_lines: true, cast, on_record })
        } else eachPlainRecord(text, delimiter, onRecord)
      } catch (error) {
        if (error instanceof NhgdError) throw error
        throw dataError(name, 'CSV with rows as long as its header', (error as Error).message, {
          cause: error,
        })
      }
      if (header && rows > 0) return { header, rows }
      throw dataError(name, 'CSV with a header and at least one row', `${bytes.length} bytes`)
    },
  }
  return source
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

/** Text in UTF-8. */
export function decode(bytes: Uint8Array, name: string, format = 'CSV'): string {
  bytesOf(bytes, name)
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    if (!text.includes('\0')) return text
  } catch (cause) {
    throw dataError(name, `${format} in UTF-8`, `${bytes.length} bytes that are not (or too many)`, { cause })
  }
  throw dataError(name, `${format} in UTF-8`, 'a binary file')
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
