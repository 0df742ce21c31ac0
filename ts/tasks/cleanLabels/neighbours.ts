import type { Backend } from '../../backend/backend.ts'
import type { Matrix } from '../../backend/matrix.ts'
import { permutation } from '../../data/split.ts'
import * as defaults from '../../defaults.ts'
import { Breather } from '../../hypergradient/clock.ts'

const { count, references, directions, block } = defaults.cleanLabels.checked.neighbours

/**
 * Log shares of the classes among the nearest neighbours of each row by cosine, rows × classes, with half a neighbour
 * more for each class. Neighbours are looked for among at most so many rows that a seed draws, and many columns are
 * first projected on fewer random directions (Johnson and Lindenstrauss 1984).
 */
export async function neighbourShares(
  backend: Backend,
  features: Matrix,
  labels: ArrayLike<number>,
  classes: number,
  seed: number,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const { rows } = features
  const breather = new Breather(() => signal?.throwIfAborted())
  const [unit, width] = await unitRows(backend, features, seed, breather)
  const chosen = permutation(rows, seed).subarray(0, references)
  const transposed = new Float32Array(width * chosen.length)
  for (const [at, row] of chosen.entries()) {
    for (let j = 0; j < width; j++) transposed[j * chosen.length + at] = unit[row * width + j]
  }
  const right = new backend.Vector(transposed.length, 'f32')
  right.writeF32(transposed)
  const out = new Float64Array(rows * classes)
  const most = Math.min(count, chosen.length - 1)
  for (let start = 0; start < rows; start += block) {
    const size = Math.min(block, rows - start)
    const left = new backend.Vector(size * width, 'f32')
    left.writeF32(unit.subarray(start * width, (start + size) * width))
    const products = new backend.Vector(size * chosen.length, 'f32')
    backend.gemm(size, chosen.length, width, 1, left, right, 0, products)
    const similarity = products.readF32()
    for (let i = 0; i < size; i++) {
      await breather.due()
      const own = similarity.subarray(i * chosen.length, (i + 1) * chosen.length)
      const shares = out.subarray((start + i) * classes, (start + i + 1) * classes).fill(0.5)
      for (const at of nearest(own, chosen, start + i, most)) shares[labels[chosen[at]]]++
      for (let c = 0; c < classes; c++) shares[c] = Math.log(shares[c] / (most + classes / 2))
    }
  }
  return out
}

/** Places of the largest similarities, the row itself left out. */
function nearest(similarity: Float32Array, chosen: Int32Array, row: number, most: number): number[] {
  const best: number[] = []
  for (let at = 0; at < similarity.length; at++) {
    if (best.length === most && similarity[at] <= similarity[best[most - 1]]) continue
    if (chosen[at] === row) continue
    let place = best.length < most ? best.length : most - 1
    for (; place > 0 && similarity[best[place - 1]] < similarity[at]; place--) best[place] = best[place - 1]
    best[place] = at
  }
  return best
}

/** The rows, centred and of length one, in at most so many directions, and how many these are. */
async function unitRows(
  backend: Backend,
  { data, rows, columns, scale = 1 }: Matrix,
  seed: number,
  breather: Breather,
): Promise<[Float32Array, number]> {
  const means = new Float64Array(columns)
  for (let i = 0, k = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++, k++) means[j] += data[k] / rows
    await breather.due()
  }
  const width = Math.min(columns, directions)
  let unit: Float32Array
  if (width === columns) {
    unit = Float32Array.from(data, (x, k) => (x - means[k % columns]) * scale)
  } else {
    const signs = permutation(columns * width, seed)
    const random = new backend.Vector(columns * width, 'f32')
    random.writeF32(Float32Array.from(signs, (s) => (s % 2 ? 1 : -1)))
    unit = new Float32Array(rows * width)
    for (let start = 0; start < rows; start += block) {
      const size = Math.min(block, rows - start)
      const left = new backend.Vector(size * columns, 'f32')
      const part = data.subarray(start * columns, (start + size) * columns)
      left.writeF32(Float32Array.from(part, (x, k) => (x - means[k % columns]) * scale))
      const product = new backend.Vector(size * width, 'f32')
      backend.gemm(size, width, columns, 1, left, random, 0, product)
      unit.set(product.readF32(), start * width)
      await breather.due()
    }
  }
  for (let i = 0; i < rows; i++) {
    const row = unit.subarray(i * width, (i + 1) * width)
    const norm = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0))
    if (norm > 0) for (let j = 0; j < width; j++) row[j] /= norm
  }
  return [unit, width]
}
