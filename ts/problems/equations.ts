import { type Check, callback, numbers, refuse, shape } from '../backend/check.ts'
import type { Matrix } from '../backend/matrix.ts'
import { type MatrixLike, matrixCheck } from '../backend/matrixLike.ts'
import { anyNumber } from './bilevel.ts'

/** A number, or a function of the coordinates of a point. */
export type Field = number | ((...x: number[]) => number)

/** A linear differential operator at a point, Σ_k second_k ∂²_k y + Σ_k first_k ∂_k y + value · y; 0 where absent. */
export interface Operator {
  readonly value?: number
  /** One number per coordinate. */
  readonly first?: ArrayLike<number>
  /** One number per coordinate. */
  readonly second?: ArrayLike<number>
}

/** An equation that y meets at some points: operator(y) = source. */
export interface Observation {
  /** One point per row. */
  readonly points: MatrixLike
  readonly operator: Operator | ((...x: number[]) => Operator)
  /** The right-hand side, 0 by default. */
  readonly source?: Field
  /** Weight ≥ 0 of the squared residuals, 1 by default. */
  readonly weight?: Field
}

/** The same with v in it: operator(y) + Σ_j v_j terms_j(y) = source + Σ_j v_j loads_j. */
export interface Equation extends Observation {
  /** What v_j adds to the right-hand side at a point, p numbers; 0 where absent. */
  readonly loads?: (...x: number[]) => ArrayLike<number>
  /** The operators that v_j multiplies at a point, p of them; none where absent. */
  readonly terms?: (...x: number[]) => readonly Operator[]
}

const field: Check = (name, value) => (typeof value === 'function' ? value : anyNumber(name, value))

const operatorCheck = shape<Operator>({ value: anyNumber, first: numbers, second: numbers })
const operator: Check = (name, value) => (typeof value === 'function' ? value : operatorCheck(name, value))

const observation = { points: matrixCheck, operator, source: field, weight: field }
const required = ['points', 'operator'] as const

const listOf =
  <T>(check: Check<T>): Check<T[]> =>
  (name, value) =>
    Array.isArray(value) && value.length > 0
      ? value.map((entry, i) => check(`${name}[${i}]`, entry))
      : refuse(name, 'an array of equations', value)

/** Checks a list of {@link Equation}s. */
export const equationsCheck = listOf(
  shape<Equation>({ ...observation, loads: callback, terms: callback }, required),
)

/** Checks a list of {@link Observation}s. */
export const observationsCheck = listOf(shape<Observation>(observation, required))

/** The coordinates of the points of equations. */
export const dimensionsOf = ([{ points }]: readonly Observation[]): number => (points as Matrix).columns

/**
 * Equations as the engine has them, one row of numbers each: x, weight, source, operator, loads, terms. `p` is how many
 * entries of v they may depend on, and `variable` whether any has terms.
 */
export function equationRows(
  name: string,
  equations: readonly Equation[],
  dimensions: number,
  p: number,
  variable: boolean,
): Float64Array {
  const channels = 1 + 2 * dimensions
  const width = dimensions + 2 + channels + p * (variable ? 1 + channels : 1)
  const all = new Float64Array(
    width * equations.reduce((sum, { points }) => sum + (points as Matrix).rows, 0),
  )
  let at = 0
  for (const [i, { points, operator, source = 0, weight = 1, loads, terms }] of equations.entries()) {
    const own = (key: string) => `${name}[${i}].${key}`
    const { data, rows, columns, scale = 1 } = points as Matrix
    if (columns !== dimensions) refuse(own('points'), `${dimensions} columns`, columns, 'ERR_SHAPE')
    for (let r = 0; r < rows; r++, at += width) {
      const x = Array.from({ length: dimensions }, (_, k) => scale * data[r * dimensions + k])
      const number = (key: string, field: Field) =>
        anyNumber(own(key), typeof field === 'number' ? field : field(...x))
      const jet = typeof operator === 'function' ? operatorCheck(own('operator'), operator(...x)) : operator
      const head = [...x, number('weight', weight), number('source', source)]
      all.set(head, at)
      all.set(coefficients(own('operator'), jet, dimensions), at + head.length)
      const after = at + head.length + channels
      if (loads) all.set(exactly(own('loads'), loads(...x), p), after)
      const moved = terms ? exactly(own('terms'), terms(...x), p) : []
      for (const [j, term] of Array.from(moved).entries()) {
        const entries = coefficients(own('terms'), operatorCheck(own('terms'), term), dimensions)
        for (const [c, entry] of entries.entries()) all[after + p + c * p + j] = entry
      }
    }
  }
  return all
}

/** Of y, its first and its second derivatives. */
function coefficients(name: string, operator: Operator, dimensions: number): number[] {
  const { value = 0, first, second } = operator
  const order = (key: string, given: ArrayLike<number> = new Float64Array(dimensions)) =>
    Array.from(exactly(`${name}.${key}`, given, dimensions))
  return [value, ...order('first', first), ...order('second', second)]
}

function exactly<A extends ArrayLike<unknown>>(name: string, list: A, length: number): A {
  return list?.length === length ? list : refuse(name, `${length} entries`, list?.length, 'ERR_SHAPE')
}
