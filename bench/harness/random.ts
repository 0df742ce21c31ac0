import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

/** Inputs that a seed decides. */
export class Random {
  readonly seed: number
  readonly #generator

  constructor(seed: number) {
    this.seed = seed
    this.#generator = xoroshiro128plus(seed)
  }

  /** Uniform in [−scale, scale). */
  floats(length: number, scale = 1): Float32Array {
    return this.#fill(new Float32Array(length), scale)
  }

  doubles(length: number): Float64Array {
    return this.#fill(new Float64Array(length), 1)
  }

  /** Uniform in [0, 1). */
  shares(length: number): Float64Array {
    return Float64Array.from({ length }, () => uniformFloat64(this.#generator))
  }

  /** Standard normal, by the method of Box and Muller. */
  normals(length: number): Float64Array {
    const [radii, angles] = [this.shares(length), this.shares(length)]
    return radii.map((u, i) => Math.sqrt(-2 * Math.log(1 - u)) * Math.cos(2 * Math.PI * angles[i]))
  }

  /** Whole numbers below `end`. */
  whole(length: number, end: number): Uint32Array {
    return Uint32Array.from({ length }, () => Math.floor(end * uniformFloat64(this.#generator)))
  }

  bytes(length: number): Uint8Array {
    const words = new Int32Array(Math.ceil(length / 4))
    for (let i = 0; i < words.length; i++) words[i] = this.#generator.next()
    return new Uint8Array(words.buffer, 0, length)
  }

  /** A symmetric positive definite n × n matrix, well conditioned. */
  definite(n: number): Float32Array {
    const a = this.floats(n * n, 1 / n)
    for (let i = 0; i < n; i++) {
      a[i * n + i] = 2
      for (let j = 0; j < i; j++) a[j * n + i] = a[i * n + j]
    }
    return a
  }

  #fill<Numbers extends Float32Array | Float64Array>(out: Numbers, scale: number): Numbers {
    const step = scale / 2 ** 31
    for (let i = 0; i < out.length; i++) out[i] = this.#generator.next() * step
    return out
  }
}
