import { type Check, numbers, something } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { dataError, listed } from './error.ts'
import { isTableFile } from './formats.ts'
import { texts } from './given.ts'
import { type File, fileCheck, openRows } from './read.ts'
import { readTexts } from './table.ts'

const YES = /^(true|yes|1|x)$/i
const NO = /^(false|no|0)$/i

/** Rows that somebody checked. */
export interface CheckedFile {
  readonly rows: Uint32Array
  /** The true class of each, or −1 where the given label is wrong and nobody said what is right. */
  readonly labels: Int32Array
  /** Whether each was drawn at random, where the file has a column that says so. */
  readonly random?: readonly boolean[]
}

/** What is known of the labels that were checked. */
export interface GivenLabels {
  readonly names: readonly string[]
  readonly labels: ArrayLike<number>
}

const givenCheck: Check<GivenLabels> = (name, value) => {
  const given = something(name, value) as GivenLabels
  texts(`${name}.names`, given.names)
  numbers(`${name}.labels`, given.labels)
  return given
}

/**
 * Answers of a person from a CSV file, or another table, with the columns `row`, counted from 0, and `label`: the true class, or the words
 * `right` or `wrong` where these are no classes; or with a column `right` or `wrong` of truth values. A row without an
 * answer was not checked. A column `random` says of rows whether they were drawn at random, no where it is empty. Other
 * columns do not matter.
 *
 * @throws NhgdError `ERR_DATA` for other columns and for labels that are no class; `ERR_RANGE` for rows that are out of
 * range or answered twice.
 */
export function parseChecked(file: File, given: GivenLabels, as = 'checked'): CheckedFile {
  givenCheck('given', given)
  const { name } = fileCheck(as, file)
  if (!isTableFile(name)) throw dataError(as, 'a CSV file or another table', `"${name}"`)
  const kinds = ['label', 'right', 'wrong']
  const { header, texts: read } = readTexts(openRows(file, as), ['row', 'random', ...kinds], as)
  const answers = kinds.filter((column) => read[column])
  if (!read.row || answers.length === 0) {
    throw dataError(as, 'the columns "row" and "label" (or "right", or "wrong")', listed(header))
  }
  const words = read.row.map((_, i) => {
    const [column, text] = answers.map((column) => [column, read[column][i]]).find(([, text]) => text) ?? []
    if (column === undefined || column === 'label') return text ?? ''
    return isTrue(text, column, i, as) === (column === 'right') ? 'right' : 'wrong'
  })
  const rows = read.row.map((text) => (text === '' ? Number.NaN : Number(text)))
  const random = read.random?.map((text, i) => text !== '' && isTrue(text, 'random', i, as))
  return answered(rows, words, given, as, random)
}

function isTrue(text: string, column: string, i: number, as: string): boolean {
  if (YES.test(text)) return true
  if (NO.test(text)) return false
  throw dataError(as, `true or false in the column "${column}"`, `"${text.slice(0, 40)}" at ${i}`)
}

/** The same from a column with an answer, or nothing, for each row. */
export function checkedColumn(answers: readonly string[], given: GivenLabels, as = 'checked'): CheckedFile {
  givenCheck('given', given)
  if (texts('answers', answers).length !== given.labels.length) {
    throw new NhgdError('ERR_SHAPE', `"${as}" expected ${given.labels.length} rows, got ${answers.length}`)
  }
  return answered([...answers.keys()], answers, given, as)
}

function answered(
  all: readonly number[],
  answers: readonly string[],
  { names, labels: given }: GivenLabels,
  as: string,
  random?: readonly boolean[],
): CheckedFile {
  const classes = new Map(names.map((name, index) => [name, index]))
  const seen = new Set<number>()
  const rows: number[] = []
  const labels: number[] = []
  const drawn: boolean[] = []
  for (const [i, answer] of answers.entries()) {
    if (answer === '') continue
    const row = all[i]
    if (!Number.isInteger(row) || row < 0 || row >= given.length) {
      throw new NhgdError('ERR_RANGE', `"${as}" expected rows from 0 to ${given.length - 1}, got ${row}`)
    }
    if (seen.has(row)) throw new NhgdError('ERR_RANGE', `"${as}" expected each row once, got ${row} twice`)
    seen.add(row)
    rows.push(row)
    labels.push(classOf(answer, given[row], classes, names, row, as))
    if (random) drawn.push(random[i])
  }
  return {
    rows: Uint32Array.from(rows),
    labels: Int32Array.from(labels),
    ...(random && { random: drawn }),
  }
}

function classOf(
  answer: string,
  given: number,
  classes: ReadonlyMap<string, number>,
  names: readonly string[],
  row: number,
  as: string,
): number {
  const number = Number(answer)
  const known = classes.get(answer) ?? (answer.trim() === '' ? undefined : classes.get(String(number)))
  if (known !== undefined) return known
  if (/^(right|true|yes)$/i.test(answer)) return given
  if (/^(wrong|false|no)$/i.test(answer)) return -1
  throw dataError(as, `right, wrong or one of ${listed(names)}`, `"${answer.slice(0, 40)}" for row ${row}`)
}
