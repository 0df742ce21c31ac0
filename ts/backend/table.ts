import { NhgdError } from './errors.ts'

/** A column of an Arrow-like table. */
export interface ColumnLike {
  readonly length: number
  readonly nullCount?: number
  readonly type?: unknown
  get(row: number): unknown
  toArray(): ArrayLike<unknown>
}

/** A table of columns, such as one of apache-arrow or @uwdata/flechette. */
export interface TableLike {
  readonly numRows: number
  readonly schema: { readonly fields: readonly { readonly name: string }[] }
  getChild(name: string): ColumnLike | null
}

/** What a cell holds: a number, a text, a truth value, a time, or nothing. */
export type Cell = number | bigint | string | boolean | Date | null | undefined

/** A column whose cells are no lists. */
export interface PlainColumn {
  readonly name: string
  at(row: number): Cell
}

/** Numbers of Arrow's types, as its format has them. */
const types = {
  int: 2,
  float: 3,
  date: 8,
  timestamp: 10,
  list: 12,
  fixedSizeList: 16,
  largeList: 21,
} as const
const listTypes: readonly unknown[] = [types.list, types.fixedSizeList, types.largeList]

export const isTable = (value: unknown): value is TableLike => has(value, 'getChild') && 'numRows' in value

export const isColumn = (value: unknown): value is ColumnLike =>
  has(value, 'toArray') && has(value, 'get') && !isTable(value)

function has(value: unknown, method: string): value is object {
  return typeof (value as Record<string, unknown> | null)?.[method] === 'function'
}

/** The columns of a table; a column of lists becomes one per entry of its lists, which have the same length. */
export function tableColumns(
  table: TableLike,
  name: string,
  titles: readonly string[] = table.schema.fields.map(({ name }) => name),
): PlainColumn[] {
  return titles.flatMap((title) => {
    const column = table.getChild(title)
    if (!column) throw new NhgdError('ERR_DATA', `"${name}" expected a column "${title}", got none`)
    return plainColumns(title, cellsOf(column), table.numRows, name, isList(column))
  })
}

/**
 * The columns that one column is: itself, or one per entry of its lists.
 *
 * @throws NhgdError `ERR_SHAPE` for lists of different lengths. A cell that is read throws `ERR_DTYPE` for other objects.
 */
export function plainColumns(
  title: string,
  at: (row: number) => unknown,
  rows: number,
  name: string,
  mayBeLists = true,
): PlainColumn[] {
  const place = (row: number) => `row ${row}, column "${title}"`
  const cell = (value: unknown, row: number): Cell => {
    if (typeof value !== 'object' || value === null || value instanceof Date) return value as Cell
    const got = `${listOf(value) ? 'a list' : (value.constructor?.name ?? 'an object')} in ${place(row)}`
    throw new NhgdError('ERR_DTYPE', `"${name}" expected numbers, text or lists of them, got ${got}`)
  }
  const plain = [{ name: title, at: (row: number) => cell(at(row), row) }]
  const lists: (ArrayLike<unknown> | undefined)[] = new Array(rows)
  let width = 0
  for (let row = 0; row < rows && mayBeLists; row++) {
    const value = at(row)
    if (value === null || value === undefined) continue
    const list = listOf(value)
    if (!list && width === 0) return plain
    width ||= list?.length ?? 0
    if (list?.length !== width) {
      const got = list ? `${list.length} entries` : 'no list'
      throw new NhgdError('ERR_SHAPE', `"${name}" expected lists of ${width}, got ${got} in ${place(row)}`)
    }
    lists[row] = list
  }
  if (width === 0) return plain
  return Array.from({ length: width }, (_, k) => ({
    name: `${title}.${k}`,
    at: (row) => cell(lists[row]?.[k], row),
  }))
}

/** The cells of a column from 0 on; `get` alone knows of nulls and of numbers that are kept as others. */
export function cellsOf(column: ColumnLike): (row: number) => unknown {
  const values = stored(column)
  if (values) return (row) => values[row]
  const { typeId } = typeOf(column)
  if (typeId !== types.date && typeId !== types.timestamp) return (row) => column.get(row)
  return (row) => {
    const time = column.get(row)
    return typeof time === 'number' || typeof time === 'bigint' ? new Date(Number(time)) : time
  }
}

/** The numbers of a column, if they are kept as they are. */
function stored(column: ColumnLike): ArrayLike<unknown> | undefined {
  const { typeId, precision } = typeOf(column)
  const isPlain = typeId === types.int || (typeId === types.float && precision !== 0)
  return column.nullCount === 0 && isPlain ? column.toArray() : undefined
}

const typeOf = ({ type }: ColumnLike) =>
  (type ?? {}) as { readonly typeId?: unknown; readonly precision?: unknown }

/** Whether a column may hold lists: other types, such as decimals, give arrays as well. */
function isList(column: ColumnLike): boolean {
  const { typeId } = typeOf(column)
  return typeId === undefined || listTypes.includes(typeId)
}

function listOf(value: unknown): ArrayLike<unknown> | undefined {
  if (Array.isArray(value)) return value
  if (ArrayBuffer.isView(value)) return value as unknown as ArrayLike<unknown>
  if (!isColumn(value)) return undefined
  return stored(value) ?? Array.from({ length: value.length }, (_, k) => value.get(k))
}
