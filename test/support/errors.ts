import * as assert from 'uvu/assert'
import { type ErrorCode, NhgdError } from '../../ts/backend/errors.ts'

/** `act` throws, or rejects with, an {@link NhgdError} that says `"name" expected …, got …`. */
export async function refuses(code: ErrorCode, name: string, act: () => unknown): Promise<void> {
  try {
    await act()
  } catch (error) {
    assert.instance(error, NhgdError, `${error}`)
    const { code: got, message } = error as NhgdError
    assert.is(got, code, message)
    const pattern = new RegExp(`"[^"]*${name}" expected .+, got .+`, 's')
    assert.match(message, pattern, message)
    return
  }
  assert.unreachable(`expected ${code} about "${name}"`)
}
