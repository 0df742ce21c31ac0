import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

/** Draws that a seed decides. */
export class Random {
  readonly #generator

  constructor(seed: number) {
    this.#generator = xoroshiro128plus(seed)
  }

  /** Uniform in [0, 1). */
  uniform(): number {
    return uniformFloat64(this.#generator)
  }

  /** Standard normal (Box & Muller 1958). */
  normal(): number {
    return Math.sqrt(-2 * Math.log1p(-this.uniform())) * Math.cos(2 * Math.PI * this.uniform())
  }

  /** A whole number below `end`. */
  below(end: number): number {
    return Math.floor(end * this.uniform())
  }

  normals(length: number, scale = 1): Float64Array {
    return Float64Array.from({ length }, () => scale * this.normal())
  }

  /** Labels with every class in them as far as there are samples. */
  labels(length: number, classes: number): Uint32Array {
    return Uint32Array.from({ length }, (_, i) => (i < classes ? i : this.below(classes)))
  }
}
