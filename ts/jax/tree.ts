import { type Array as JaxArray, type JsTree, numpy as np, tree } from '@jax-js/jax'
import { doubles, numbers, refuse } from '../backend/check.ts'

/** An array of jax-js, or arrays in lists and objects. */
export type Arrays = JsTree<JaxArray>

/** How the entries of a vector lie in arrays: leaf after leaf, each row-major. */
export class Layout {
  readonly size: number
  readonly #tree: ReturnType<typeof tree.structure>
  readonly #shapes: readonly (readonly number[])[]

  private constructor(structure: ReturnType<typeof tree.structure>, shapes: readonly (readonly number[])[]) {
    this.#tree = structure
    this.#shapes = shapes
    this.size = shapes.reduce((sum, shape) => sum + sizeOf(shape), 0)
  }

  /**
   * The layout of what a variable starts from, and its entries. Arrays of jax-js are taken over, as by its own functions.
   *
   * @throws NhgdError `ERR_DTYPE` for arrays that are not float32, `ERR_SHAPE` for none.
   */
  static async of(name: string, start: Arrays | ArrayLike<number>): Promise<[Layout, Float32Array]> {
    const isList = ArrayBuffer.isView(start) || (Array.isArray(start) && typeof start[0] === 'number')
    const given = isList
      ? np.array(Float32Array.from(doubles(name, numbers(name, start))))
      : (start as Arrays)
    const [leaves, structure] = tree.flatten<JaxArray>(given)
    for (const leaf of leaves) {
      const dtype: unknown = (leaf as Partial<JaxArray> | null)?.dtype
      if (dtype !== 'float32') refuse(name, 'arrays of float32', dtype ?? leaf, 'ERR_DTYPE')
    }
    const layout = new Layout(
      structure,
      leaves.map(({ shape }) => shape),
    )
    if (layout.size === 0) refuse(name, 'at least one number', 'none', 'ERR_SHAPE')
    const entries = new Float32Array(layout.size)
    await layout.read(given, entries)
    return [layout, entries]
  }

  /** New arrays with the entries of a vector. */
  arrays(entries: Float32Array): Arrays {
    let at = 0
    const leaves = this.#shapes.map((shape) => {
      const from = at
      at += sizeOf(shape)
      return np.array(entries.slice(from, at)).reshape([...shape])
    })
    return tree.unflatten(this.#tree, leaves)
  }

  /** Writes arrays as `rows` vectors one after the other, and frees them. */
  async read(arrays: Arrays, out: Float32Array, rows = 1): Promise<void> {
    let at = 0
    for (const leaf of tree.leaves<JaxArray>(arrays)) {
      const data = await leaf.data()
      const width = data.length / rows
      for (let row = 0; row < rows; row++) {
        const own = data.subarray(row * width, (row + 1) * width)
        out.set(own as Float32Array, row * this.size + at)
      }
      at += width
    }
  }
}

const sizeOf = (shape: readonly number[]) => shape.reduce((size, length) => size * length, 1)
