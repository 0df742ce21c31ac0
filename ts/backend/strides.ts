/** Number of entries of an array of this shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, length) => size * length, 1)
}

/** The entries of a strided array in the order of C, in an array of the same type. */
export function rowMajor<T extends ArrayLike<unknown>>(
  data: T,
  shape: readonly number[],
  strides: readonly number[],
  offset = 0,
): T {
  const length = sizeOf(shape)
  const type = data.constructor as new (length: number) => { [index: number]: unknown }
  const sorted = new type(length)
  const index = shape.map(() => 0)
  for (let i = 0, from = offset; i < length; i++) {
    sorted[i] = data[from]
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = index[axis] + 1
      from += strides[axis]
      if (index[axis] < shape[axis]) break
      from -= shape[axis] * strides[axis]
      index[axis] = 0
    }
  }
  return sorted as unknown as T
}
