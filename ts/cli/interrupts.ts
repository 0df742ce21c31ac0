import { ranks } from './ranks.ts'

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

/** Whether an error says that this rank, or another one, was asked to end. */
export function isInterruption(error: unknown): error is Pick<Interrupted, 'advice'> & Partial<Interrupted> {
  return (error as Error | undefined)?.name === 'AbortError'
}

const numbers = { SIGINT: 2, SIGTERM: 15, SIGUSR2: 12 } as const

/** Launchers of MPI send one request in several ways: those within so many milliseconds are one. */
const once = 1000

/**
 * A signal that aborts when the system asks the command to end. It ends with what there is then, or with nothing where no
 * outer step has ended. A second request ends it at once, and so does the first one after a `release`. Ranks listen to
 * SIGUSR2 as well: Open MPI hands it on, and leaves no time after the others.
 */
export function interrupts(): { readonly signal: AbortSignal; release(): void } {
  const controller = new AbortController()
  const isRank = ranks().size > 1
  let since = 0
  const listen = (name: keyof typeof numbers) => {
    const reason = new Interrupted(name)
    if (controller.signal.aborted && !(isRank && performance.now() - since < once))
      process.exit(reason.exitCode)
    since = performance.now()
    controller.abort(reason)
  }
  const names = (Object.keys(numbers) as (keyof typeof numbers)[]).filter(
    (name) => isRank || name !== 'SIGUSR2',
  )
  for (const name of names) process.on(name, listen)
  return {
    signal: controller.signal,
    release() {
      for (const name of names) process.off(name, listen)
    },
  }
}
