import type { Backend } from '../backend/backend.ts'
import { NhgdError } from '../backend/errors.ts'
import { type Matrix, matrix } from '../backend/matrix.ts'
import { type CheckedFile, checkedColumn, parseChecked } from '../data/checked.ts'
import { dataError, listed } from '../data/error.ts'
import { isTableFile, namesLabels } from '../data/formats.ts'
import { cleaningSplit, loadMnist, readFile, readLabels, readSet } from '../data/index.ts'
import { openRows, parseRows } from '../data/read.ts'
import { readTexts } from '../data/table.ts'
import { PIPE } from './write.ts'

/** A data set to clean, and what is known about it. */
export interface Input {
  readonly title: string
  readonly features: Matrix
  readonly labels: Int32Array
  /** Name of each class. */
  readonly names: readonly string[]
  /** Rows that are right; none where the user has none. */
  readonly trusted: Int32Array
  /** Rows that somebody checked, and their true classes. */
  readonly checked?: CheckedFile
  /** Class probabilities by a model of the user's own, rows × classes. */
  readonly predicted?: Matrix
  /** What the user calls each row, where a column says so. */
  readonly ids?: readonly string[]
  /** What was made of columns that hold no plain numbers, in sentences. */
  readonly notes: readonly string[]
  readonly imageShape?: readonly [number, number]
  /** Names of the columns, where the file has them. */
  readonly columns?: readonly string[]
  /** Where the answer is known. */
  readonly truth?: Int32Array
  readonly test?: { readonly features: Matrix; readonly labels: Int32Array }
  /** Whether the features may be brought to a usual scale. */
  readonly normalize: boolean
}

export interface InputOptions {
  readonly demo?: string
  readonly features?: string
  readonly labels?: string
  readonly label?: string
  readonly trusted?: string
  readonly trustedSize: number
  readonly noise: number
  readonly noiseKind: 'uniform' | 'pair'
  readonly checked?: string
  readonly checkedColumn?: string
  readonly predProbs?: string
  readonly standardize?: boolean
  readonly header: boolean
  readonly ignore?: readonly string[]
  readonly id?: string
  readonly impute?: 'median'
  readonly imageShape?: readonly [number, number]
}

/** The demo's data for a seed, or the user's own. */
export async function readInput(options: InputOptions, seed: number, backend: Backend): Promise<Input> {
  if (options.demo !== undefined) return demo(options, seed)
  if (options.features === undefined) {
    throw new NhgdError('ERR_RANGE', '"--features" expected a file (or "--demo mnist"), got none')
  }
  return readFiles(options, options.features, backend)
}

/** 50 000 training samples of MNIST with noisy labels, and up to 10 000 trusted ones. */
async function demo({ demo, trustedSize, noise, noiseKind }: InputOptions, seed: number): Promise<Input> {
  if (demo !== 'mnist') throw new NhgdError('ERR_RANGE', `"--demo" expected mnist, got ${demo}`)
  const mnist = await loadMnist()
  const { features, labels } = mnist.train
  const split = cleaningSplit(labels, {
    classes: 10,
    trainSize: 50_000,
    trustedSize,
    noise: { kind: noiseKind, rate: noise },
    seed,
  })
  const rows = [...split.train, ...split.trusted]
  const pixels = features.columns
  const data = new Uint8Array(rows.length * pixels)
  const source = features.data as Uint8Array
  rows.forEach((row, i) => {
    data.set(source.subarray(row * pixels, (row + 1) * pixels), i * pixels)
  })
  return {
    title: `MNIST, ${Math.round(100 * noise)} % of the labels replaced`,
    features: matrix(data, rows.length, pixels, features.scale),
    labels: Int32Array.from(rows, (row) => split.given[row]),
    truth: Int32Array.from(rows, (row) => labels[row]),
    names: Array.from({ length: 10 }, (_, i) => String(i)),
    trusted: Int32Array.from(split.trusted, (_, i) => split.train.length + i),
    imageShape: [28, 28],
    test: mnist.test,
    notes: [],
    normalize: false,
  }
}

/** Rows that are right; a mask has as many entries as there are rows. */
async function readRows(path: string, rows: number, header: boolean): Promise<Int32Array> {
  const { rows: found, mask } = parseRows(await readFile(path, '--trusted'), { as: '--trusted', header })
  if (mask === undefined || mask === rows) return found
  throw new NhgdError('ERR_SHAPE', `"--trusted" expected ${rows} truth values, one per row, got ${mask}`)
}

/** Class probabilities of each row; the columns are the classes in the order of their names. */
async function probabilities(
  path: string,
  names: readonly string[],
  rows: number,
  header: boolean,
): Promise<Matrix> {
  const { features } = await readSet(path, { header, as: '--pred-probs' })
  if (features.rows === rows && features.columns === names.length) return features
  const expected = `${rows} rows and ${names.length} columns, one per class (${listed(names)})`
  throw new NhgdError(
    'ERR_SHAPE',
    `"--pred-probs" expected ${expected}, got ${features.rows} × ${features.columns}`,
  )
}

/** The user's own data, for a backend. */
export async function readFiles(
  options: Omit<InputOptions, 'trustedSize' | 'noise' | 'noiseKind'>,
  path: string,
  backend: Backend,
): Promise<Input> {
  const { label } = options
  if (label !== undefined && ![path, options.labels ?? path].some(namesLabels)) {
    throw new NhgdError(
      'ERR_RANGE',
      `"--label" expected a CSV file, another table or an NPZ file, got "${options.labels ?? path}"`,
    )
  }
  if (label === undefined && !options.labels && options.header && path !== PIPE && isTableFile(path)) {
    const rows = openRows(await readFile(path, '--features'), '--features')
    const columns = listed(readTexts(rows, [], '--features').header)
    throw dataError('--labels', `a file, or "--label" with a column of the features (${columns})`, 'none')
  }
  const { header, id, checkedColumn: answers, impute } = options
  const ignore = options.ignore ?? []
  const texts = [id, answers].filter((column) => column !== undefined)
  const set = { header, impute, texts, required: ignore, as: '--features', backend }
  const { labels: own, ...read } = options.labels
    ? await readSet(path, { ...set, ignore: label === undefined ? ignore : [...ignore, label] })
    : await readSet(path, { ...set, ignore, label })
  const given = options.labels ? await readLabels(options.labels, { label, header, as: '--labels' }) : own
  if (!given) throw dataError('--labels', 'a file, since the features file holds none', 'none')
  const { labels, names } = given
  const { features } = read
  const checked =
    answers === undefined
      ? options.checked && parseChecked(await readFile(options.checked, '--checked'), given, '--checked')
      : checkedColumn(read.texts?.[answers] ?? [], given, '--checked-column')
  const imageShape = options.imageShape ?? read.imageShape
  if (imageShape && imageShape[0] * imageShape[1] !== features.columns) {
    const got = `${imageShape.join('x')} for ${features.columns} columns`
    throw new NhgdError(
      'ERR_SHAPE',
      `"--image-shape" expected height times width to be the columns, got ${got}`,
    )
  }
  const predicted =
    options.predProbs && (await probabilities(options.predProbs, names, labels.length, header))
  return {
    title: `Labels of ${path}`,
    features,
    labels,
    names,
    trusted: options.trusted ? await readRows(options.trusted, labels.length, header) : new Int32Array(0),
    ...(predicted && { predicted }),
    imageShape,
    columns: read.columns,
    ...(checked && { checked }),
    ...(id !== undefined && { ids: read.texts?.[id] }),
    notes: read.notes ?? [],
    normalize: true,
  }
}
