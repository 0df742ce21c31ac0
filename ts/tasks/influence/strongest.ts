import type { InfluenceEffect } from './options.ts'

/** The largest and the smallest of the numbers that it is shown, each with its row. */
export class Strongest {
  readonly #most: number
  readonly #helpful: InfluenceEffect[] = []
  readonly #harmful: InfluenceEffect[] = []
  /** Bounds beyond which a number is kept. */
  #high = 0
  #low = 0

  constructor(most: number) {
    this.#most = most
  }

  see(row: number, change: number): void {
    if (change > this.#high) this.#high = this.#keep(this.#helpful, row, change, 1)
    else if (change < this.#low) this.#low = this.#keep(this.#harmful, row, change, -1)
  }

  /** Those that are above 0 and those below, the strongest first. */
  listed(): { readonly helpful: readonly InfluenceEffect[]; readonly harmful: readonly InfluenceEffect[] } {
    return { helpful: this.#helpful, harmful: this.#harmful }
  }

  /** Puts a number at its place; returns the weakest of a full list, or 0. */
  #keep(list: InfluenceEffect[], row: number, change: number, sign: 1 | -1): number {
    let at = list.length
    while (at > 0 && sign * list[at - 1].change < sign * change) at--
    list.splice(at, 0, { row, change })
    if (list.length > this.#most) list.pop()
    return list.length === this.#most ? list[this.#most - 1].change : 0
  }
}
