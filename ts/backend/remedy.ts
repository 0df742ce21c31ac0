/** Patterns of messages, each with what to do about such a failure. */
export type Remedies = readonly (readonly [failure: RegExp, remedy: string])[]

/** The message of the first of an error's causes that has a remedy, and that remedy; else the error's own message. */
export function withRemedy(error: unknown, remedies: Remedies): string {
  for (const [failure, remedy] of remedies) {
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      const [reason] = cause.message.split('\n')
      if (failure.test(reason)) return `${reason}; ${remedy}`
    }
  }
  return (error as Error).message
}
