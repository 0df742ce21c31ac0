import * as assert from 'uvu/assert'

/** The largest difference, relative to the largest entry expected. */
export function distance(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  assert.is(got.length, expected.length, 'lengths')
  let [difference, size] = [0, 0]
  for (let i = 0; i < got.length; i++) {
    // A comparison alone would let NaN through.
    if (!Number.isFinite(got[i])) return Number.POSITIVE_INFINITY
    difference = Math.max(difference, Math.abs(got[i] - expected[i]))
    size = Math.max(size, Math.abs(expected[i]))
  }
  return size > 0 ? difference / size : difference
}

/** Every entry within `tolerance` times the largest entry expected. */
export function close(
  got: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  what = 'entries',
): void {
  const off = distance(got, expected)
  assert.ok(off <= tolerance, `${what} are off by ${off} of the largest, more than ${tolerance}`)
}

/** Bit for bit. */
export function same(got: ArrayLike<number>, expected: ArrayLike<number>, what = 'entries'): void {
  assert.is(got.length, expected.length, `${what}: lengths`)
  for (let i = 0; i < got.length; i++) {
    if (!Object.is(got[i], expected[i])) assert.is(got[i], expected[i], `${what}, at ${i}`)
  }
}
