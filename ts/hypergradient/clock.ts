/** Seconds by phase: the time from entering one phase to entering the next counts as the first's. */
export class Clock {
  readonly seconds: Record<string, number> = {}
  #phase = ''
  #since = 0

  enter(phase: string): void {
    const now = performance.now()
    if (this.#phase) this.seconds[this.#phase] = (this.seconds[this.#phase] ?? 0) + (now - this.#since) / 1000
    this.#phase = phase
    this.#since = now
  }
}

/** Lets the event loop run whenever 30 ms have passed since it last did. */
export class Breather {
  readonly #rest: () => Promise<void> | void
  #since = performance.now()

  /** `rest` has its say whenever a breath may be due: work waits for what it returns, and ends by what it throws. */
  constructor(rest: () => Promise<void> | void = () => {}) {
    this.#rest = rest
  }

  async due(): Promise<void> {
    if (performance.now() - this.#since >= 30) {
      await new Promise<void>((resolve) => nextTurn(resolve))
      this.#since = performance.now()
    }
    const rest = this.#rest()
    if (rest) await rest
  }
}

/** Calls a function once the event loop has looked at what waits; a timer may take a millisecond longer. */
function nextTurn(act: () => void): void {
  if (typeof setImmediate === 'function') setImmediate(act)
  else setTimeout(act, 0)
}
