import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { type Check, checkOptions, flag, refuse, something } from '../backend/check.ts'
import {
  type Communicator,
  communicatorCheck,
  gatherJson,
  rowsOfRank,
  together,
} from '../backend/communicator.ts'
import { type Matrix, matrix, type Numbers } from '../backend/matrix.ts'
import { type MatrixLike, toMatrix } from '../backend/matrixLike.ts'
import { dataError, listed } from './error.ts'
import { type Residence, readSet, readSetRows, readValues } from './files.ts'
import { formatOf } from './formats.ts'
import { text, texts } from './given.ts'
import { encodeLabels, type Labels } from './labels.ts'
import { type ReadSet, type SetOptions, setChecks } from './read.ts'
import { checkedDeviations, type Standardization, sumsOf } from './standardize.ts'

/** The ranks that read a set together. */
export interface Ranked {
  readonly communicator: Communicator
}

/** A rank's samples of a set. */
export interface Shard extends ReadSet {
  /** The position of its first sample among those of all ranks. */
  readonly from: number
  /** The number of samples of all ranks. */
  readonly count: number
}

const communicator = communicatorCheck as Check<Communicator>

/**
 * The part of a set that this rank holds (Node only). All ranks have to call it, with the same arguments.
 *
 * A `*` in the name of the file stands for anything: the files that there are, `part-2.npy` before `part-10.npy`, are
 * shared out over the ranks in rank order, at least one for each. Of one file, each rank takes {@link rowsOfRank}: of NPY
 * and Parquet without reading the rest (of Parquet but for the groups of rows that it shares), of other formats after it
 * has read all. The classes of labels, and the words of columns of words, are those of all ranks.
 *
 * @throws NhgdError as {@link readSet}, on all ranks; `ERR_DATA` for fewer files than ranks, `ERR_RANGE` for `impute` where
 * no rank sees all rows.
 */
export async function readShard(path: string, given: SetOptions & Residence & Ranked): Promise<Shard> {
  const { communicator: ranks, backend, ...options } = something('options', given) as typeof given
  communicator('communicator', ranks)
  checkOptions(options, setChecks)
  const as = options.as ?? 'features'
  const read = async (trained?: readonly string[]) => {
    const files = await filesOf(path, ranks, as)
    const one = files.length === 1 && files[0] === path
    const split = ranks.size > 1 && (!one || ['npy', 'parquet'].includes(formatOf(path) ?? ''))
    if (split && options.impute) refuse('impute', 'undefined where no rank reads all rows', options.impute)
    const own = { backend, ...options, ...(trained && { trained }) }
    if (one) return readSetRows(path, (count) => rowsOfRank(count, ranks), own)
    const parts: ReadSet[] = []
    for (const file of files) parts.push(await readSet(file, own))
    return joined(parts, as)
  }
  const first = await together(ranks, () => read(options.trained))
  const known = await gatherJson(ranks, { columns: first.columns, names: first.labels?.names })
  const trained = [...new Set(known.flatMap(({ columns }) => columns ?? []))].sort()
  const same = known.every(({ columns }) => columns?.join('\0') === known[0].columns?.join('\0'))
  const set = same ? first : await together(ranks, () => read(options.trained ?? trained))
  const labels = await withNames(
    ranks,
    set.labels,
    known.flatMap(({ names }) => names ?? []),
    as,
  )
  return { ...set, ...(labels && { labels }), ...(await placeOf(ranks, set.features.rows)) }
}

/**
 * The labels of this rank's samples (Node only), with the classes of all ranks: from the files or the rows that
 * {@link readShard} takes. Of one file each rank reads all.
 */
export async function readLabelShard(
  path: string,
  given: { label?: string; names?: readonly string[]; header?: boolean; as?: string } & Ranked,
): Promise<Labels> {
  const {
    communicator: ranks,
    names,
    ...options
  } = checkOptions(given, { label: text, names: texts, header: flag, as: text, communicator }, [
    'communicator',
  ])
  const as = options.as ?? 'labels'
  const own = await together(ranks, async () => {
    const files = await filesOf(path, ranks, as)
    const parts: (number | string | bigint | boolean)[][] = []
    for (const file of files) parts.push(Array.from(await readValues(file, { ...options, as })))
    const values = parts.flat()
    const { from, to } = files[0] === path ? rowsOfRank(values.length, ranks) : { from: 0, to: values.length }
    return { labels: encodeLabels(values, names, as), from, to }
  })
  const all = { ...own.labels, labels: own.labels.labels.slice(own.from, own.to) }
  if (names) return all
  const known = await gatherJson(ranks, all.names)
  return (await withNames(ranks, all, known.flat(), as)) as Labels
}

/** Means and standard deviations over the rows of all ranks, each of which gives its own. */
export async function fitShardStandardization(features: MatrixLike, given: Ranked): Promise<Standardization> {
  const { communicator: ranks } = checkOptions(given, { communicator }, ['communicator'])
  const own = await together(ranks, () => toMatrix(features, 'features'))
  const { count } = await placeOf(ranks, own.rows)
  const widths = await gatherJson(ranks, own.columns)
  if (widths.some((width) => width !== widths[0])) {
    refuse('features', `${widths[0]} columns on each rank`, listed(widths), 'ERR_SHAPE')
  }
  const shift = Float64Array.from({ length: own.columns }, (_, j) => own.data[j])
  await ranks.broadcast(new Uint8Array(shift.buffer))
  const sums = sumsOf(own, shift, 1)
  await ranks.allReduce(sums)
  const means = sums.map((sum, j) => shift[j] + sum / count)
  const squares = sumsOf(own, means, 2)
  await ranks.allReduce(squares)
  return together(ranks, () => checkedDeviations(own, means, squares, count))
}

/** The files that a rank reads: its share of those that a pattern stands for, or the one that all ranks share. */
async function filesOf(path: string, ranks: Communicator, as: string): Promise<string[]> {
  const name = basename(text('path', path))
  if (!name.includes('*')) return [path]
  const pieces = name.split('*').map((piece) => piece.replace(/[^\w]/g, '\\$&'))
  const pattern = new RegExp(`^${pieces.join('.*')}$`)
  const all = await readdir(dirname(path)).catch((cause) => {
    throw dataError(as, 'a folder that can be read', `"${dirname(path)}" (${cause.message})`, { cause })
  })
  const files = all.filter((file) => pattern.test(file))
  files.sort(new Intl.Collator('en', { numeric: true }).compare)
  if (files.length < ranks.size) {
    throw dataError(as, `at least ${ranks.size} files "${path}", one per rank`, `${files.length}`)
  }
  const { from, to } = rowsOfRank(files.length, ranks)
  return files.slice(from, to).map((file) => join(dirname(path), file))
}

/** Sets one after the other. */
function joined(parts: readonly ReadSet[], as: string): ReadSet {
  const [first] = parts
  if (parts.length === 1) return first
  const { columns, scale } = first.features
  const type = first.features.data.constructor as new (length: number) => Numbers
  const rows = parts.reduce((sum, { features }) => sum + features.rows, 0)
  const data = new type(rows * columns)
  let at = 0
  for (const { features, columns: names } of parts) {
    const same = features.columns === columns && features.data.constructor === type
    if (!same || names?.join('\0') !== first.columns?.join('\0')) {
      throw dataError(as, 'files of the same columns and type', 'others')
    }
    data.set(features.data as never, at)
    at += features.data.length
  }
  const labelled = parts.flatMap(({ labels }) => (labels ? [labels] : []))
  const values = labelled.flatMap(({ labels, names }) => Array.from(labels, (label) => names[label]))
  const columnTexts = Object.keys(first.texts ?? {}).map((name) => [
    name,
    parts.flatMap(({ texts }) => texts?.[name] ?? []),
  ])
  return {
    ...first,
    features: matrix(data, rows, columns, scale) as Matrix,
    ...(first.labels && { labels: encodeLabels(values, undefined, as) }),
    ...(first.texts && { texts: Object.fromEntries(columnTexts) }),
  }
}

/** Labels among the classes of all ranks. */
async function withNames(
  ranks: Communicator,
  labels: Labels | undefined,
  all: readonly string[],
  as: string,
): Promise<Labels | undefined> {
  if (all.length === 0) return labels
  return together(ranks, () => {
    const { names } = encodeLabels(all, undefined, as)
    return (
      labels &&
      encodeLabels(
        Array.from(labels.labels, (label) => labels.names[label]),
        names,
        as,
      )
    )
  })
}

/** Where a rank's samples stand among all. */
async function placeOf(ranks: Communicator, own: number): Promise<Pick<Shard, 'from' | 'count'>> {
  const counts = await gatherJson(ranks, own)
  const sum = (counts: readonly number[]) => counts.reduce((sum, count) => sum + count, 0)
  return { from: sum(counts.slice(0, ranks.rank)), count: sum(counts) }
}
