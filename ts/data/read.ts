import { NhgdError } from '../backend/errors.ts'
import { readCsv, readCsvColumn, type Table } from './csv.ts'
import { dataError, listed } from './error.ts'
import { gunzip } from './gzip.ts'
import { readIdx } from './idx.ts'
import { encodeLabels, type Labels } from './labels.ts'
import { readNpy } from './npy.ts'
import { pickArray, unzip } from './npz.ts'
import { checkFinite, type Features, sizeOf, type Tensor, toFeatures } from './tensor.ts'

/** A file's name, whose extension tells the format, and its content. */
export interface File {
  readonly name: string
  readonly bytes: Uint8Array
}

const FORMATS = ['npy', 'npz', 'csv', 'tsv', 'txt', 'idx'] as const
type Format = 'npy' | 'npz' | 'csv' | 'idx'

/** Names under which arrays are looked for in an NPZ file, the first that is there. */
const FEATURE_NAMES = ['features', 'X', 'x', 'x_train', 'X_train', 'images', 'data']
const LABEL_NAMES = ['labels', 'y', 'y_train', 'Y', 'targets', 'target', 'label']
const INDEX_NAMES = ['trusted', 'indices', 'index', 'idx']

/** What a file of features is asked for. */
export interface SetOptions {
  /** The column of a CSV file, or the array of an NPZ file, that holds the labels. */
  readonly label?: string
  /** Columns of a CSV file that are left out where they are there. */
  readonly ignore?: readonly string[]
  /** Columns that a CSV file has to have. */
  readonly required?: readonly string[]
  /** Columns of a CSV file that are given back as text. */
  readonly texts?: readonly string[]
  /** What stands for a missing feature: the median of its column, or nothing, since it is an error (the default). */
  readonly impute?: 'median'
  /** Whether a CSV file has names in its first line, true by default. */
  readonly header?: boolean
  /** What messages call the argument. */
  readonly as?: string
}

/** Features, and in CSV the columns that were asked for as text and what was made of columns without numbers. */
export type ReadSet = Features & { readonly labels?: Labels } & Partial<Pick<Table, 'texts' | 'notes'>>

/**
 * Features from NPY, NPZ, IDX or CSV, gzipped or not, and in the same pass the labels where the file holds them: in the
 * column `label` of CSV, in the array `label` (or one of the usual names) of NPZ.
 *
 * @throws NhgdError as the readers do.
 */
export function parseSet(file: File, { as = 'features', ...options }: SetOptions = {}): ReadSet {
  const { label } = options
  const { format, bytes, array } = open(file, as)
  const { impute } = options
  if (format === 'csv') {
    const { features, columns, labels, texts, notes } = readCsv(bytes, options, as)
    if (columns.length === 0)
      throw dataError(as, 'at least one column of features', `only the labels, "${label}"`)
    const read = { features: checkFinite(features, as, columns), columns, texts, notes }
    return labels ? { ...read, labels: encodeLabels(labels, undefined, as) } : read
  }
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

/** The features of {@link parseSet} alone: labels of another kind than it reads do not matter. */
export function parseFeatures(file: File, { label, as = 'features' }: SetOptions = {}): Features {
  const { format, bytes, array } = open(file, as)
  if (format !== 'npz') {
    const { labels: _, ...features } = parseSet(file, { label: format === 'csv' ? label : undefined, as })
    return features
  }
  return toFeatures(pickFeatures(unzip(bytes, as), array, as), as)
}

function pickFeatures(entries: Record<string, Uint8Array>, array: string | undefined, as: string): Tensor {
  return array === undefined
    ? pickEntry(entries, FEATURE_NAMES, ({ shape }) => shape.length > 1, as)
    : pickEntry(entries, [array], () => false, as)
}

/** Whether a file of this name is read as CSV; what comes through a pipe may be. */
export function isCsv(name: string): boolean {
  return name === '-' || formatOf(name) === 'csv'
}

/** Whether a file of this name may hold labels under a name of their own. */
export function namesLabels(name: string): boolean {
  return isCsv(name) || formatOf(name) === 'npz'
}

/**
 * Labels as class indices from NPY, NPZ, IDX or CSV: text or whole numbers. In CSV they are in the column `label`, or
 * in the only one; in NPZ in the array `label`, or in one of the usual names.
 *
 * @param names - the classes where they are already known.
 */
export function parseLabels(
  file: File,
  {
    label,
    names,
    header,
    as = 'labels',
  }: { label?: string; names?: readonly string[]; header?: boolean; as?: string } = {},
): Labels {
  const { format, bytes, list, array = label } = open(file, as)
  const values =
    format === 'csv'
      ? readCsvColumn(bytes, label, { header: list ? false : header }, as)
      : readList(format, bytes, LABEL_NAMES, array, as).data
  return encodeLabels(values, names, as)
}

/**
 * Row numbers (from 0) from NPY, NPZ, IDX, a CSV of one column or a text file of one number per line; truth values stand
 * for the rows where they are true.
 *
 * @throws NhgdError `ERR_RANGE` for negative or fractional numbers.
 */
export function parseIndices(
  file: File,
  { as = 'indices', header }: { as?: string; header?: boolean } = {},
): Int32Array {
  return parseRows(file, { as, header }).rows
}

/** {@link parseIndices}, and for truth values how many there were. */
export function parseRows(
  file: File,
  { as = 'indices', header }: { as?: string; header?: boolean } = {},
): { readonly rows: Int32Array; readonly mask?: number } {
  const { format, bytes, list, array } = open(file, as)
  const { data, boolean } =
    format === 'csv'
      ? truthValues(readCsvColumn(bytes, undefined, { header: list ? false : header }, as))
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

/** The file and the array that `set.npz:X` stands for; any other name is a file. */
export function arrayOf(name: string): { readonly path: string; readonly array?: string } {
  const [, path, array] = /^(.+\.npz):([^/\\:]+)$/i.exec(name) ?? []
  return path === undefined ? { path: name } : { path, array }
}

function formatOf(name: string): Format | undefined {
  const plain = arrayOf(name).path.toLowerCase().replace(/\.gz$/, '')
  if (/-ubyte$/.test(plain)) return 'idx'
  const found = FORMATS.find((candidate) => plain.endsWith(`.${candidate}`))
  return found === 'tsv' || found === 'txt' ? 'csv' : found
}

/** What bytes without a name are, by how they begin. */
function sniff(bytes: Uint8Array): Format {
  if (bytes[0] === 0x93) return 'npy'
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) return 'npz'
  return bytes[0] === 0 && bytes[1] === 0 ? 'idx' : 'csv'
}

interface Opened {
  readonly format: Format
  readonly bytes: Uint8Array
  /** A text file, which has one value per line and no header where one column is read. */
  readonly list: boolean
  /** The array that the name asks for. */
  readonly array?: string
}

/** A file called `-` came through a pipe. */
function open({ name, bytes: packed }: File, as: string): Opened {
  const bytes = gunzip(packed, as)
  const format = name === '-' ? sniff(bytes) : formatOf(name)
  if (!format && /\.(xlsx?|parquet|feather|arrow)$/i.test(name)) {
    throw dataError(
      as,
      'CSV, NPY or NPZ: save it as CSV first (in pandas df.to_csv(…, index=False))',
      `"${name}"`,
    )
  }
  if (!format)
    throw dataError(as, `a file named ${FORMATS.map((f) => `.${f}`).join(', ')} or -ubyte`, `"${name}"`)
  return { format, bytes, list: /\.txt(\.gz)?$/i.test(name), array: arrayOf(name).array }
}

function readTensor(format: 'idx' | 'npy', bytes: Uint8Array, as: string): Tensor {
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
  format: Exclude<Format, 'csv'>,
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
