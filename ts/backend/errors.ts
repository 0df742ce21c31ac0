import type { ErrorCode } from './settings.ts'

export type { ErrorCode }

/**
 * Every error that this library raises on purpose. Its `code` is stable; its `message` names the argument, what was
 * expected and what came.
 */
export class NhgdError extends Error {
  readonly code: ErrorCode

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'NhgdError'
    this.code = code
  }
}
