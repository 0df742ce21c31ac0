import { NhgdError } from '../backend/errors.ts'
import { readCsv, readCsvColumn } from './csv.ts'
import { dataError } from './error.ts'
import { gunzip } from './gzip.ts'
import { readIdx } from './idx.ts'
import { encodeLabels, type Labels } from './labels.ts'
import { readNpy } from './npy.ts'
import { pickArray, readNpz } from './npz.ts'
import { checkFinite, type Features, sizeOf, type Tensor, toFeatures } from './tensor.ts'

/** A file's name, whose extension tells the format, and its content. */
export interface File {
  readonly name: string
  readonly bytes: Uint8Array
}

const FORMATS = ['npy', 'npz', 'csv', 'idx'] as const
type Format = (typeof FORMATS)[number]

/** Names under which arrays are looked for in an NPZ file, the first that is there. */
const FEATURE_NAMES = ['features', 'X', 'x', 'x_train', 'images', 'data']
const LABEL_NAMES = ['labels', 'y', 'y_train', 'targets', 'target', 'label']
const INDEX_NAMES = ['trusted', 'indices', 'index', 'idx']

/**
 * Features from NPY, NPZ, IDX or CSV, gzipped or not. In CSV the column `label` is left out (and read by
 * {@link parseLabels}).
 *
 * @throws NhgdError as the readers do; messages call the argument `as`.
 */
export function parseFeatures(
  file: File,
  { label, as = 'features' }: { label?: string; as?: string } = {},
): Features {
  const { format, bytes } = open(file, as)
  if (format !== 'csv')
    return toFeatures(
      readTensor(format, bytes, FEATURE_NAMES, ({ shape }) => shape.length > 1, as),
      as,
    )
  const { features, columns } = readCsv(bytes, label === undefined ? {} : { label }, as)
  if (columns.length === 0)
    throw dataError(as, 'at least one column of features', `only the labels, "${label}"`)
  return { features: checkFinite(features, as, columns), columns }
}

/**
 * Labels as class indices from NPY, NPZ, IDX or CSV: text or whole numbers. In CSV they are in the column `label`, or
 * in the only one.
 *
 * @param names - the classes where they are already known.
 */
export function parseLabels(
  file: File,
  { label, names, as = 'labels' }: { label?: string; names?: readonly string[]; as?: string } = {},
): Labels {
  const { format, bytes } = open(file, as)
  const values =
    format === 'csv' ? readCsvColumn(bytes, label, {}, as) : readList(format, bytes, LABEL_NAMES, as).data
  return encodeLabels(values, names, as)
}

/**
 * Row numbers (from 0) from NPY, NPZ, IDX or a CSV of one column; an array of truth values stands for the rows where
 * it is true.
 *
 * @throws NhgdError `ERR_RANGE` for negative or fractional numbers.
 */
export function parseIndices(file: File, { as = 'indices' } = {}): Int32Array {
  const { format, bytes } = open(file, as)
  const { data, boolean } =
    format === 'csv'
      ? { data: readCsvColumn(bytes, undefined, {}, as) }
      : readList(format, bytes, INDEX_NAMES, as)
  if (boolean) return Int32Array.from(Array.from(data, Number).flatMap((truth, row) => (truth ? [row] : [])))
  return Int32Array.from(data as ArrayLike<number | string>, (value, i) => {
    const row = value === '' ? Number.NaN : Number(value)
    if (Number.isInteger(row) && row >= 0 && row < 2 ** 31) return row
    throw new NhgdError('ERR_RANGE', `"${as}" expected row numbers from 0, got ${value} at ${i}`)
  })
}

function open({ name, bytes }: File, as: string): { format: Format; bytes: Uint8Array } {
  const plain = name.toLowerCase().replace(/\.gz$/, '')
  const format = /-ubyte$/.test(plain) ? 'idx' : FORMATS.find((candidate) => plain.endsWith(`.${candidate}`))
  if (!format)
    throw dataError(as, `a file named ${FORMATS.map((f) => `.${f}`).join(', ')} or -ubyte`, `"${name}"`)
  return { format, bytes: gunzip(bytes, as) }
}

function readTensor(
  format: Exclude<Format, 'csv'>,
  bytes: Uint8Array,
  names: readonly string[],
  fits: (tensor: Tensor) => boolean,
  as: string,
): Tensor {
  if (format === 'idx') return readIdx(bytes, as)
  return format === 'npy' ? readNpy(bytes, as) : pickArray(readNpz(bytes, as), names, fits, as)
}

/** An array of one dimension, or of one column. */
function readList(
  format: Exclude<Format, 'csv'>,
  bytes: Uint8Array,
  names: readonly string[],
  as: string,
): Tensor {
  const tensor = readTensor(format, bytes, names, ({ shape }) => shape.length === 1, as)
  const [, ...rest] = tensor.shape
  if (tensor.shape.length > 0 && sizeOf(rest) === 1) return tensor
  throw new NhgdError('ERR_SHAPE', `"${as}" expected one dimension, got shape [${tensor.shape.join(', ')}]`)
}
