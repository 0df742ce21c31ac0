import { arrayType, isGone } from '../../backend/arrays.ts'
import { type Check, checkOptions, is, numbers, refuse } from '../../backend/check.ts'
import type { DataValueResult, InfluenceResult, SelfInfluenceResult } from './options.ts'

export interface ValueColumnsOptions {
  /** The class of each training sample. */
  readonly labels?: ArrayLike<number>
  /** Names of the classes; numbers where absent. */
  readonly names?: readonly string[]
  /** What the user calls each training sample. */
  readonly ids?: readonly string[]
  /** What {@link selfInfluence} found: the effect of each training sample on itself. */
  readonly selfInfluence?: Pick<SelfInfluenceResult, 'values' | 'losses'>
}

export interface InfluenceColumnsOptions extends Omit<ValueColumnsOptions, 'selfInfluence'> {
  /** The class of each test sample. */
  readonly testLabels?: ArrayLike<number>
  /** What the user calls each test sample. */
  readonly testIds?: readonly string[]
}

const texts = is<readonly string[]>('an array of texts', (value) => Array.isArray(value))
const ofTraining = { labels: numbers, names: texts, ids: texts }

const isNumbers = (list: unknown) =>
  arrayType(list) === 'Float64Array'
    ? !isGone(list as Uint8Array)
    : Array.isArray(list) && list.every((value) => typeof value === 'number')
const isTests = (list: unknown) =>
  Array.isArray(list) &&
  list.every((test) => Array.isArray(Object(test).helpful) && Array.isArray(Object(test).harmful))

/** A result of a call of this folder, whose lists are what they should be. */
const resultOf = <T>(
  call: string,
  lists: { readonly [name in keyof T]: (list: unknown) => boolean },
): Check<T> =>
  is<T>(`a result of ${call}`, (value) =>
    Object.entries<(list: unknown) => boolean>(lists).every(([name, isOne]) => isOne(Object(value)[name])),
  )

const influenced = resultOf<Pick<InfluenceResult, 'tests' | 'values'>>('influence', {
  tests: isTests,
  values: isNumbers,
})
const ofItself = resultOf<Pick<SelfInfluenceResult, 'values' | 'losses'>>('selfInfluence', {
  values: isNumbers,
  losses: isNumbers,
})
const valued = resultOf<Pick<DataValueResult, 'values'>>('influence, valueData or selfInfluence', {
  values: isNumbers,
})

/**
 * The strongest effects on each test sample as columns of equal length, a row per effect: `test`, the position of the test
 * sample, `effect` (helpful or harmful), `rank` from 1, `row`, the position of the training sample, and `change`, by which
 * the test loss changes when it is removed; `test_id`, `test_label`, `id` and `label` where they are given. `writeCsv` and
 * apache-arrow's `tableFromArrays` take them.
 *
 * @throws NhgdError `ERR_RANGE` for another object, `ERR_SHAPE` for fewer labels or ids than samples.
 */
export function influenceColumns(
  result: Pick<InfluenceResult, 'tests' | 'values'>,
  options: InfluenceColumnsOptions = {},
) {
  const { tests, values } = influenced('result', result)
  const checks = { ...ofTraining, testLabels: numbers, testIds: texts }
  const { labels, names, ids, testLabels, testIds } = checkOptions(options, checks)
  enough({ labels, ids }, values.length)
  enough({ testLabels, testIds }, tests.length)
  const all = tests.flatMap(({ helpful, harmful }, test) =>
    Object.entries({ helpful, harmful }).flatMap(([effect, list]) =>
      list.map((of, k) => ({ test, effect, rank: k + 1, ...of })),
    ),
  )
  const [test, row] = [Uint32Array.from(all, (of) => of.test), Uint32Array.from(all, (of) => of.row)]
  return {
    test,
    ...(testIds && { test_id: picked(testIds, test) }),
    ...(testLabels && { test_label: classesOf(testLabels, test, names) }),
    effect: all.map(({ effect }) => effect),
    rank: Uint32Array.from(all, ({ rank }) => rank),
    row,
    ...(ids && { id: picked(ids, row) }),
    ...(labels && { label: classesOf(labels, row, names) }),
    change: Float64Array.from(all, ({ change }) => change),
  }
}

/**
 * What each training sample is worth as columns of equal length: `row`, `value`, and `id` and `label` where they are
 * given; with `selfInfluence` the effect on the sample itself, `self_influence`, and the loss that the sample would have if
 * it were left out, `loss_without`. `writeCsv` and apache-arrow's `tableFromArrays` take them.
 *
 * @throws NhgdError `ERR_RANGE` for another object, `ERR_SHAPE` for fewer labels or ids than samples.
 */
export function valueColumns(result: Pick<DataValueResult, 'values'>, options: ValueColumnsOptions = {}) {
  const { values } = valued('result', result)
  const checks = { ...ofTraining, selfInfluence: ofItself }
  const { labels, names, ids, selfInfluence: own } = checkOptions(options, checks)
  enough({ labels, ids, selfInfluence: own?.values }, values.length)
  const row = Uint32Array.from(values.keys())
  return {
    row,
    ...(ids && { id: picked(ids, row) }),
    ...(labels && { label: classesOf(labels, row, names) }),
    value: values,
    ...(own && {
      self_influence: own.values,
      loss_without: own.losses.map((loss, i) => loss + own.values[i]),
    }),
  }
}

function enough(lists: Readonly<Record<string, ArrayLike<unknown> | undefined>>, count: number): void {
  for (const [name, list] of Object.entries(lists)) {
    if (list && list.length < count) refuse(name, `${count}, one per sample`, list.length, 'ERR_SHAPE')
  }
}

const picked = (of: readonly string[], at: Uint32Array): string[] => Array.from(at, (i) => of[i])

function classesOf(labels: ArrayLike<number>, at: Uint32Array, names: readonly string[] | undefined) {
  return names ? Array.from(at, (i) => names[labels[i]]) : Uint32Array.from(at, (i) => labels[i])
}
