import { NhgdError } from '../backend/errors.ts'
import { readCsv } from './csv.ts'
import { dataError, listed } from './error.ts'
import { gunzip } from './gzip.ts'
import type { File } from './read.ts'

/** Rows that somebody checked. */
export interface CheckedFile {
  readonly rows: Uint32Array
  /** The true class of each, or −1 where the given label is wrong and nobody said what is right. */
  readonly labels: Int32Array
}

/** What is known of the labels that were checked. */
export interface GivenLabels {
  readonly names: readonly string[]
  readonly labels: ArrayLike<number>
}

/**
 * Answers of a person from a CSV file with the columns `row`, counted from 0, and `label`: the true class, or the words
 * `right` or `wrong` where these are no classes. A row without an answer was not checked.
 *
 * @throws NhgdError `ERR_DATA` for other columns and for labels that are no class; `ERR_RANGE` for rows that are out of
 * range or answered twice.
 */
export function parseChecked(file: File, given: GivenLabels, as = 'checked'): CheckedFile {
  const { columns, texts, features } = readChecked(file, as)
  const at = columns.indexOf('row')
  if (at < 0) throw dataError(as, 'the columns "row" and "label"', listed([...columns, 'label']))
  const answers = texts.label
  const rows = answers.map((_, i) => features.data[i * features.columns + at] * (features.scale ?? 1))
  return answered(rows, answers, given, as)
}

/** The same from a column with an answer, or nothing, for each row. */
export function checkedColumn(answers: readonly string[], given: GivenLabels, as = 'checked'): CheckedFile {
  if (answers.length !== given.labels.length) {
    throw new NhgdError('ERR_SHAPE', `"${as}" expected ${given.labels.length} rows, got ${answers.length}`)
  }
  return answered([...answers.keys()], answers, given, as)
}

function readChecked({ name, bytes }: File, as: string) {
  if (!/\.(csv|tsv|txt)(\.gz)?$/i.test(name)) throw dataError(as, 'a CSV file', `"${name}"`)
  const plain = gunzip(bytes, as)
  // What else a review file shows of a row is no answer.
  const [first] = new TextDecoder().decode(plain.subarray(0, 65536)).split(/\r?\n|\r/, 1)
  const others = first.split(/[,;\t]/).map((column) => column.trim().replace(/^"|"$/g, ''))
  const ignore = others.filter((column) => column !== 'row' && column !== 'label')
  return readCsv(plain, { texts: ['label'], ignore }, as)
}

function answered(
  all: readonly number[],
  answers: readonly string[],
  { names, labels: given }: GivenLabels,
  as: string,
): CheckedFile {
  const classes = new Map(names.map((name, index) => [name, index]))
  const seen = new Set<number>()
  const rows: number[] = []
  const labels: number[] = []
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
  }
  return { rows: Uint32Array.from(rows), labels: Int32Array.from(labels) }
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
