import { arrayType } from '../../backend/arrays.ts'
import { checkOptions, is } from '../../backend/check.ts'
import type { SmallSet } from './options.ts'

export interface SmallSetColumnsOptions {
  /** What the columns of the features are called; x0, x1, … where absent. */
  readonly columns?: readonly string[]
  /** Names of the classes; numbers where absent. */
  readonly names?: readonly string[]
}

const texts = is<readonly string[]>('an array of texts', (value) => Array.isArray(value))
const smallSet = is<SmallSet>('a small set', (value) => {
  const { features, labels } = Object(value) as Partial<SmallSet>
  const isList = (list: unknown) => Array.isArray(list) || arrayType(list) !== undefined
  return typeof features?.rows === 'number' && isList(features.data) && isList(labels)
})

/**
 * A small set as columns of equal length, a row per sample: its features, `label`, and, where labels are soft, `share of` each
 * class. `writeCsv` and apache-arrow's `tableFromArrays` take them.
 */
export function smallSetColumns(
  set: SmallSet,
  options: SmallSetColumnsOptions = {},
): Record<string, string[] | Float64Array | Uint32Array> {
  const { features, labels, targets } = smallSet('set', set)
  const { columns, names } = checkOptions(options, { columns: texts, names: texts })
  const { data, rows, columns: width } = features
  const column = (of: ArrayLike<number>, count: number, j: number) =>
    Float64Array.from({ length: rows }, (_, i) => of[i * count + j])
  const inputs = Array.from(
    { length: width },
    (_, j) => [columns?.[j] ?? `x${j}`, column(data, width, j)] as const,
  )
  const outputs = (targets?.length ?? 0) / rows
  const shares = Array.from(
    { length: outputs },
    (_, c) => [`share of ${names?.[c] ?? c}`, column(targets ?? [], outputs, c)] as const,
  )
  const label = names ? Array.from(labels, (c) => names[c]) : Uint32Array.from(labels)
  return Object.fromEntries([...inputs, ['label', label] as const, ...shares])
}
