import { arrayType } from '../backend/arrays.ts'
import { type Backend, upload } from '../backend/backend.ts'
import type { Features, Samples } from '../backend/binding.ts'
import {
  type Check,
  doubles,
  number,
  numbers,
  refuse,
  shape,
  shown,
  size,
  something,
} from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { ofFeatures } from '../backend/fingerprint.ts'
import type { Matrix } from '../backend/matrix.ts'

/** Labelled samples: rows of a feature matrix, in the order of their labels. */
export interface LabelledSet {
  /** A matrix, or one that is uploaded already, which several sets may share. */
  readonly features: Matrix | Features
  /** Class 0 to C − 1 of each sample. */
  readonly labels: ArrayLike<number>
  /** Rows of `features`; all of them, in order, where absent. */
  readonly rows?: ArrayLike<number>
}

/** Samples with continuous targets, for regression. */
export interface TargetSet extends Omit<LabelledSet, 'labels'> {
  /** One number per sample, or a row of numbers. */
  readonly targets: ArrayLike<number> | { data: ArrayLike<number>; rows: number; columns: number }
}

export type SampleSet = LabelledSet | TargetSet

const targetMatrix = shape<Exclude<TargetSet['targets'], ArrayLike<number>> & { scale?: number }>(
  { data: numbers, rows: size(0), columns: size(1), scale: number() },
  ['data', 'rows', 'columns'],
)

/** Targets as a matrix of doubles with one row per sample. */
const targets: Check = (name, value) => {
  const isMatrix = typeof value === 'object' && value !== null && 'data' in value
  const array = isMatrix ? [] : numbers(name, value)
  const {
    data,
    rows,
    columns,
    scale = 1,
  } = isMatrix ? targetMatrix(name, value) : { data: array, rows: array.length, columns: 1 }
  if (data.length !== rows * columns) {
    refuse(name, `${rows} × ${columns} numbers`, data.length, 'ERR_SHAPE')
  }
  return { data: doubles(name, data).map((x) => scale * x), rows, columns }
}

/** A matrix whose type the kernels read, or what is uploaded already. */
const features: Check = (name, value) => {
  const { data } = something(name, value) as Partial<Matrix>
  if (data !== undefined && !arrayType(data)) {
    refuse(name, 'data in a Uint8Array, Float32Array or Float64Array', data, 'ERR_DTYPE')
  }
  return value
}

const both = { features, labels: numbers, targets, rows: numbers }
const anySet = shape<LabelledSet & TargetSet>(both, ['features'])

/** A set that has either labels or targets. */
export const sampleSet: Check<SampleSet> = (name, value) => {
  const set = anySet(name, value)
  if ((set.labels === undefined) === (set.targets === undefined)) {
    refuse(name, 'either labels or targets', set.labels === undefined ? 'neither' : 'both')
  }
  return set
}

/** Number of samples. */
export function countOf(set: SampleSet): number {
  if ('labels' in set) return set.labels.length
  return 'data' in set.targets ? set.targets.rows : set.targets.length
}

/** Uploads a set, its features only if they are not uploaded yet. */
export function samples(backend: Backend, set: SampleSet, name: string): Samples {
  const { features, rows } = set
  const uploaded = 'data' in features ? upload(backend, features) : features
  const at = rows && whole(rows, `${name} rows`)
  if ('labels' in set) return new backend.Samples(uploaded, at, whole(set.labels, `${name} labels`))
  const { data, columns } = 'data' in set.targets ? set.targets : { data: set.targets, columns: 1 }
  return backend.Samples.withTargets(uploaded, at, Float64Array.from(data), columns)
}

/** Bytes that a set takes in the backend. */
export function setBytes({ features, rows, ...set }: SampleSet): number {
  const own = 'targets' in set ? 8 * ('data' in set.targets ? set.targets.data : set.targets).length : 0
  const labels = 'labels' in set ? 4 * set.labels.length : 0
  return ('data' in features ? features.data.byteLength : 0) + own + labels + 4 * (rows?.length ?? 0)
}

/** What tells a set from others. */
export function setData({ features, rows, ...set }: SampleSet): (string | ArrayLike<number> | undefined)[] {
  const targets = 'targets' in set ? set.targets : []
  return [
    ofFeatures(features),
    rows,
    'labels' in set ? set.labels : 'data' in targets ? targets.data : targets,
  ]
}

/** Whole numbers below 2³², checked where the type could hold others. */
export function whole(values: ArrayLike<number>, name: string): Uint32Array {
  if (values instanceof Uint32Array) return values
  const at = Array.prototype.findIndex.call(
    values,
    (value) => typeof value !== 'number' || value !== value >>> 0,
  )
  if (at < 0) return Uint32Array.from(values)
  throw new NhgdError(
    'ERR_RANGE',
    `"${name}" expected whole numbers from 0, got ${shown(values[at])} at index ${at}`,
  )
}
