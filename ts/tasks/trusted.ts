import { upload } from '../backend/backend.ts'
import type { Features } from '../backend/binding.ts'
import { NhgdError } from '../backend/errors.ts'
import type { Matrix } from '../backend/matrix.ts'
import { absentClasses } from '../data/labels.ts'
import { permutation } from '../data/split.ts'
import type { CleanLabelsOptions } from './cleanLabels.ts'

/** A data set that is uploaded and checked. */
export interface Prepared {
  readonly features: Features
  /** What the given features were multiplied by. */
  readonly factor: number
  readonly classes: number
  readonly trusted: Uint32Array
  /** Rows that are not trusted, and their labels. */
  readonly free: Uint32Array
  readonly freeLabels: Int32Array
  readonly labelsOf: (rows: Uint32Array) => Uint32Array
}

export function prepare({
  backend,
  features,
  labels,
  trusted,
  normalize = true,
  ...rest
}: CleanLabelsOptions): Prepared {
  if (labels.length !== features.rows) {
    throw new NhgdError('ERR_SHAPE', `"labels" expected ${features.rows}, one a row, got ${labels.length}`)
  }
  const limit = rest.classes ?? 2 ** 31
  const odd = Array.from(labels).findIndex((y) => !(Number.isInteger(y) && y >= 0 && y < limit))
  if (odd >= 0) {
    const got = `${labels[odd]} at index ${odd}`
    throw new NhgdError('ERR_RANGE', `"labels" expected whole numbers from 0 to below ${limit}, got ${got}`)
  }
  const classes = rest.classes ?? 1 + Array.from(labels).reduce((max, y) => Math.max(max, y), 0)
  const chosen = new Set<number>()
  for (const [i, row] of Array.from(trusted).entries()) {
    if (!Number.isInteger(row) || row < 0 || row >= features.rows) {
      const got = `${row} at index ${i}`
      throw new NhgdError('ERR_RANGE', `"trusted" expected rows below ${features.rows}, got ${got}`)
    }
    if (chosen.has(row))
      throw new NhgdError('ERR_RANGE', `"trusted" expected each row once, got ${row} twice`)
    chosen.add(row)
  }
  if (chosen.size < 4 || chosen.size === features.rows) {
    const expected = `at least 4 rows and fewer than all ${features.rows}`
    throw new NhgdError('ERR_RANGE', `"trusted" expected ${expected}, got ${chosen.size}`)
  }
  const absent = absentClasses(labels, classes)
  if (absent.length > 0) {
    throw new NhgdError(
      'ERR_RANGE',
      `"labels" expected every class 0 to ${classes - 1}, got none of ${absent}`,
    )
  }
  const free = Uint32Array.from({ length: features.rows }, (_, i) => i).filter((row) => !chosen.has(row))
  const labelsOf = (rows: Uint32Array) => rows.map((row) => labels[row])
  const given = 'data' in features ? (features.scale ?? 1) : 1
  const scale = normalize && 'data' in features ? usualScale(features) : given
  return {
    features: 'data' in features ? upload(backend, { ...features, scale }) : features,
    factor: given === 0 ? 1 : scale / given,
    classes,
    trusted: Uint32Array.from(trusted),
    free,
    freeLabels: Int32Array.from(labelsOf(free)),
    labelsOf,
  }
}

/** The scale at which rows have a root mean square norm of 10. */
export function usualScale({ data, rows, scale = 1 }: Matrix): number {
  let square = 0
  for (const x of data) square += x * x
  return square > 0 ? 10 / Math.sqrt(square / rows) : scale
}

/** Trusted rows that anchor the inner objective, make the outer one, and are held back from both. */
export interface Parts {
  readonly anchors: Uint32Array
  readonly outer: Uint32Array
  readonly heldOut: Uint32Array
}

export function splitTrusted(trusted: Uint32Array, anchored: boolean, holdout: number, seed: number): Parts {
  if (!(holdout >= 0 && holdout < 1)) {
    throw new NhgdError('ERR_RANGE', `"holdout" expected a share from 0 to below 1, got ${holdout}`)
  }
  const order = Uint32Array.from(permutation(trusted.length, seed), (i) => trusted[i])
  const heldOut = order.slice(0, Math.round(holdout * trusted.length))
  const rest = order.slice(heldOut.length)
  if (rest.length < 2) {
    const expected = `a share that leaves 2 of the ${trusted.length} trusted rows`
    throw new NhgdError('ERR_RANGE', `"holdout" expected ${expected}, got ${holdout}`)
  }
  const anchors = anchored ? rest.slice(0, rest.length >> 1) : rest.slice(0, 0)
  return { anchors, outer: rest.slice(anchors.length), heldOut }
}

export function concat(a: Uint32Array, b: Uint32Array): Uint32Array {
  const out = new Uint32Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}
