import { number, refuse, whole } from '../backend/check.ts'
import { finiteNumbers, samplesCheck, valuesOf } from './given.ts'
import { assignFolds, assignHoldOut } from './split.ts'

/** The samples that one fold trains on, and those that it is judged on, by position. */
export interface Fold {
  readonly train: Uint32Array
  readonly validation: Uint32Array
}

/**
 * K folds, each of which leaves out another part of the samples. Where labels are given, each class is shared out evenly.
 *
 * @throws NhgdError `ERR_RANGE` for fewer than two folds or more than samples.
 */
export function kFolds(samples: number | ArrayLike<number>, folds: number, seed = 0): Fold[] {
  const labels = typeof samples === 'number' ? new Uint8Array(samplesCheck('samples', samples)) : samples
  return leavingOut(assignFolds(labels, folds, seed, 'samples'), folds)
}

/**
 * A single hold-out, as a list of one fold: this share of the samples, drawn at random, rounded down. Where labels are
 * given, each class has its share.
 *
 * @throws NhgdError `ERR_RANGE` for a share that leaves no sample to train on, or none to hold out.
 */
export function holdOut(samples: number | ArrayLike<number>, share: number, seed = 0): Fold[] {
  const labels =
    typeof samples === 'number'
      ? new Float64Array(samplesCheck('samples', samples))
      : finiteNumbers('samples', samples)
  const isOut = assignHoldOut(labels, number(0, 1)('share', share), seed)
  const all = Uint32Array.from(isOut.keys())
  const fold = { train: all.filter((i) => !isOut[i]), validation: all.filter((i) => isOut[i]) }
  if (fold.train.length === 0 || fold.validation.length === 0)
    refuse('share', `a share that leaves samples of ${labels.length} on both sides`, share)
  return [fold]
}

/** K folds that keep the samples of a group together; `groups` has a number or a text per sample. */
export function groupFolds(groups: ArrayLike<number | string>, folds: number, seed = 0): Fold[] {
  const given = valuesOf('groups', groups, 'a group')
  const names = Array.from(new Set(given))
  if (names.length < whole(2)('folds', folds))
    refuse('folds', `at most ${names.length}, one per group`, folds)
  const foldOf = assignFolds(new Uint8Array(names.length), folds, seed)
  const places = new Map(names.map((name, i) => [name, foldOf[i]]))
  return leavingOut(
    given.map((group) => places.get(group) ?? 0),
    folds,
  )
}

/**
 * Folds in the order of time: the samples are cut into folds + 1 parts, and fold k trains on the first k and is judged on
 * the next.
 *
 * @throws NhgdError `ERR_RANGE` for fewer than two folds, or fewer than folds + 1 samples.
 */
export function timeFolds(samples: number, folds: number): Fold[] {
  whole(2, samplesCheck('samples', samples) - 1)('folds', folds)
  const end = (part: number) => Math.floor((part * samples) / (folds + 1))
  const range = (from: number, to: number) => Uint32Array.from({ length: to - from }, (_, i) => from + i)
  return Array.from({ length: folds }, (_, k) => ({
    train: range(0, end(k + 1)),
    validation: range(end(k + 1), end(k + 2)),
  }))
}

function leavingOut(foldOf: ArrayLike<number>, folds: number): Fold[] {
  const all = Uint32Array.from({ length: foldOf.length }, (_, i) => i)
  return Array.from({ length: folds }, (_, k) => ({
    train: all.filter((i) => foldOf[i] !== k),
    validation: all.filter((i) => foldOf[i] === k),
  }))
}
