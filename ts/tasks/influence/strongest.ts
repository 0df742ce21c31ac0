import type { InfluenceEffect } from './options.ts'

interface Lists {
  readonly helpful: InfluenceEffect[]
  readonly harmful: InfluenceEffect[]
}

/** The largest numbers that each of several lists has been shown, and their rows. */
class Largest {
  /** Beyond which a number enters a list: its smallest number once it is full, and 0 before. */
  readonly bounds: Float64Array
  readonly #most: number
  readonly #lengths: Uint32Array
  /** Lists × most, the largest first. */
  readonly #numbers: Float64Array
  readonly #rows: Uint32Array

  constructor(lists: number, most: number) {
    this.bounds = new Float64Array(lists)
    this.#most = most
    this.#lengths = new Uint32Array(lists)
    this.#numbers = new Float64Array(lists * most)
    this.#rows = new Uint32Array(lists * most)
  }

  /** Puts a number beyond the list's bound at its place. */
  add(list: number, row: number, number: number): void {
    const [numbers, rows, start] = [this.#numbers, this.#rows, list * this.#most]
    let at = start + this.#lengths[list]
    if (this.#lengths[list] < this.#most) this.#lengths[list]++
    else at--
    for (; at > start && numbers[at - 1] < number; at--) {
      numbers[at] = numbers[at - 1]
      rows[at] = rows[at - 1]
    }
    numbers[at] = number
    rows[at] = row
    if (this.#lengths[list] === this.#most) this.bounds[list] = numbers[start + this.#most - 1]
  }

  /** A list as effects, whose changes are the numbers times `sign`. */
  effects(list: number, sign: 1 | -1): InfluenceEffect[] {
    const start = list * this.#most
    return Array.from({ length: this.#lengths[list] }, (_, k) => ({
      row: this.#rows[start + k],
      change: sign * this.#numbers[start + k],
    }))
  }
}

/** The strongest effects of either sign on each test sample of a block. */
export class Strongest {
  readonly #tests: number
  readonly #helpful: Largest
  readonly #harmful: Largest

  constructor(tests: number, most: number) {
    this.#tests = tests
    this.#helpful = new Largest(tests, most)
    this.#harmful = new Largest(tests, most)
  }

  /** Looks at the effects of training samples from `rows` on, samples × tests; adds each sample's sum to `sums`. */
  see(rows: number, changes: Float32Array | Float64Array, sums: Float64Array): void {
    const [tests, helpful, harmful] = [this.#tests, this.#helpful, this.#harmful]
    const [high, low] = [helpful.bounds, harmful.bounds]
    for (let at = 0, row = rows; at < changes.length; row++) {
      let sum = 0
      for (let j = 0; j < tests; j++, at++) {
        const change = changes[at]
        sum += change
        if (change > high[j]) helpful.add(j, row, change)
        else if (-change > low[j]) harmful.add(j, row, -change)
      }
      sums[row] += sum
    }
  }

  /** Of each test sample, the strongest first. */
  lists(): Lists[] {
    return Array.from({ length: this.#tests }, (_, j) => ({
      helpful: this.#helpful.effects(j, 1),
      harmful: this.#harmful.effects(j, -1),
    }))
  }
}
