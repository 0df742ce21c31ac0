type Outer = Float32Array | Float64Array

/** Keeps the v of a run whose model has the least loss on samples that were held back from it. */
export class Keeper {
  #best: { readonly step: number; readonly loss: number; readonly outer: Outer }
  #outer: Outer

  /** `start` is the v of the first step. */
  constructor(start: Outer) {
    this.#outer = start
    this.#best = { step: 0, loss: Number.POSITIVE_INFINITY, outer: start }
  }

  /**
   * Takes the held-out loss of a step's model, which was trained with the v that the step began with, and the v that
   * it ended with. With a loss of NaN nothing was held back, and the last v is kept.
   */
  judge(step: number, loss: number, next: Outer): void {
    if (Number.isNaN(loss)) this.#best = { step, loss: Number.POSITIVE_INFINITY, outer: next }
    else if (loss < this.#best.loss) this.#best = { step, loss, outer: this.#outer }
    this.#outer = next
  }

  /** All that it goes on with. */
  get state(): { readonly best: Keeper['best']; readonly outer: Outer } {
    return { best: this.#best, outer: this.#outer }
  }

  static from({ best, outer }: Keeper['state']): Keeper {
    const keeper = new Keeper(outer)
    keeper.#best = best
    return keeper
  }

  get best(): { readonly step: number; readonly loss: number; readonly outer: Outer } {
    return this.#best
  }
}
