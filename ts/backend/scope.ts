import type { Handle } from './binding.ts'

/** The scopes that handles were made in. */
const scopes = new WeakMap<object, Scope>()

/** The handles that were made in a scope, as long as somebody holds them: what is garbage before its end stays garbage. */
class Scope {
  #made = new Set<WeakRef<Handle>>()
  #most = 256
  #ended = false

  keep<T>(made: T): T {
    const handle = made as Handle
    if (this.#ended || typeof handle?.dispose !== 'function') return made
    scopes.set(handle, this)
    this.#made.add(new WeakRef(handle))
    if (this.#made.size > this.#most) {
      this.#made = new Set([...this.#made].filter((reference) => reference.deref()))
      this.#most = Math.max(256, 2 * this.#made.size)
    }
    return made
  }

  end(): void {
    this.#ended = true
    for (const reference of this.#made) reference.deref()?.dispose()
    this.#made.clear()
  }
}

/** What a handle's method made belongs to the scope of the handle. */
export function adopt<T>(owner: unknown, made: T): T {
  const isHandle = typeof made === 'object' && made !== null
  return isHandle ? (scopes.get(owner as object)?.keep(made) ?? made) : made
}

type Class = { prototype: object } & (new (...args: unknown[]) => object)
type Static = (...args: unknown[]) => unknown

function within(scope: Scope, original: Class): Class {
  function create(...args: unknown[]) {
    return scope.keep(new original(...args))
  }
  create.prototype = original.prototype
  const statics = Object.entries(original).map(([name, make]) => [
    name,
    (...args: unknown[]) => scope.keep((make as Static)(...args)),
  ])
  return Object.assign(create, Object.fromEntries(statics)) as unknown as Class
}

/** Classes whose objects hold next to nothing, and of which a step makes many. */
const light = ['Batch', 'Sampler']

/**
 * Does some work on a backend, and disposes of all that it made there when it ends, however it ends. Handles that are given
 * to it stay. The backend that `work` gets can be used afterwards: what it makes then belongs to whoever asks for it.
 */
export async function scoped<B extends object, T>(
  backend: B,
  work: (backend: B) => T | Promise<T>,
): Promise<T> {
  const scope = new Scope()
  const members = Object.entries(backend).map(([name, member]) => {
    const isClass = /^[A-Z]/.test(name) && !light.includes(name)
    return [name, isClass ? within(scope, member) : member]
  })
  try {
    return await work(Object.fromEntries(members) as B)
  } finally {
    scope.end()
  }
}
