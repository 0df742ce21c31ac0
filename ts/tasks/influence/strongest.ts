import type { InfluenceEffect } from './options.ts'

interface Lists {
  readonly helpful: InfluenceEffect[]
  readonly harmful: InfluenceEffect[]
}

/** The strongest effects of either sign on each test sample of a block. */
export class Strongest {
  /** The strongest first. */
  readonly lists: readonly Lists[]
  readonly #most: number
  /** Bounds beyond which an effect on a test sample is kept. */
  readonly #high: Float64Array
  readonly #low: Float64Array

  constructor(tests: number, most: number) {
    this.lists = Array.from({ length: tests }, () => ({ helpful: [], harmful: [] }))
    this.#most = most
    this.#high = new Float64Array(tests)
    this.#low = new Float64Array(tests)
  }

  /** Looks at the effects of training samples from `rows` on, samples × tests; adds each sample's sum to `sums`. */
  see(rows: number, changes: Float32Array | Float64Array, sums: Float64Array): void {
    const [high, low] = [this.#high, this.#low]
    const tests = high.length
    for (let at = 0, row = rows; at < changes.length; row++) {
      let sum = 0
      for (let j = 0; j < tests; j++, at++) {
        const change = changes[at]
        sum += change
        if (change > high[j]) high[j] = this.#keep(this.lists[j].helpful, row, change, 1)
        else if (change < low[j]) low[j] = this.#keep(this.lists[j].harmful, row, change, -1)
      }
      sums[row] += sum
    }
  }

  /** Puts an effect at its place; returns the weakest of a full list, or 0. */
  #keep(list: InfluenceEffect[], row: number, change: number, sign: 1 | -1): number {
    let at = list.length
    while (at > 0 && sign * list[at - 1].change < sign * change) at--
    list.splice(at, 0, { row, change })
    if (list.length > this.#most) list.pop()
    return list.length === this.#most ? list[this.#most - 1].change : 0
  }
}
