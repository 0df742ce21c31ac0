/** Why a command ends early: a signal of the system. */
export class Interrupted extends Error {
  /** As shells count: 128 and the number of the signal. */
  readonly exitCode: number
  /** How to go on, where what was computed is in a file. */
  advice?: string

  constructor(signal: keyof typeof numbers) {
    super(`ended by ${signal}`)
    this.name = 'AbortError'
    this.exitCode = 128 + numbers[signal]
  }
}

const numbers = { SIGINT: 2, SIGTERM: 15 } as const

/**
 * A signal that aborts when the system asks the command to end. It ends with what there is then, or with nothing where no
 * outer step has ended. A second request ends it at once, and so does the first one after a `release`.
 */
export function interrupts(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController()
  const listen = (name: keyof typeof numbers) => {
    const reason = new Interrupted(name)
    if (controller.signal.aborted) process.exit(reason.exitCode)
    controller.abort(reason)
  }
  const names = Object.keys(numbers) as (keyof typeof numbers)[]
  for (const name of names) process.on(name, listen)
  return {
    signal: controller.signal,
    release() {
      for (const name of names) process.off(name, listen)
    },
  }
}
