import { type Array as JaxArray, type JsTree, jit, tree } from '@jax-js/jax'

/** A function of arrays, which it takes over, as all of jax-js does. */
export type Compiled = (...args: JsTree<JaxArray>[]) => JsTree<JaxArray>

/**
 * A function as jax-js compiles it, or as it is where jax-js can't compile it. Nothing where it can't be run on
 * `example` either: then `failure` is told why.
 */
export function compiled(
  run: Compiled,
  example: () => JsTree<JaxArray>[],
  failure: (error: unknown) => void,
): Compiled | undefined {
  for (const candidate of [jit(run as never) as unknown as Compiled, run]) {
    const args = example()
    try {
      tree.dispose(candidate(...args))
      return candidate
    } catch (error) {
      failure(error)
      for (const array of tree.leaves<JaxArray>(args)) if (array.refCount > 0) array.dispose()
    }
  }
  return undefined
}
