import type { Entries } from './room.ts'

/** A derivative, and how far its differences disagree, relative to it. */
export interface Difference {
  readonly value: Float64Array
  readonly disagreement: number
}

/** Steps that are tried at the most. */
const tries = 8
/** Disagreement that is small enough. The error of the extrapolated value is about its square. */
const enough = 1e-4

/**
 * The derivative at 0 of a function of one number, by central differences of steps h and 2h and Richardson's
 * extrapolation. Where the two disagree, a smaller step is tried, and where rounding is larger than that, a larger one;
 * the best counts. The first step is ε^(1/5) times `scale`, where both errors are small for a smooth function.
 *
 * @param spread Size of all of x where the function moves x. A derivative far below value / spread counts as 0.
 */
export async function derivative(
  at: (step: number) => Promise<Entries>,
  epsilon: number,
  scale: number,
  spread = scale,
): Promise<Difference> {
  let best: Difference | undefined
  let direction = 0
  for (let h = epsilon ** 0.2 * scale, i = 0; i < tries; i++) {
    const [far, near, nearer, farther] = [await at(-2 * h), await at(-h), await at(h), await at(2 * h)]
    const value = new Float64Array(far.length)
    let [size, apart, length] = [0, 0, 0]
    for (let j = 0; j < value.length; j++) {
      const fine = (nearer[j] - near[j]) / (2 * h)
      const coarse = (farther[j] - far[j]) / (4 * h)
      value[j] = (4 * fine - coarse) / 3
      size = Math.max(size, Math.abs(near[j]), Math.abs(nearer[j]))
      apart = Math.max(apart, Math.abs(fine - coarse))
      length = Math.max(length, Math.abs(value[j]))
    }
    const rounding = length === 0 && apart === 0 ? 0 : (epsilon * size) / h
    const disagreement = (apart + rounding) / (length + (1e-6 * size) / spread || 1)
    if (!best || disagreement < best.disagreement) best = { value, disagreement }
    const next = rounding > apart ? 1 : -1
    if (disagreement <= enough || next === -direction || (next > 0 && i === 3)) break
    direction = next
    h *= 8 ** next
  }
  return best as Difference
}

/** The largest absolute value. */
export function largest(values: Entries): number {
  let size = 0
  for (let i = 0; i < values.length; i++) size = Math.max(size, Math.abs(values[i]))
  return size
}

/** x + step · direction, as a new array. */
export function moved(x: Entries, step: number, direction: Entries): Entries {
  const there = x.slice()
  for (let i = 0; i < there.length; i++) there[i] += step * direction[i]
  return there
}

/** x with entry j moved by a step, as a new array. */
export function movedAt(x: Entries, step: number, j: number): Entries {
  const there = x.slice()
  there[j] += step
  return there
}
