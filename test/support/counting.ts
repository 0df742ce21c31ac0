import type { Backend } from '../../ts/backend/backend.ts'

type Counted = 'Problem' | 'Samples' | 'Features' | 'Fisher'

/** A stand-in for `backend` and how many objects of each class it has built. Vectors, steps and batches do not count. */
export function counting(backend: Backend): { backend: Backend; built: Record<Counted, number> } {
  const built = { Problem: 0, Samples: 0, Features: 0, Fisher: 0 }
  const counted = (name: Counted) =>
    new Proxy(backend[name] as unknown as new (...args: unknown[]) => object, {
      construct(base, args) {
        built[name]++
        return new base(...args)
      },
      get(base, key) {
        const value: unknown = Reflect.get(base, key)
        if (typeof value !== 'function' || key === 'prototype') return value
        return (...args: unknown[]) => {
          built[name]++
          return value(...args)
        }
      },
    })
  const names = Object.keys(built) as Counted[]
  return { built, backend: { ...backend, ...Object.fromEntries(names.map((n) => [n, counted(n)])) } }
}
