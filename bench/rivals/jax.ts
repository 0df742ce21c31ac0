import type { Array as JaxArray } from '@jax-js/jax'

/** One layer's weights by class, and its biases. */
type Layer = {
  weights: JaxArray
  bias: JaxArray
}

/** Samples by column, and what multiplies each sample's loss. */
interface Samples {
  readonly features: Float32Array
  readonly labels: Uint32Array
  readonly factors: Float32Array
}

/**
 * How jax-js comes to the gradient: by differentiating the loss with samples in rows, as its documentation does, with
 * samples in columns, which is faster here, or written out by hand for columns.
 */
export type Way = 'differentiated' | 'differentiated by columns' | 'by hand'

/**
 * The gradient of a softmax layer's weighted loss in jax-js on WebAssembly: jitted, all operands resident.
 * `theta` is (columns + 1) × classes with the biases last, as is the result.
 */
export async function jaxGradient(
  way: Way,
  theta: Float32Array,
  classes: number,
  { features, labels, factors }: Samples,
) {
  const { blockUntilReady, grad, jit, nn, numpy: np } = await load()
  const [m, n] = [labels.length, theta.length / classes - 1]
  const rows = way === 'differentiated'
  const axis = rows ? 1 : 0
  /** A resident matrix, its other layout where samples lie in rows. */
  const matrix = (byColumn: Float32Array, height: number, width: number) =>
    rows
      ? np.array(transposed(byColumn, height, width)).reshape([width, height])
      : np.array(byColumn).reshape([height, width])
  const layer: Layer = {
    weights: matrix(transposed(theta.subarray(0, n * classes), n, classes), classes, n),
    bias: matrix(theta.slice(n * classes), classes, 1),
  }
  const hits = new Float32Array(classes * m)
  for (const [i, label] of labels.entries()) hits[label * m + i] = 1
  const data = [matrix(features, n, m), matrix(hits, classes, m), matrix(factors, 1, m)] as const

  // jax-js counts references: each use takes one, `ref` adds one.
  const scores = ({ weights, bias }: Layer, x: JaxArray) =>
    (rows ? np.dot(x, weights) : np.dot(weights, x)).add(bias)
  const loss = (layer: Layer, x: JaxArray, y: JaxArray, factor: JaxArray) =>
    nn.logSoftmax(scores(layer, x), axis).mul(y).mul(factor).sum().neg()
  const written = (layer: Layer, x: JaxArray, y: JaxArray, factor: JaxArray): Layer => {
    const errors = nn.softmax(scores(layer, x.ref), 0).sub(y).mul(factor)
    return { weights: np.dot(errors.ref, x.transpose()), bias: errors.sum(1, { keepdims: true }) }
  }
  const gradient = jit(way === 'by hand' ? written : grad(loss))
  const run = async () => {
    const { weights, bias } = layer
    const [x, y, factor] = data
    const result = gradient({ weights: weights.ref, bias: bias.ref }, x.ref, y.ref, factor.ref) as Layer
    await blockUntilReady(result)
    return result
  }
  return {
    async run() {
      const { weights, bias } = await run()
      weights.dispose()
      bias.dispose()
    },
    async result(): Promise<Float32Array> {
      const { weights, bias } = await run()
      const out = new Float32Array(theta.length)
      const entries = (await weights.data()) as Float32Array
      out.set(rows ? entries : transposed(entries, classes, n))
      out.set((await bias.data()) as Float32Array, n * classes)
      return out
    },
  }
}

/** jax-js on WebAssembly. */
export async function load() {
  // jax-js expects these, and Node 20 lacks them; nothing here uses them. Where they exist, `navigator` can't be set.
  if (!('navigator' in globalThis)) Object.assign(globalThis, { navigator: {} })
  if (!('Float16Array' in globalThis))
    Object.assign(globalThis, { Float16Array: class extends Uint16Array {} })
  const jax = await import('@jax-js/jax')
  await jax.init('wasm')
  jax.defaultDevice('wasm')
  return jax
}

/** Row-major `rows` × `columns`, by column. */
export function transposed(matrix: ArrayLike<number>, rows: number, columns: number): Float32Array {
  const out = new Float32Array(rows * columns)
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++) out[j * rows + i] = matrix[i * columns + j]
  }
  return out
}
