import type { Vector } from '../../ts/backend/binding.ts'
import { resident } from '../../ts/kernels.ts'
import { Random } from '../harness/random.ts'
import { type Context, distance, type Pair, type Row, rotate, type Side } from '../harness/row.ts'

/** Gradients in turn, and updates between two of our flushes: a run holds a whole number of them. */
const gradients = 16
/** Forgetting that undoes itself, so that A stays moderate through any number of updates. */
const betas = [0.95, 1 / 0.95]
const gamma = 0.05
/** Updates before the answers are compared: past the first flush, where that is soon done. */
const checked = (d: number) => (d > 4096 ? 10 : 18)

/** Ours reads half of the matrix per update, and reads and writes it once every 16 updates. */
const bytes = (d: number) => 2 * d * d * (1 + 2 / gradients)
const flops = (d: number) => 3 * d * d

/** One gradient at a time against ssymv and ssyr. */
function single(d: number, bar: number, threads = 1): Row {
  return {
    name: `dense rank-1 f32, d = ${d}${threads > 1 ? `, ${threads} threads` : ''}`,
    rival: 'OpenBLAS ssymv + ssyr',
    bar,
    unit: 'update',
    clock: threads > 1 ? 'wall' : 'cpu',
    flops: flops(d),
    bytes: d > 4096 ? bytes(d) : undefined, // smaller ones stay in a cache
    prepare: (context) => {
      const { backend } = context
      const inverse = new backend.InverseUpdate(d, 1, 'f32', threads)
      const g = inputs(d, context.seed)
      const ours = g.map((g) => resident(backend, g))
      const update = (i: number) => inverse.update(ours[i % gradients], betas[i % 2], gamma)
      const side = { units: gradients, run: () => repeat(gradients, update) }
      return pair(context, d, g, threads, side, (x, y) => {
        repeat(checked(d), update)
        inverse.multiply(x, y)
      })
    },
  }
}

/** Eight known gradients per call against as many single updates. */
function blocks(d: number, bar: number): Row {
  const k = 8
  return {
    name: `dense, blocks of ${k} known gradients, f32, d = ${d}`,
    rival: 'OpenBLAS ssymv + ssyr',
    bar,
    unit: 'update',
    flops: flops(d),
    bytes: (2 * d * d * (1 + 2 / 2)) / k, // a read for each block, a flush for every second one
    prepare: (context) => {
      const { backend } = context
      const inverse = new backend.InverseUpdate(d, 1, 'f32', 1)
      const g = inputs(d, context.seed)
      const block = (i: number) =>
        Float32Array.from({ length: k * d }, (_, at) => g[i * k + ((at / d) | 0)][at % d])
      const ours = [0, 1].map((i) => resident(backend, block(i)))
      // k updates in one: F⁺ = β₁…β_k F + Σ γ β_{j+1}…β_k g_j g_jᵀ.
      const weights = Float64Array.from({ length: k }, (_, j) => gamma * (j % 2 === 0 ? betas[1] : 1))
      const update = (i: number) => inverse.updateMany(ours[i % 2], 1, weights)
      const side = { units: 2 * k, run: () => repeat(2, update) }
      return pair(context, d, g, 1, side, (x, y) => {
        update(0)
        repeat(2, (i) => inverse.update(resident(backend, g[k + i]), betas[i], gamma))
        inverse.multiply(x, y)
      })
    },
  }
}

/** The rival beside ours, and the answers after the same updates: A x for one x. */
function pair(
  { backend, openblas, seed }: Context,
  d: number,
  g: readonly Float32Array[],
  threads: number,
  ours: Side,
  answer: (x: Vector, y: Vector) => void,
): Pair {
  if (!openblas) return { ours, theirs: null, check: () => 0, tolerance: 0 }
  const matrix = new Float32Array(d * d)
  for (let i = 0; i < d; i++) matrix[i * d + i] = 1
  const product = new Float32Array(d)
  let scale = 1
  const next = rotate(g)
  const update = (i: number) => {
    scale = openblas.inverseUpdate(d, matrix, next(), product, betas[i % 2], gamma, scale)
  }
  openblas.setThreads(threads)
  const units = d > 4096 ? 4 : gradients // it does the same each time: no whole number of flushes is needed
  return {
    ours,
    theirs: { units, run: () => repeat(units, update) },
    tolerance: 1e-3,
    check() {
      repeat(checked(d), update)
      const x = new Random(seed + 1).floats(d)
      const y = new backend.Vector(d, 'f32')
      answer(resident(backend, x), y)
      openblas.ssymv(d, matrix, x, product)
      return distance(
        y.readF32(),
        product.map((entry) => scale * entry),
      )
    },
  }
}

function inputs(d: number, seed: number): Float32Array[] {
  const random = new Random(seed)
  return Array.from({ length: gradients }, () => random.floats(d, Math.sqrt(3 / d))) // of length about 1
}

function repeat(count: number, body: (i: number) => void): void {
  for (let i = 0; i < count; i++) body(i)
}

export const dense: readonly Row[] = [
  single(785, 0.5),
  single(785, 0.5, 2),
  single(2048, 0.5),
  single(2048, 0.5, 2),
  single(7850, 0.5),
  single(7850, 0.5, 2),
  blocks(7850, 0.15),
]
