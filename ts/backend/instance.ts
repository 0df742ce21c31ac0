import type { Binding } from './binding.ts'
import { NhgdError } from './errors.ts'

/** Bindings whose instance of WebAssembly a trap has ended. */
const ended = new WeakSet<Binding>()
const atEnd = new WeakMap<Binding, () => void>()

/** Says that the binding is WebAssembly's, and has `action` called once where a trap ends its instance. */
export function whenEnded(binding: Binding, action: () => void): void {
  atEnd.set(binding, action)
}

export const hasEnded = (binding: Binding): boolean => ended.has(binding)

/** Throws `ERR_INTERNAL` where a trap has ended the binding's instance: what a trap leaves in its memory is half done. */
export function refuseEnded(binding: Binding): void {
  if (hasEnded(binding)) throw lost()
}

/** The error that a call of the binding threw; a trap becomes `ERR_INTERNAL`, and the instance has ended. */
export function endedBy(error: unknown, binding: Binding): unknown {
  const action = atEnd.get(binding)
  if (!action || !isTrap(error)) return error
  if (!ended.has(binding)) {
    ended.add(binding)
    action()
  }
  return lost(error)
}

const lost = (cause?: unknown) =>
  new NhgdError(
    'ERR_INTERNAL',
    '"backend" expected a whole instance of WebAssembly, got one that a panic ended with all its objects: loadBackend() gives a fresh one',
    cause === undefined ? {} : { cause },
  )

/** A trap, or a stack that ended amid a call, which unwinds nothing in the instance. */
function isTrap(error: unknown): boolean {
  const { name, message } = Object(error) as Partial<Error>
  return name === 'RuntimeError' || /call stack|too much recursion/.test(String(message))
}
