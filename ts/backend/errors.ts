/** Stable codes of {@link NhgdError}. */
export type ErrorCode =
  | 'ERR_SHAPE'
  | 'ERR_DTYPE'
  | 'ERR_RANGE'
  | 'ERR_NOT_FINITE'
  | 'ERR_DATA'
  | 'ERR_NUMERIC'
  | 'ERR_DIVERGED'
  | 'ERR_MEMORY'
  | 'ERR_BACKEND'
  | 'ERR_CHECKPOINT'
  | 'ERR_DISPOSED'
  | 'ERR_INTERNAL'

/** Every error this library raises on purpose: `code` is stable, `message` names the argument, what was expected and what came. */
export class NhgdError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'NhgdError'
    this.code = code
  }
}
