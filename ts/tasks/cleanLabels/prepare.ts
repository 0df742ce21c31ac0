import { arrayType } from '../../backend/arrays.ts'
import { upload } from '../../backend/backend.ts'
import type { Features } from '../../backend/binding.ts'
import { size } from '../../backend/check.ts'
import { NhgdError } from '../../backend/errors.ts'
import type { Matrix } from '../../backend/matrix.ts'
import { listed } from '../../data/error.ts'
import { absentClasses } from '../../data/labels.ts'
import { standardize } from '../../data/standardize.ts'
import * as defaults from '../../defaults.ts'
import type { Model } from '../../problems/model.ts'
import { Classifier, usualModel } from '../classifier.ts'
import type { Theta } from '../trainer.ts'
import type { Settings, TrustedSettings } from './options.ts'

/** A data set that is checked and uploaded. */
export interface Prepared {
  readonly features: Features
  /** θ as a model of the features as they were given. */
  readonly classifier: (theta: Theta) => Classifier
  readonly classes: number
  readonly labels: Uint32Array
  readonly trusted: Uint32Array
  /** Rows that are not trusted, and their labels. */
  readonly free: Uint32Array
  readonly freeLabels: Uint32Array
  readonly labelsOf: (rows: Uint32Array) => Uint32Array
}

/**
 * @throws NhgdError `ERR_SHAPE` for too few or too many labels; `ERR_RANGE` for labels that are no class, classes
 * without a sample, and trusted rows that are out of range, repeated, too few or all; `ERR_NOT_FINITE` for features.
 */
export function prepare(settings: TrustedSettings): Prepared {
  const { features } = settings
  const { labels, classes } = checkedLabels(settings)
  const trusted = rowsOf('trusted', settings.trusted ?? [], features.rows, 4)
  const isTrusted = new Set(trusted)
  const free = Uint32Array.from(labels.keys()).filter((row) => !isTrusted.has(row))
  const labelsOf = (rows: Uint32Array) => rows.map((row) => labels[row])
  return {
    ...brought(settings, classes),
    classes,
    labels,
    trusted,
    free,
    freeLabels: labelsOf(free),
    labelsOf,
  }
}

/** A data set of which somebody checked some rows. */
export interface CheckedRows {
  readonly features: Features
  /** The features in the host's memory, where they were not uploaded before. */
  readonly matrix: Matrix | undefined
  /** The kind of model that judges labels. */
  readonly model: Model
  /** Log class probabilities by the user's own model. */
  readonly predicted: Float64Array | undefined
  readonly classes: number
  readonly given: Uint32Array
  /** All checked rows, in the order in which they were given. */
  readonly checked: Uint32Array
  /** Those whose true class is known, and that class. */
  readonly known: Uint32Array
  readonly truth: Uint32Array
  /** Those that are known to be wrong, and no more. */
  readonly wrong: Uint32Array
  /** Checked rows that were drawn at random, where that is known. */
  readonly random: ReadonlySet<number> | undefined
  /** Rows that nobody checked. */
  readonly free: Uint32Array
  /** Classes that no checked row is known to have. */
  readonly unseen: readonly number[]
  /** θ as a model of the features as they were given. */
  readonly classifier: (theta: Theta) => Classifier
}

/**
 * @throws NhgdError like {@link prepare}; for `checked`: `ERR_SHAPE` for other lengths, `ERR_RANGE` for rows that are out
 * of range, repeated or too few, for labels that are no class, and for a row that has its given label and is said to be
 * wrong.
 */
export function prepareChecked(settings: Settings): CheckedRows {
  const { features } = settings
  const { labels: given, classes } = checkedLabels(settings)
  const { rows = [], labels, right, random } = settings.checked ?? { rows: [] }
  const checked = rowsOf('checked.rows', rows, features.rows, defaults.cleanLabels.checked.least)
  for (const [name, list] of [
    ['checked.labels', labels],
    ['checked.right', right],
    ['checked.random', random],
  ] as const) {
    if (list && list.length !== checked.length) {
      throw new NhgdError(
        'ERR_SHAPE',
        `"${name}" expected ${checked.length}, one per checked row, got ${list.length}`,
      )
    }
  }
  const answers = Array.from(checked, (row, i) => {
    const isRight = right?.[i]
    const label = labels?.[i] ?? (isRight === false ? -1 : given[row])
    if (!(Number.isInteger(label) && label >= -1 && label < classes)) {
      const got = `${label} at index ${i}`
      throw new NhgdError(
        'ERR_RANGE',
        `"checked.labels" expected classes below ${classes}, or -1, got ${got}`,
      )
    }
    if (isRight !== undefined && (label === given[row]) !== isRight) {
      const got = `${isRight} for the row ${row}, whose label ${isRight ? 'is another' : 'is the given one'}`
      throw new NhgdError('ERR_RANGE', `"checked.right" expected what "checked.labels" say, got ${got}`)
    }
    return label
  })
  const known = checked.filter((_, i) => answers[i] >= 0)
  const truth = Uint32Array.from(answers.filter((label) => label >= 0))
  if (known.length < defaults.cleanLabels.checked.least) {
    const expected = `at least ${defaults.cleanLabels.checked.least} rows with a true label`
    throw new NhgdError('ERR_RANGE', `"checked" expected ${expected}, got ${known.length}`)
  }
  const isChecked = new Set(checked)
  const found = new Set(truth)
  return {
    ...brought(settings, classes),
    predicted: settings.predicted?.data,
    classes,
    given,
    checked,
    known,
    truth,
    wrong: checked.filter((_, i) => answers[i] < 0),
    random: random && new Set(checked.filter((_, i) => random[i])),
    free: Uint32Array.from(given.keys()).filter((row) => !isChecked.has(row)),
    unseen: Array.from({ length: classes }, (_, c) => c).filter((c) => !found.has(c)),
  }
}

/** A data set of which nobody checked a row. */
export function prepareUnchecked(settings: Settings) {
  const { labels: given, classes } = checkedLabels(settings)
  return { ...brought(settings, classes), predicted: settings.predicted?.data, classes, given }
}

/**
 * Features as models take them, uploaded: columns of mean 0 and deviation 1 but for bytes, and one scale, unless that is
 * not wanted. An uploaded matrix stays as it is.
 */
function brought(settings: Settings, classes: number) {
  const { backend, features, standardize: wanted, normalize = true } = settings
  const kind = usualModel(settings.model, classes)
  const plain = 'data' in features ? features : undefined
  const given = plain?.scale ?? 1
  if (!Number.isFinite(given)) {
    throw new NhgdError('ERR_NOT_FINITE', `"scale" expected a finite number, got ${given}`)
  }
  const bytes = plain && arrayType(plain.data) === 'Uint8Array'
  const own = plain && (wanted ?? (normalize && !bytes)) ? standardize(plain) : undefined
  const matrix = own?.features ?? plain
  const scaled = matrix && { ...matrix, scale: normalize ? usualScale(matrix, kind) : (matrix.scale ?? 1) }
  const factor = scaled && given !== 0 ? scaled.scale / (own ? 1 : given) : 1
  return {
    features: scaled ? upload(backend, scaled) : (features as Features),
    matrix,
    model: kind,
    classifier(theta: Theta) {
      const model = new Classifier(backend, classes, features.columns, theta, kind).forScale(factor)
      return own ? model.forStandardization(own) : model
    },
  }
}

function checkedLabels({ features, labels: given, classes, predicted }: Settings) {
  if (given.length !== features.rows) {
    throw new NhgdError('ERR_SHAPE', `"labels" expected ${features.rows}, one per row, got ${given.length}`)
  }
  const enough = size(2)
  if (classes !== undefined) enough('classes', classes)
  const limit = classes ?? 2 ** 32 - 1
  const labels = Uint32Array.from(given, (y, i) => {
    if (Number.isInteger(y) && y >= 0 && y < limit) return y
    const got = `${y} at index ${i}`
    throw new NhgdError('ERR_RANGE', `"labels" expected whole numbers from 0 to below ${limit}, got ${got}`)
  })
  const count = classes ?? labels.reduce((max, y) => Math.max(max, y), 0) + 1
  enough('classes', count)
  const absent = absentClasses(labels, count, 3)
  if (absent.length > 0) {
    const got = listed(absent, count - new Set(labels).size)
    throw new NhgdError('ERR_RANGE', `"labels" expected every class 0 to ${count - 1}, got none of ${got}`)
  }
  if (predicted && (predicted.rows !== features.rows || predicted.columns !== count)) {
    const got = `${predicted.rows} × ${predicted.columns}`
    const expected = `${features.rows} × ${count}, a row per sample and a column per class`
    throw new NhgdError('ERR_SHAPE', `"predictedProbabilities" expected ${expected}, got ${got}`)
  }
  return { labels, classes: count }
}

/** Rows of the features, each once. */
function rowsOf(name: string, given: ArrayLike<number>, rows: number, least: number): Uint32Array {
  const seen = new Set<number>()
  const all = Uint32Array.from(given, (row, i) => {
    if (!Number.isInteger(row) || row < 0 || row >= rows) {
      throw new NhgdError('ERR_RANGE', `"${name}" expected rows below ${rows}, got ${row} at index ${i}`)
    }
    if (seen.has(row)) throw new NhgdError('ERR_RANGE', `"${name}" expected each row once, got ${row} twice`)
    seen.add(row)
    return row
  })
  if (all.length >= least && all.length < rows) return all
  const expected = `at least ${least} rows and fewer than all ${rows}`
  throw new NhgdError('ERR_RANGE', `"${name}" expected ${expected}, got ${all.length}`)
}

/** The scale at which rows have a root mean square norm of 10, or for perceptrons entries one of 1. */
export function usualScale(
  { data, rows, columns, scale = 1 }: Matrix,
  { kind }: Pick<Model, 'kind'>,
): number {
  let square = 0
  // An iterator over the entries takes ten times as long.
  for (let i = 0; i < data.length; i++) square += data[i] * data[i]
  const norm = kind === 'mlp' ? Math.sqrt(columns) : 10
  return square > 0 ? norm / Math.sqrt(square / rows) : scale
}
