import { oneOf } from '../backend/check.ts'
import type { Matrix } from '../backend/matrix.ts'
import { numericColumns, type Odd } from './columns.ts'
import { dataError, listed } from './error.ts'
import { text, texts } from './given.ts'

/** What is done with the columns of a table. */
export interface TableOptions {
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
  /** The feature columns of the table that a model was trained on: a column of words has the words that it had there. */
  readonly trained?: readonly string[]
}

export const tableChecks = {
  label: text,
  ignore: texts,
  required: texts,
  texts,
  impute: oneOf('median'),
  trained: texts,
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

/** What looks at the rows of a table. */
interface Visitor {
  /** Called first, with the titles of the file. */
  onTitles?(titles: readonly string[]): void
  /** Whether a column is to be read. A file of rows is read whole. */
  wants?(title: string): boolean
  /** Called for each row; a cell is a number or a text, which is empty where nothing is there. A column of lists has become
   * several in `header`. */
  take(
    record: readonly (string | number)[],
    row: number,
    header: readonly string[],
    decimalCommas: boolean,
  ): void
}

/** A table, whatever the format of its file. */
export interface RowSource {
  /** Whether its first line was taken for titles, and may have been a row. */
  readonly guessed: boolean
  visit(visitor: Visitor): { readonly header: readonly string[]; readonly rows: number }
}

/** What pandas, R, SQL, Python and Excel write for a value that is missing. */
const MISSING = /^(#?n\/?a|[-+]?nan|<na>|null)?$/i
/** As spreadsheets write numbers where semicolons separate the columns. */
const DECIMAL_COMMA = /^[-+]?\d+,\d+(e[-+]?\d+)?$/i
/** Stands before a text that says "missing" and is one, and so means itself. No file has it. */
const QUOTED = '\0'

/**
 * Features, labels and texts of a table.
 *
 * @throws NhgdError `ERR_DATA` for missing values and for text in a feature, with row and column, of all columns at once, and
 * for an absent column; `ERR_NOT_FINITE` for infinity.
 */
export function readTable(source: RowSource, options: TableOptions, name: string): Table {
  const { label, ignore = [], texts: wanted = [], impute, trained = [] } = options
  const asked = [...wanted, ...(label === undefined ? [] : [label])]
  const labels = new Labels()
  const texts = Object.fromEntries(wanted.map((column) => [column, [] as string[]]))
  const numbers = new Growing()
  const odd = new Map<number, Odd[]>()
  const found = (column: number, cell: Odd) => {
    const list = odd.get(column) ?? []
    odd.set(column, list)
    list.push(cell)
  }
  const left = new Set([...asked, ...ignore])
  const roleOf = (title: string) => {
    if (title === label) return 'label'
    return Object.hasOwn(texts, title) ? 'text' : left.has(title) ? 'left' : 'feature'
  }
  let roles: ReturnType<typeof roleOf>[] = []
  let commas = 0
  const { header, rows } = source.visit({
    onTitles(titles) {
      for (const column of [...asked, ...(options.required ?? [])]) findColumn(titles, column, name)
    },
    wants: (title) => roleOf(title) !== 'left',
    take(record, row, header, decimalCommas) {
      if (row === 0) roles = header.map(roleOf)
      for (let i = 0; i < record.length; i++) {
        const cell = record[i]
        if (roles[i] === 'feature') {
          const value = Number(cell)
          if (Number.isFinite(value) && cell !== '') {
            numbers.push(value)
            continue
          }
          const text = String(cell)
          const isDecimal = decimalCommas && DECIMAL_COMMA.test(text)
          numbers.push(isDecimal ? Number(text.replace(',', '.')) : Number.NaN)
          if (isDecimal) commas++
          else found(i, { row, text: isMissing(text) ? '' : plain(text), written: plain(text) })
        } else if (roles[i] === 'label') labels.push(String(cell), row, header[i])
        else if (roles[i] === 'text')
          texts[header[i]].push(isMissing(String(cell)) ? '' : plain(String(cell)))
      }
    },
  })
  const kept = [...header.keys()].filter((i) => !left.has(header[i]))
  const plainColumns = kept.map((i) => ({ name: header[i], odd: odd.get(i) ?? [] }))
  const { features, columns, notes } = numericColumns(
    numbers.take(),
    rows,
    plainColumns,
    impute,
    trained,
    name,
  )
  if (commas > 0) notes.push(`${commas} numbers have a decimal comma, as 1,5 for 1.5`)
  const table = { features, columns, texts, notes }
  return label === undefined ? table : { ...table, labels: labels.take(name) }
}

/**
 * One column of a table as text: the one called `column`, or the only one beside an index without a name.
 *
 * @throws NhgdError `ERR_DATA` as {@link readTable}.
 */
export function readColumn(source: RowSource, column: string | undefined, name: string): string[] {
  const values = new Labels()
  let title = ''
  let at = -1
  source.visit({
    onTitles(titles) {
      title = titles[findColumn(titles, column, name)]
    },
    wants: (other) => other === title,
    take(record, row, header) {
      if (row === 0) at = header.indexOf(title)
      if (at < 0) throw dataError(name, `one value per row in the column "${title}"`, 'lists')
      values.push(String(record[at]), row, title)
    },
  })
  const texts = values.take(name)
  if (source.guessed && column === undefined && texts.includes(title)) throw headerless(name, [title])
  return texts
}

/** The columns of these names, where they are there, as text. */
export function readTexts(
  source: RowSource,
  wanted: readonly string[],
  name: string,
): { readonly header: readonly string[]; readonly texts: Readonly<Record<string, string[]>> } {
  const texts: Record<string, string[]> = {}
  let header: readonly string[] = []
  source.visit({
    onTitles(titles) {
      header = titles
      for (const column of wanted) if (titles.includes(column)) texts[column] = []
    },
    wants: (title) => wanted.includes(title),
    take(record, _row, header) {
      for (const [i, cell] of record.entries()) {
        const text = String(cell)
        texts[header[i]]?.push(isMissing(text) ? '' : plain(text))
      }
    },
  })
  const lists = Object.keys(texts).find((column) => texts[column].length === 0)
  if (lists !== undefined) throw dataError(name, `one value per row in the column "${lists}"`, 'lists')
  return { header, texts }
}

/** A text that means itself where it says that a value is missing. */
export const quoted = (text: string): string => (text !== '' && isMissing(text) ? QUOTED + text : text)

export function headerless(name: string, header: readonly string[]): Error {
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

function findColumn(header: readonly string[], column: string | undefined, name: string): number {
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
export function plain(text: string): string {
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
