import { type Backend, taken } from '../../backend/backend.ts'
import type { Vector } from '../../backend/binding.ts'
import type { Matrix } from '../../backend/matrix.ts'
import { permutation } from '../../data/split.ts'
import * as defaults from '../../defaults.ts'
import { Breather } from '../../hypergradient/clock.ts'
import { Ranks } from '../../run/ranks.ts'

const { count, references, directions, block } = defaults.cleanLabels.checked.neighbours

/**
 * Log shares of the classes among the nearest neighbours of each row by cosine, rows × classes, with half a neighbour
 * more for each class. Neighbours are looked for among at most so many rows that a seed draws, and many columns are
 * first projected on fewer random directions (Johnson and Lindenstrauss 1984). The ranks share the rows out.
 */
export async function neighbourShares(
  backend: Backend,
  features: Matrix,
  labels: ArrayLike<number>,
  classes: number,
  seed: number,
  signal?: AbortSignal,
  ranks = new Ranks(),
): Promise<Float64Array> {
  const { rows } = features
  const breather = new Breather(() => signal?.throwIfAborted())
  const { width, unit } = await unitRows(backend, features, seed, breather)
  const chosen = permutation(rows, seed).subarray(0, references)
  const transposed = new Float32Array(width * chosen.length)
  for (let start = 0; start < chosen.length; start += block) {
    const part = unit(chosen.subarray(start, start + block))
    for (let k = 0; k < part.length; k++) {
      transposed[(k % width) * chosen.length + start + Math.floor(k / width)] = part[k]
    }
    await breather.due()
  }
  const right = new backend.Vector(transposed.length, 'f32')
  right.writeF32(transposed)
  const most = Math.min(count, chosen.length - 1)
  const parts = await ranks.sharedOut(Math.ceil(rows / block), async (part) => {
    const start = part * block
    const size = Math.min(block, rows - start)
    const left = new backend.Vector(size * width, 'f32')
    left.writeF32(unit(Int32Array.from({ length: size }, (_, i) => start + i)))
    const products = new backend.Vector(size * chosen.length, 'f32')
    backend.gemm(size, chosen.length, width, 1, left, right, 0, products)
    const similarity = taken(products) as Float32Array
    left.dispose()
    const logs = new Float64Array(size * classes)
    for (let i = 0; i < size; i++) {
      await breather.due()
      const own = similarity.subarray(i * chosen.length, (i + 1) * chosen.length)
      const shares = logs.subarray(i * classes, (i + 1) * classes).fill(0.5)
      for (const at of nearest(own, chosen, start + i, most)) shares[labels[chosen[at]]]++
      for (let c = 0; c < classes; c++) shares[c] = Math.log(shares[c] / (most + classes / 2))
    }
    return logs
  })
  const out = new Float64Array(rows * classes)
  for (const [part, logs] of parts.entries()) out.set(logs, part * block * classes)
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

/** What gives rows, centred and of length one, in at most so many directions, and how many these are. */
async function unitRows(
  backend: Backend,
  { data, rows, columns, scale = 1 }: Matrix,
  seed: number,
  breather: Breather,
): Promise<{ readonly width: number; readonly unit: (chosen: Int32Array) => Float32Array }> {
  const means = new Float64Array(columns)
  for (let i = 0, k = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++, k++) means[j] += data[k] / rows
    await breather.due()
  }
  const width = Math.min(columns, directions)
  const random = width < columns && new backend.Vector(columns * width, 'f32')
  if (random) {
    random.writeF32(Float32Array.from(permutation(columns * width, seed), (s) => (s % 2 ? 1 : -1)))
  }
  const unit = (chosen: Int32Array) => {
    const centred = new Float32Array(chosen.length * columns)
    for (const [i, row] of chosen.entries()) {
      for (let j = 0; j < columns; j++) {
        centred[i * columns + j] = (data[row * columns + j] - means[j]) * scale
      }
    }
    const own = random ? projected(backend, centred, chosen.length, random) : centred
    for (let i = 0; i < chosen.length; i++) {
      const row = own.subarray(i * width, (i + 1) * width)
      const norm = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0))
      if (norm > 0) for (let j = 0; j < width; j++) row[j] /= norm
    }
    return own
  }
  return { width, unit }
}

/** Rows times a matrix. */
function projected(backend: Backend, entries: Float32Array, rows: number, matrix: Vector): Float32Array {
  const columns = entries.length / rows
  const width = matrix.length / columns
  const [left, product] = [entries.length, rows * width].map((length) => new backend.Vector(length, 'f32'))
  left.writeF32(entries)
  backend.gemm(rows, width, columns, 1, left, matrix, 0, product)
  left.dispose()
  return taken(product) as Float32Array
}
