import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator'
import { checkOptions, number, oneOf, shape, whole } from '../backend/check.ts'
import { finiteNumbers, samplesCheck } from './given.ts'

/**
 * How labels go wrong, each with probability `rate`: `uniform` draws a new one over all classes (which may be the old
 * one), `pair` takes the next class (4 for 3, 0 for the last).
 */
export interface Noise {
  readonly kind: 'uniform' | 'pair'
  /** From 0 to 1. */
  readonly rate: number
}

export interface SplitOptions {
  readonly classes: number
  /** Samples to train on, whose labels are corrupted. */
  readonly trainSize: number
  /** Samples whose labels stay true. */
  readonly trustedSize: number
  readonly noise: Noise
  readonly seed: number
}

export interface Split {
  /** Rows to train on. */
  readonly train: Int32Array
  /** Rows with labels to trust. */
  readonly trusted: Int32Array
  /** A label for every row: corrupted on `train`, true elsewhere. */
  readonly given: Int32Array
}

const seedCheck = whole(Number.MIN_SAFE_INTEGER)
const classesCheck = whole(1, 0x7fffffff)
const noiseCheck = shape<Noise>(
  { kind: oneOf('uniform', 'pair'), rate: number(0, 1) },
  ['kind', 'rate'],
  false,
)

/**
 * The protocol of hyper-data cleaning: all rows shuffled, the first `trainSize` corrupted, the next `trustedSize`
 * trusted. The training part depends on the seed alone, not on how many are trusted.
 *
 * @throws NhgdError `ERR_RANGE` for sizes that don't fit, rates outside of [0, 1] and seeds that aren't integers.
 */
export function cleaningSplit(labels: ArrayLike<number>, options: SplitOptions): Split {
  const { length } = finiteNumbers('labels', labels)
  const upToAll = whole(0, length)
  const checks = { trainSize: upToAll, trustedSize: upToAll, classes: classesCheck, noise: noiseCheck }
  const all = ['trainSize', 'trustedSize', 'classes', 'noise', 'seed'] as const
  const { classes, trainSize, trustedSize, noise, seed } = checkOptions<SplitOptions>(
    options,
    { ...checks, seed: seedCheck },
    all,
  )
  whole(0, length - trainSize)('trustedSize', trustedSize)
  const rng = generator(seed)
  const order = shuffled(length, rng)
  const train = order.slice(0, trainSize)
  const given = Int32Array.from(labels)
  const wrong = corrupted(
    Array.from(train, (row) => given[row]),
    classes,
    noise,
    rng,
  )
  for (const [i, row] of train.entries()) given[row] = wrong[i]
  return { train, trusted: order.slice(trainSize, trainSize + trustedSize), given }
}

/** The labels with {@link Noise} on them; the same seed gives the same errors. */
export function corruptLabels(
  labels: ArrayLike<number>,
  classes: number,
  noise: Noise,
  seed: number,
): Int32Array {
  const rng = generator(seedCheck('seed', seed))
  return corrupted(
    finiteNumbers('labels', labels),
    classesCheck('classes', classes),
    noiseCheck('noise', noise),
    rng,
  )
}

/** The integers below `length` in an order that `seed` decides (Fisher–Yates). */
export function permutation(length: number, seed: number): Int32Array {
  return shuffled(samplesCheck('length', length), generator(seedCheck('seed', seed)))
}

/** Numbers from 0 to below 1 that `seed` decides. */
export function uniforms(length: number, seed: number): Float64Array {
  const rng = generator(seed)
  return Float64Array.from({ length }, () => uniformFloat64(rng))
}

/**
 * Fold 0 to `folds - 1` of each sample for cross-validation: sizes differ by at most one, in all and within each
 * class.
 *
 * @throws NhgdError `ERR_RANGE` for fewer than two folds or more than samples.
 */
export function assignFolds(
  given: ArrayLike<number>,
  folds: number,
  seed: number,
  as = 'labels',
): Int32Array {
  const labels = finiteNumbers(as, given)
  whole(2, labels.length)('folds', folds)
  const assigned = new Int32Array(labels.length)
  for (const [position, row] of byClass(labels, seed).entries()) assigned[row] = position % folds
  return assigned
}

/** Whether each sample is held out: a share of all, rounded down, and so of each class but for one sample. */
export function assignHoldOut(labels: Float64Array, share: number, seed: number): boolean[] {
  const assigned: boolean[] = new Array(labels.length)
  const before = (position: number) => Math.floor(position * share + 1e-9)
  for (const [position, row] of byClass(labels, seed).entries())
    assigned[row] = before(position + 1) > before(position)
  return assigned
}

/** The samples, shuffled within each class. */
function byClass(labels: Float64Array, seed: number): Int32Array {
  return permutation(labels.length, seed).sort((a, b) => labels[a] - labels[b])
}

/** Takes the seed's upper bits as well; below 2³² there are none. */
function generator(seed: number): RandomGenerator {
  return xoroshiro128plus(seed ^ Math.trunc(seed / 2 ** 32))
}

function shuffled(length: number, rng: RandomGenerator): Int32Array {
  const order = Int32Array.from({ length }, (_, i) => i)
  for (let i = length - 1; i > 0; i--) {
    const j = uniformInt(rng, 0, i)
    const held = order[i]
    order[i] = order[j]
    order[j] = held
  }
  return order
}

function corrupted(
  labels: ArrayLike<number>,
  classes: number,
  { kind, rate }: Noise,
  rng: RandomGenerator,
): Int32Array {
  return Int32Array.from(labels, (label) => {
    if (uniformFloat64(rng) >= rate) return label
    return kind === 'uniform' ? uniformInt(rng, 0, classes - 1) : (label + 1) % classes
  })
}
