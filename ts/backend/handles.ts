/** Marks a handle that was disposed of. */
const disposed = Symbol('disposed')

export const isDisposed = (handle: object): boolean => disposed in handle

/** Marks a handle that a panic has left half changed. */
const broken = Symbol('broken')

export const isBroken = (handle: object): boolean => broken in handle

/** Marks a handle as one that may be disposed of, and no more. Anything else stays as it is. */
export function breakHandle(handle: unknown): void {
  if (typeof handle === 'object' && handle !== null) Object.defineProperty(handle, broken, { value: true })
}

/** What a class of a binding may have by itself: what frees the handle, and what empties an object that others share. */
interface Freed {
  free?(): void
  dispose?(): void
}

/**
 * The method by which the objects of a class are disposed of; a second call does nothing, and so does one
 * where all of them `areFreed`.
 */
export function disposal({ free, dispose }: Freed, areFreed: () => boolean): (this: object) => void {
  return function (this: object) {
    if (isDisposed(this) || areFreed()) return
    Object.defineProperty(this, disposed, { value: true })
    dispose?.call(this)
    free?.call(this)
  }
}
