import { NhgdError } from '../backend/errors.ts'
import { type Matrix, matrix, type Numbers } from '../backend/matrix.ts'
import { dataError, listed } from './error.ts'

/** A cell that holds no number: its text, which is empty where the value is missing, and how that is written. */
export interface Odd {
  readonly row: number
  readonly text: string
  readonly written: string
}

/** A column of a table, and its cells that hold no number. */
interface Column {
  readonly name: string
  readonly odd: readonly Odd[]
}

/** Most different words of a column that becomes columns of 0 and 1. */
const mostWords = 20
const INFINITE = /^[+-]?inf(inity)?$/i
const truths: Readonly<Record<string, number>> = { true: 1, false: 0, yes: 1, no: 0 }

/**
 * The columns of a table as numbers; `data` has NaN where a cell holds none. Truth values become 0 and 1, columns of few
 * words a column per word (the words of `trained`, the names of the columns of an earlier table, where it has such),
 * missing values the median where that is asked for, and a first column without a name that numbers the rows is left out.
 *
 * @throws NhgdError `ERR_DATA` that names every column that can't be read so, and `ERR_NOT_FINITE` for infinity.
 */
export function numericColumns(
  data: Float64Array,
  rows: number,
  given: readonly Column[],
  impute: 'median' | undefined,
  trained: readonly string[],
  name: string,
): { features: Matrix; columns: string[]; notes: string[] } {
  const width = given.length
  const column = (j: number) => Float64Array.from({ length: rows }, (_, i) => data[i * width + j])
  const notes: string[] = []
  const wrong: string[] = []
  const made: { name: string; values: Float64Array | number }[] = []
  for (const [j, { name: title, odd }] of given.entries()) {
    if (/^__index_level_\d+__$/.test(title)) {
      notes.push(`"${title}", the index of a data frame, is left out`)
      continue
    }
    if (j === 0 && isIndex(title)) {
      if (odd.length === 0 && isNumbering(column(0))) {
        notes.push('the first column numbers the rows and is left out')
        continue
      }
      if (title === '') throw dataError(name, 'a name for every column', 'none for column 1')
    }
    if (odd.length === 0) {
      made.push({ name: title, values: j })
      continue
    }
    const infinite = odd.find(
      ({ text }) => INFINITE.test(text) || (text !== '' && !Number.isNaN(Number(text))),
    )
    if (infinite) {
      const got = `"${infinite.text.slice(0, 40)}" in row ${infinite.row}, column "${title}"`
      throw new NhgdError('ERR_NOT_FINITE', `"${name}" expected finite numbers, got ${got}`)
    }
    const words = odd.filter(({ text }) => text !== '')
    const missing = odd.length - words.length
    const distinct = [...new Set(words.map(({ text }) => text))].sort()
    const numeric = rows - odd.length
    const known = trained.flatMap((column) =>
      column.startsWith(`${title}=`) ? [column.slice(title.length + 1)] : [],
    )
    const isTrue = distinct.length > 0 && distinct.every((word) => Object.hasOwn(truths, word.toLowerCase()))
    if (missing > 0 && impute === undefined) {
      const { row, written } = odd.find(({ text }) => text === '') as Odd
      const more = missing > 1 ? ` and ${missing - 1} more` : ''
      wrong.push(`${written || 'none'} in row ${row}, column "${title}"${more}`)
    } else if (words.length > 0 && numeric > 0) {
      const [{ row, text }] = words
      wrong.push(`"${text.slice(0, 40)}" in row ${row}, column "${title}" (of numbers)`)
    } else if (isTrue || words.length === 0) {
      const values = column(j)
      for (const { row, text } of words) values[row] = truths[text.toLowerCase()]
      fillMedian(values)
      made.push({ name: title, values })
      if (missing > 0) notes.push(`${missing} missing values of "${title}" have the median of the column`)
    } else if (known.length > 0 || (distinct.length <= mostWords && 2 * distinct.length <= words.length)) {
      const all = known.length > 0 ? known : distinct
      const other = words.find(({ text }) => !all.includes(text))
      if (other) {
        wrong.push(
          `"${other.text.slice(0, 40)}" in row ${other.row}, column "${title}" (which had ${listed(all)} in training)`,
        )
      }
      for (const word of all) {
        const values = new Float64Array(rows)
        for (const { row, text } of words) values[row] = text === word ? 1 : 0
        made.push({ name: `${title}=${word}`, values })
      }
      notes.push(`"${title}" has ${all.length} words and became as many columns of 0 and 1`)
    } else {
      const [{ row, text }] = words
      wrong.push(
        `"${text.slice(0, 40)}" in row ${row}, column "${title}" (of ${distinct.length} different texts)`,
      )
    }
  }
  if (wrong.length > 0) throw refused(name, wrong)
  const features = new Float64Array(rows * made.length)
  for (const [at, { values }] of made.entries()) {
    for (let i = 0; i < rows; i++) {
      features[i * made.length + at] = typeof values === 'number' ? data[i * width + values] : values[i]
    }
  }
  return { features: matrix(features, rows, made.length), columns: made.map(({ name }) => name), notes }
}

/** One error for all columns, with the options that help. */
function refused(name: string, wrong: readonly string[]): NhgdError {
  const texts = wrong.some((text) => text.endsWith(')'))
  const missing = wrong.some((text) => !text.endsWith(')'))
  const help = [
    ...(missing ? ['fill missing values with --impute median'] : []),
    ...(texts
      ? ['leave a column out with --ignore, keep it as a name with --id, or turn long text into embeddings']
      : []),
  ]
  const expected = missing ? 'a value' : 'a number'
  const more = wrong.length > 10 ? ` and ${wrong.length - 10} more columns` : ''
  return dataError(
    name,
    `${expected} in every cell`,
    `${wrong.slice(0, 10).join(', ')}${more} (rows count from 0): ${help.join('; ')}`,
  )
}

/** What pandas writes above the index. */
function isIndex(title: string): boolean {
  return title === '' || title === 'Unnamed: 0'
}

/** Whether every row has a number of its own, in any order: part of a data frame keeps the numbers of the whole. */
function isNumbering(values: Float64Array): boolean {
  return values.every((x) => Number.isInteger(x) && x >= 0) && new Set(values).size === values.length
}

/** A copy of a matrix, in which the median of its column stands for NaN. */
export function withMedians(data: Numbers, rows: number, columns: number): Numbers {
  if (data instanceof Uint8Array || data.every((x) => !Number.isNaN(x))) return data
  const filled = data.slice()
  for (let j = 0; j < columns; j++) {
    const values = Float64Array.from({ length: rows }, (_, i) => data[i * columns + j])
    fillMedian(values)
    for (const [i, value] of values.entries()) filled[i * columns + j] = value
  }
  return filled
}

/** Puts the median of the numbers in the place of NaN. */
function fillMedian(values: Float64Array): void {
  const sorted = values.filter((x) => !Number.isNaN(x)).sort()
  const middle = sorted.length >> 1
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  for (let i = 0; i < values.length; i++) if (Number.isNaN(values[i])) values[i] = median || 0
}
