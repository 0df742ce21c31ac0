import { type Backend, upload } from '../backend/backend.ts'
import type { Features, Samples } from '../backend/binding.ts'
import { type Check, doubles, numbers, refuse, refuseAs, shape, shown } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { ofFeatures } from '../backend/fingerprint.ts'
import type { Matrix } from '../backend/matrix.ts'
import { featuresCheck, isMatrix, type MatrixLike, matrixCheck } from '../backend/matrixLike.ts'

/** Labelled samples: rows of a feature matrix, in the order of their labels. */
export interface LabelledSet {
  /** A matrix of any kind, or one that is uploaded already, which several sets may share. */
  readonly features: MatrixLike | Features
  /** Class 0 to C − 1 of each sample. */
  readonly labels: ArrayLike<number>
  /** Rows of `features`; all of them, in order, where absent. */
  readonly rows?: ArrayLike<number>
}

/** Samples with continuous targets, for regression. */
export interface TargetSet extends Omit<LabelledSet, 'labels'> {
  /** One number per sample, or a matrix with a row of numbers per sample. */
  readonly targets:
    | ArrayLike<number>
    | { data: ArrayLike<number>; rows: number; columns: number }
    | MatrixLike
}

export type SampleSet = LabelledSet | TargetSet

/** Targets as a matrix of doubles with one row per sample. */
export const targetsCheck: Check<Matrix> = (name, value) => {
  const list = isMatrix(value) ? undefined : numbers(name, value)
  if (list) return { data: doubles(name, list).slice(), rows: list.length, columns: 1 }
  const { data, rows, columns, scale = 1 } = matrixCheck(name, value)
  return { data: Float64Array.from(data, (x) => scale * x), rows, columns }
}

const both = { features: featuresCheck, labels: numbers, targets: targetsCheck, rows: numbers }
const anySet = shape<LabelledSet & TargetSet>(both, ['features'])

/** A set that has either labels or targets. */
export const sampleSet: Check<SampleSet> = (name, value) => {
  const set = anySet(name, value)
  if ((set.labels === undefined) === (set.targets === undefined)) {
    refuse(name, 'either labels or targets', set.labels === undefined ? 'neither' : 'both')
  }
  return set
}

/** A set as {@link sampleSet} leaves it. */
interface CheckedSet {
  readonly features: Matrix | Features
  readonly rows?: ArrayLike<number>
  readonly labels?: ArrayLike<number>
  readonly targets?: Matrix
}

/** Number of samples. */
export function countOf(set: SampleSet): number {
  const { labels, targets } = set as CheckedSet
  return labels?.length ?? targets?.rows ?? 0
}

/** Number of features of a sample. */
export function columnsOf(set: SampleSet): number {
  return (set as CheckedSet).features.columns
}

/** The features of a set's samples as numbers, samples × columns, row-major; its matrix must not be uploaded. */
export function inputsOf(set: SampleSet, name: string): Float64Array {
  const { features, rows } = set as CheckedSet
  if (!('data' in features)) return refuseAs(`${name}.features`, 'a matrix', 'an uploaded one')
  const { data, columns, scale = 1 } = features
  const inputs = new Float64Array(countOf(set) * columns)
  for (let i = 0, k = 0; k < inputs.length; i++) {
    const row = (rows ? rows[i] : i) * columns
    for (let j = 0; j < columns; j++) inputs[k++] = scale * data[row + j]
  }
  return inputs
}

/** The targets of a set's samples, and how many each has of `length` in all: a class is a unit vector, or 0 and 1 where
 * there is one. */
export function targetsOf(set: SampleSet, length: number): [Float64Array, number] {
  const { labels, targets } = set as CheckedSet
  const outputs = length / countOf(set)
  if (targets) return [Float64Array.from(targets.data), outputs]
  const units = new Float64Array(length)
  for (const [i, label] of Array.from(labels as ArrayLike<number>).entries()) {
    if (outputs === 1) units[i] = label
    else units[i * outputs + label] = 1
  }
  return [units, outputs]
}

/** Uploads a set, its features only if they are not uploaded yet. */
export function samples(backend: Backend, set: SampleSet, name: string): Samples {
  const { features, rows, labels, targets } = set as CheckedSet
  const uploaded = 'data' in features ? upload(backend, features) : features
  try {
    const at = rows && whole(rows, `${name} rows`)
    if (labels) return new backend.Samples(uploaded, at, whole(labels, `${name} labels`))
    const { data, columns } = targets as Matrix
    return backend.Samples.withTargets(uploaded, at, data as Float64Array, columns)
  } finally {
    if (uploaded !== features) uploaded.dispose() // the samples keep them
  }
}

/** A set as {@link sampleSet} leaves it, with features that are uploaded, once for all of its subsets. */
export function uploadedSet(backend: Backend, set: SampleSet): SampleSet {
  const { features } = set as CheckedSet
  return 'data' in features ? { ...set, features: upload(backend, features) } : set
}

/** The samples at these positions of a set as {@link sampleSet} leaves it. */
export function subset(set: SampleSet, positions: Uint32Array): SampleSet {
  const { features, rows, labels, targets } = set as CheckedSet
  const at = rows ? positions.map((i) => rows[i]) : positions
  if (labels) return { features, rows: at, labels: positions.map((i) => labels[i]) }
  const { data, columns } = targets as Matrix
  const picked = new Float64Array(positions.length * columns)
  for (const [k, i] of positions.entries()) {
    for (let c = 0; c < columns; c++) picked[k * columns + c] = data[i * columns + c]
  }
  return { features, rows: at, targets: { data: picked, rows: positions.length, columns } }
}

/**
 * The targets of one rank's samples, and the set of all ranks' samples that they are part of: those of rank r begin at
 * `starts[r]`. The first of the rank's own rows stands for the rows that others hold, which nobody looks at.
 */
export function withFeaturesOf(set: SampleSet, starts: readonly number[], rank: number, name: string) {
  const { features, rows, labels, targets } = set as CheckedSet
  const [from, to, count] = [starts[rank], starts[rank + 1], starts[starts.length - 1]]
  const own = rows?.length ?? features.rows
  if (own !== to - from) refuse(`${name} labels`, `${own} labels, one per row`, to - from, 'ERR_SHAPE')
  const row = (i: number) => (rows ? rows[i] : i)
  const at = Uint32Array.from({ length: count }, (_, i) => row(i >= from && i < to ? i - from : 0))
  return {
    targets: labels ? whole(labels, `${name} labels`) : (targets as Matrix & { data: Float64Array }).data,
    whole(all: ArrayLike<number>): SampleSet {
      if (labels) return { features, rows: at, labels: all }
      return { features, rows: at, targets: { data: all, rows: count, columns: (targets as Matrix).columns } }
    },
  }
}

/** Bytes that a set takes in the backend. */
export function setBytes(set: SampleSet): number {
  const { features, rows, labels, targets } = set as CheckedSet
  const own = (targets?.data.byteLength ?? 0) + 4 * ((labels?.length ?? 0) + (rows?.length ?? 0))
  return own + ('data' in features ? features.data.byteLength : 0)
}

/** What tells a set from others. */
export function setData(set: SampleSet): (string | ArrayLike<number> | undefined)[] {
  const { features, rows, labels, targets } = set as CheckedSet
  return [ofFeatures(features), rows, labels ?? targets?.data]
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
