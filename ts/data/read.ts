import { type Check, checkOptions, flag, something } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { sizeOf } from '../backend/strides.ts'
import { parseJsonLines, type TableData, typedRows } from './columnar.ts'
import { csvRows } from './csv.ts'
import { bytesOf, dataError, listed } from './error.ts'
import { arrayOf, endings, type Format, formatOf } from './formats.ts'
import { optional, text, texts } from './given.ts'
import { gunzip } from './gzip.ts'
import { readIdx } from './idx.ts'
import { encodeLabels, type Labels } from './labels.ts'
import { readNpy } from './npy.ts'
import { pickArray, unzip } from './npz.ts'
import { type RowSource, readColumn, readTable, type Table, type TableOptions, tableChecks } from './table.ts'
import { checkFinite, type Features, type Tensor, toFeatures } from './tensor.ts'

/** A file's name, whose extension tells the format, and its content. */
export interface File {
  readonly name: string
  readonly bytes: Uint8Array
  /** What another package read of it, for Parquet and Arrow. */
  readonly table?: TableData
}

export const fileCheck: Check<File> = (name, value) => {
  const file = something(name, value) as File
  text(`${name}.name`, file.name)
  bytesOf(file.bytes, `${name}.bytes`)
  optional(something)(`${name}.table`, file.table)
  return file
}

/** Names under which arrays are looked for in an NPZ file, the first that is there. */
const FEATURE_NAMES = ['features', 'X', 'x', 'x_train', 'X_train', 'images', 'data']
const LABEL_NAMES = ['labels', 'y', 'y_train', 'Y', 'targets', 'target', 'label']
const INDEX_NAMES = ['trusted', 'indices', 'index', 'idx']

/** What a file of features is asked for. In NPZ `label` is the array that holds the labels. */
export interface SetOptions extends TableOptions {
  /** Whether a CSV file has names in its first line, true by default. */
  readonly header?: boolean
  /** What messages call the argument. */
  readonly as?: string
}

export const setChecks = { ...tableChecks, header: flag, as: text }
const listChecks = { label: text, header: flag, as: text }

/** Features, and of a table the columns that were asked for as text and what was made of columns without numbers. */
export type ReadSet = Features & { readonly labels?: Labels } & Partial<Pick<Table, 'texts' | 'notes'>>

/**
 * Features from NPY, NPZ, IDX, CSV or JSON lines, gzipped or not, and in the same pass the labels where the file holds
 * them: in the column `label` of a table, in the array `label` (or one of the usual names) of NPZ. Of Parquet and Arrow
 * files it reads `table`.
 *
 * @throws NhgdError as the readers do.
 */
export function parseSet(file: File, given: SetOptions = {}): ReadSet {
  const { as = 'features', ...options } = checkOptions(given, setChecks)
  const { label } = options
  const { format, bytes, array, rows } = open(file, as)
  const { impute, header } = options
  if (rows) return setOf(rows(header), options, as)
  if (format !== 'npz') return toFeatures(readTensor(format, bytes, as), as, impute)
  const entries = unzip(bytes, as)
  const features = toFeatures(pickFeatures(entries, array, as), as, impute)
  const names = label === undefined ? LABEL_NAMES.filter((name) => Object.hasOwn(entries, name)) : [label]
  if (names.length === 0) return features
  const labels = list(
    pickEntry(entries, names, () => false, as),
    as,
  )
  return { ...features, labels: encodeLabels(labels.data, undefined, as) }
}

/**
 * The same of a table in memory, such as one of apache-arrow, or of an array of rows. Columns of lists are one feature per
 * entry.
 */
export function parseTable(data: TableData, given: Omit<SetOptions, 'header'> = {}): ReadSet {
  const { as = 'features', ...options } = checkOptions(given, { ...tableChecks, as: text })
  return setOf(typedRows(data, as), options, as)
}

function setOf(source: RowSource, options: TableOptions, as: string): ReadSet {
  const { features, columns, labels, texts, notes } = readTable(source, options, as)
  if (columns.length === 0) {
    const others = options.label === undefined ? 'none' : `only the labels, "${options.label}"`
    throw dataError(as, 'at least one column of features', others)
  }
  const read = { features: checkFinite(features, as, columns), columns, texts, notes }
  return labels ? { ...read, labels: encodeLabels(labels, undefined, as) } : read
}

/** The features of {@link parseSet} alone: labels of another kind than it reads do not matter. */
export function parseFeatures(file: File, options: SetOptions = {}): Features {
  const { label, as = 'features' } = checkOptions(options, setChecks)
  const { format, bytes, array, rows } = open(file, as)
  if (format !== 'npz') {
    const { labels: _, ...features } = parseSet(file, { label: rows ? label : undefined, as })
    return features
  }
  return toFeatures(pickFeatures(unzip(bytes, as), array, as), as)
}

function pickFeatures(entries: Record<string, Uint8Array>, array: string | undefined, as: string): Tensor {
  return array === undefined
    ? pickEntry(entries, FEATURE_NAMES, ({ shape }) => shape.length > 1, as)
    : pickEntry(entries, [array], () => false, as)
}

/**
 * Labels as class indices from the same formats: text or whole numbers. In a table they are in the column `label`, or
 * in the only one; in NPZ in the array `label`, or in one of the usual names. `names` are the classes where they are
 * already known.
 */
export function parseLabels(
  file: File,
  options: { label?: string; names?: readonly string[]; header?: boolean; as?: string } = {},
): Labels {
  const { label, names, header, as = 'labels' } = checkOptions(options, { ...listChecks, names: texts })
  return encodeLabels(parseValues(file, { label, header, as }), names, as)
}

/** The numbers or texts of a file of labels, as they stand there. */
export function parseValues(
  file: File,
  options: { label?: string; header?: boolean; as?: string } = {},
): ArrayLike<number | string | bigint | boolean> {
  const { label, header, as = 'values' } = checkOptions(options, listChecks)
  const { format, bytes, list, array = label, rows } = open(file, as)
  if (rows) return readColumn(rows(list ? false : header), label, as)
  return readList(format, bytes, LABEL_NAMES, array, as).data
}

/**
 * Row numbers (from 0) from NPY, NPZ, IDX, a table of one column or a text file of one number per line; truth values stand
 * for the rows where they are true.
 *
 * @throws NhgdError `ERR_RANGE` for negative or fractional numbers.
 */
export function parseIndices(file: File, options: { as?: string; header?: boolean } = {}): Int32Array {
  return parseRows(file, options).rows
}

/** {@link parseIndices}, and for truth values how many there were. */
export function parseRows(
  file: File,
  options: { as?: string; header?: boolean } = {},
): { readonly rows: Int32Array; readonly mask?: number } {
  const { as = 'indices', header } = checkOptions(options, { header: flag, as: text })
  const { format, bytes, list, array, rows: source } = open(file, as)
  const { data, boolean } = source
    ? truthValues(readColumn(source(list ? false : header), undefined, as))
    : readList(format, bytes, INDEX_NAMES, array, as)
  if (boolean) {
    const rows = Int32Array.from(Array.from(data, Number).flatMap((truth, row) => (truth ? [row] : [])))
    return { rows, mask: data.length }
  }
  const rows = Int32Array.from(data as ArrayLike<number | string>, (value, i) => {
    const row = value === '' ? Number.NaN : Number(value)
    if (Number.isInteger(row) && row >= 0 && row < 2 ** 31) return row
    throw new NhgdError('ERR_RANGE', `"${as}" expected row numbers from 0, got ${value} at ${i}`)
  })
  return { rows }
}

/** A column of `true` and `false` is a mask. */
function truthValues(data: readonly string[]): { data: readonly (string | number)[]; boolean?: boolean } {
  if (data.length === 0 || !data.every((text) => /^(true|false)$/i.test(text))) return { data }
  return { data: data.map((text) => (/^true$/i.test(text) ? 1 : 0)), boolean: true }
}

interface Opened {
  readonly format: Format
  readonly bytes: Uint8Array
  /** The rows of a table, whose first line has names unless that is denied. */
  readonly rows?: (header?: boolean) => RowSource
  /** A text file, which has one value per line and no header where one column is read. */
  readonly list: boolean
  /** The array that the name asks for. */
  readonly array?: string
}

const saved = 'save it as CSV first (in pandas df.to_csv(…, index=False))'

/** A file called `-` came through a pipe. */
function open(file: File, as: string): Opened {
  const { name, bytes: packed, table } = fileCheck(as, file)
  const bytes = gunzip(packed, as)
  const format = formatOf(name, bytes)
  if (!format && /\.xlsx?$/i.test(name)) {
    throw dataError(as, `CSV, Parquet, Arrow, JSON lines, NPY or NPZ: ${saved}`, `"${name}"`)
  }
  if (!format) throw dataError(as, `a file named ${endings}`, `"${name}"`)
  const list = /\.txt(\.gz)?$/i.test(name)
  const opened = { format, bytes, list, array: arrayOf(name).array }
  if (format === 'csv') return { ...opened, rows: (header) => csvRows(bytes, { header }, as) }
  if (table) return { ...opened, rows: () => typedRows(table, as) }
  if (format === 'jsonl') return { ...opened, rows: () => typedRows(parseJsonLines(bytes, as), as) }
  if (format === 'parquet' || format === 'arrow') {
    const expected = 'the table that readFile reads with the package of its format'
    throw dataError(as, `${expected} (or ${saved})`, `"${name}" alone`)
  }
  return opened
}

/**
 * The rows of a file that holds a table.
 *
 * @throws NhgdError `ERR_DATA` for other formats.
 */
export function openRows(file: File, as: string): RowSource {
  const { rows } = open(file, as)
  if (rows) return rows()
  throw dataError(as, 'a table, such as a CSV file', `"${file.name}"`)
}

function readTensor(format: Format, bytes: Uint8Array, as: string): Tensor {
  return format === 'idx' ? readIdx(bytes, as) : readNpy(bytes, as)
}

/** {@link pickArray} in an archive. An array that is not asked for may be of a type that cannot be read. */
function pickEntry(
  entries: Record<string, Uint8Array>,
  names: readonly string[],
  fits: (tensor: Tensor) => boolean,
  as: string,
): Tensor {
  const named = names.find((name) => Object.hasOwn(entries, name))
  if (Object.hasOwn(entries, 'indptr')) {
    throw dataError(as, 'a dense array (save X.toarray())', 'a sparse matrix of SciPy')
  }
  if (named !== undefined) return readNpy(entries[named], `${as}[${named}]`)
  const arrays: Record<string, Tensor> = {}
  let reason: unknown
  for (const [name, content] of Object.entries(entries)) {
    try {
      arrays[name] = readNpy(content, `${as}[${name}]`)
    } catch (error) {
      reason = error
    }
  }
  if (reason && Object.keys(arrays).length === 0) throw reason
  return pickArray(arrays, names, fits, as)
}

/** An array of one dimension, or of one column. */
function readList(
  format: Format,
  bytes: Uint8Array,
  usual: readonly string[],
  array: string | undefined,
  as: string,
): Tensor {
  if (format !== 'npz') return list(readTensor(format, bytes, as), as)
  const names = array === undefined ? usual : [array]
  const fits = ({ shape }: Tensor) => array === undefined && shape.length === 1
  return list(pickEntry(unzip(bytes, as), names, fits, as), as)
}

function list(tensor: Tensor, as: string): Tensor {
  const [, ...rest] = tensor.shape
  if (tensor.shape.length > 0 && sizeOf(rest) === 1) return tensor
  throw new NhgdError('ERR_SHAPE', `"${as}" expected one dimension, got shape [${listed(tensor.shape)}]`)
}
