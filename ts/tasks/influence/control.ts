import { Breather } from '../../hypergradient/clock.ts'
import type { InfluenceControl, InfluenceProgress } from './options.ts'

/** Lets the event loop run, ends a call that was aborted, counts its seconds and tells how far it is. */
export class Control {
  readonly #began = performance.now()
  readonly #options: InfluenceControl
  readonly #breather: Breather

  constructor(options: InfluenceControl) {
    this.#options = options
    this.#breather = new Breather(() => this.#goesOn())
  }

  get signal(): AbortSignal | undefined {
    return this.#options.signal
  }

  get seconds(): number {
    return (performance.now() - this.#began) / 1000
  }

  /** Whether the time is over. */
  get over(): boolean {
    return this.seconds >= (this.#options.seconds ?? Number.POSITIVE_INFINITY)
  }

  /** Throws what the signal was aborted with. */
  readonly pause = async (): Promise<void> => {
    this.#goesOn()
    await this.#breather.due()
  }

  tell(stage: InfluenceProgress['stage'], done: number, total: number): void {
    this.#options.onProgress?.({ stage, done, total, seconds: this.seconds })
  }

  #goesOn(): void {
    this.#options.signal?.throwIfAborted()
  }
}
