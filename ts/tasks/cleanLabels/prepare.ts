import { upload } from '../../backend/backend.ts'
import type { Features } from '../../backend/binding.ts'
import { size } from '../../backend/check.ts'
import { NhgdError } from '../../backend/errors.ts'
import type { Matrix } from '../../backend/matrix.ts'
import { listed } from '../../data/error.ts'
import { absentClasses } from '../../data/labels.ts'
import type { Settings } from './options.ts'

/** A data set that is checked and uploaded. */
export interface Prepared {
  readonly features: Features
  /** What the given features were multiplied by. */
  readonly factor: number
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
export function prepare(settings: Settings): Prepared {
  const { backend, features, normalize } = settings
  const { labels, classes } = checkedLabels(settings)
  const trusted = checkedTrusted(settings)
  const isTrusted = new Set(trusted)
  const free = Uint32Array.from(labels.keys()).filter((row) => !isTrusted.has(row))
  const labelsOf = (rows: Uint32Array) => rows.map((row) => labels[row])
  const given = 'data' in features ? (features.scale ?? 1) : 1
  if (!Number.isFinite(given)) {
    throw new NhgdError('ERR_NOT_FINITE', `"scale" expected a finite number, got ${given}`)
  }
  const scale = normalize && 'data' in features ? usualScale(features) : given
  return {
    features: 'data' in features ? upload(backend, { ...features, scale }) : features,
    factor: given === 0 ? 1 : scale / given,
    classes,
    labels,
    trusted,
    free,
    freeLabels: labelsOf(free),
    labelsOf,
  }
}

function checkedLabels({ features, labels: given, classes }: Settings) {
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
  return { labels, classes: count }
}

function checkedTrusted({ features: { rows }, trusted: given }: Settings): Uint32Array {
  const seen = new Set<number>()
  const trusted = Uint32Array.from(given, (row, i) => {
    if (!Number.isInteger(row) || row < 0 || row >= rows) {
      throw new NhgdError('ERR_RANGE', `"trusted" expected rows below ${rows}, got ${row} at index ${i}`)
    }
    if (seen.has(row)) throw new NhgdError('ERR_RANGE', `"trusted" expected each row once, got ${row} twice`)
    seen.add(row)
    return row
  })
  if (trusted.length >= 4 && trusted.length < rows) return trusted
  const expected = `at least 4 rows and fewer than all ${rows}`
  throw new NhgdError('ERR_RANGE', `"trusted" expected ${expected}, got ${trusted.length}`)
}

/** The scale at which rows have a root mean square norm of 10. */
export function usualScale({ data, rows, scale = 1 }: Matrix): number {
  let square = 0
  for (const x of data) square += x * x
  return square > 0 ? 10 / Math.sqrt(square / rows) : scale
}
