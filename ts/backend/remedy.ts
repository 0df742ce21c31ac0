/** What a failure says of itself, and what to do about it. */
export type Remedies = readonly (readonly [failure: RegExp, remedy: string])[]

/** The message of the first of an error's causes that has a remedy, with it; the error's own message where none has. */
export function withRemedy(error: unknown, remedies: Remedies): string {
  for (const [failure, remedy] of remedies) {
    for (let cause = error; cause instanceof Error; cause = cause.cause) {
      const [reason] = cause.message.split('\n')
      if (failure.test(reason)) return `${reason}; ${remedy}`
    }
  }
  return (error as Error).message
}
