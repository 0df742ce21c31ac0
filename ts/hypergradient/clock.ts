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
  #since = performance.now()

  async due(): Promise<void> {
    if (performance.now() - this.#since < 30) return
    await new Promise((resolve) => setTimeout(resolve, 0))
    this.#since = performance.now()
  }
}
