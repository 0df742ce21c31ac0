/** Marks a handle that was disposed of. */
const disposed = Symbol('disposed')

export const isDisposed = (handle: object): boolean => disposed in handle

/** What a class of a binding may have by itself: what frees the handle, and what empties an object that others share. */
interface Freed {
  free?(): void
  dispose?(): void
}

/** The method by which the objects of a class are disposed of; a second call does nothing. */
export function disposal({ free, dispose }: Freed): (this: object) => void {
  return function (this: object) {
    if (isDisposed(this)) return
    Object.defineProperty(this, disposed, { value: true })
    dispose?.call(this)
    free?.call(this)
  }
}
