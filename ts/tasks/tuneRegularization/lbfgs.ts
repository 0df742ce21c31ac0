import { dot, plus } from './solver.ts'

export interface Evaluation {
  readonly value: number
  readonly gradient: Float64Array
}

const memory = 8
/** The largest entry of the first step. */
const first = 0.3

/**
 * Minimises a function of few variables by limited-memory BFGS (Nocedal & Wright 2006, algorithm 7.5) with steps of at
 * most `reach` in each entry and an Armijo line search, until two steps in a row gain little. The gradient is asked for where its value is
 * `wanted`. `onStep` sees the start and each accepted x; it returns true to end.
 */
export async function lbfgs(
  start: Float64Array,
  evaluate: (x: Float64Array, wanted: (value: number) => boolean) => Promise<Evaluation>,
  options: {
    steps: number
    tolerance: number
    gain: number
    reach: number
    onStep: (x: Float64Array, at: Evaluation) => Promise<boolean>
  },
): Promise<void> {
  let x = start
  let at = await evaluate(x, () => true)
  if (await options.onStep(x, at)) return
  const pairs: { s: Float64Array; y: Float64Array }[] = []
  let small = 0
  for (let step = 0; step < options.steps; step++) {
    const direction = descent(at.gradient, pairs)
    const largest = direction.reduce((most, d) => Math.max(most, Math.abs(d)), 0)
    const slope = dot(direction, at.gradient)
    if (!(largest > options.tolerance) || !(slope < 0)) return
    let accepted: { x: Float64Array; at: Evaluation } | undefined
    for (let t = Math.min(1, options.reach / largest); t * largest > options.tolerance; t /= 3) {
      const next = plus(x, t, direction)
      const most = at.value + 1e-4 * t * slope
      const there = await evaluate(next, (value) => value <= most)
      if (there.value <= most) {
        accepted = { x: next, at: there }
        break
      }
    }
    // Where the curvature misleads, at a kink, the gradient has another try.
    if (!accepted && pairs.length === 0) return
    if (!accepted) {
      pairs.length = 0
      continue
    }
    const [s, y] = [plus(accepted.x, -1, x), plus(accepted.at.gradient, -1, at.gradient)]
    const gain = at.value - accepted.at.value
    if (dot(s, y) > 1e-12) pairs.push({ s, y })
    if (pairs.length > memory) pairs.shift()
    ;({ x, at } = accepted)
    if (await options.onStep(x, at)) return
    small = gain <= options.gain * Math.abs(at.value) ? small + 1 : 0
    if (small === 2) return
  }
}

/** −H g, where H is the approximate inverse Hessian of the pairs. */
function descent(
  gradient: Float64Array,
  pairs: readonly { s: Float64Array; y: Float64Array }[],
): Float64Array {
  let q: Float64Array = gradient.map((g) => -g)
  const shares: number[] = []
  for (const { s, y } of pairs.toReversed()) {
    const share = dot(s, q) / dot(s, y)
    shares.unshift(share)
    q = plus(q, -share, y)
  }
  const last = pairs.at(-1)
  const largest = gradient.reduce((most, g) => Math.max(most, Math.abs(g)), 1e-300)
  const scale = last ? dot(last.s, last.y) / dot(last.y, last.y) : first / largest
  q = q.map((x) => scale * x)
  for (const [k, { s, y }] of pairs.entries()) q = plus(q, shares[k] - dot(y, q) / dot(s, y), s)
  return q
}
