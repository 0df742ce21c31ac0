import type { Backend } from '../../backend/backend.ts'
import type { Vector } from '../../backend/binding.ts'
import type { PenaltyTerm } from './penaltyTerm.ts'

/** Sweeps of coordinate descent, at most. */
export const sweeps = 100

/** Kernels on arrays of doubles. Matrices that are used again and again stay in the backend. */
export class Kernels {
  readonly backend: Backend
  /** Operands by their lengths. */
  readonly #spare = new Map<number, Vector[]>()

  constructor(backend: Backend) {
    this.backend = backend
  }

  vector(x: Float64Array): Vector {
    const vector = new this.backend.Vector(x.length, 'f64')
    vector.writeF64(x)
    return vector
  }

  /** A x, with A rows × columns. */
  product(a: Vector, x: Float64Array): Float64Array {
    const rows = a.length / x.length
    return this.#applied(rows, x, (out, x) => this.backend.gemm(rows, 1, x.length, 1, a, x, 0, out))
  }

  /** Aᵀ x, with A rows × columns. */
  transposed(a: Vector, x: Float64Array): Float64Array {
    const columns = a.length / x.length
    return this.#applied(columns, x, (out, x) => this.backend.gemm(1, columns, x.length, 1, x, a, 0, out))
  }

  /** A C, with A rows × inner and C inner × columns. */
  gemm(a: Float64Array, c: Float64Array, rows: number): Float64Array {
    const inner = a.length / rows
    const columns = c.length / inner
    const kernel = (out: Vector, a: Vector, c: Vector) =>
      this.backend.gemm(rows, columns, inner, 1, a, c, 0, out)
    return this.#run([new Float64Array(rows * columns)], [a, c], kernel)[0]
  }

  /** C + A diag(weights) Aᵀ, with A rows × columns. */
  weightedGram(a: Vector, weights: Float64Array, c: Float64Array): Float64Array {
    const rows = a.length / weights.length
    const kernel = (c: Vector, w: Vector) => this.backend.weightedGram(rows, weights.length, a, w, c)
    return this.#run([c], [weights], kernel)[0]
  }

  /** A Aᵀ, with A rows × columns. */
  gram(a: Float64Array, rows: number): Float64Array {
    const kernel = (c: Vector, a: Vector) => this.backend.syrk(rows, a.length / rows, 1, a, 0, c)
    return this.#run([new Float64Array(rows * rows)], [a], kernel)[0]
  }

  /** (scale · G + E + A diag(weights) Aᵀ)⁻¹ B; `ERR_NUMERIC` unless that is positive definite. */
  solveWith(
    g: Vector,
    scale: number,
    e: Vector,
    b: Float64Array,
    a?: Vector,
    weights = new Float64Array(),
  ): Float64Array {
    const rows = Math.sqrt(g.length)
    return this.#run([b], [weights], (b, weights) => {
      const m = this.#taken(g.length)
      m.copyFrom(g)
      m.scale(scale)
      m.axpy(1, e)
      if (a) this.backend.weightedGram(rows, weights.length, a, weights, m)
      this.backend.choleskySolve(rows, b.length / rows, m, b)
      this.#keep(m)
    })[0]
  }

  /** A⁻¹ B, with B size × sides; `ERR_NUMERIC` unless A is positive definite. */
  choleskySolve(a: Float64Array, size: number, b: Float64Array): Float64Array {
    const kernel = (b: Vector, a: Vector) => this.backend.choleskySolve(size, b.length / size, a, b)
    return this.#run([b], [a], kernel)[0]
  }

  /** A⁻¹; `ERR_NUMERIC` unless A is positive definite. */
  choleskyInverse(a: Float64Array, size: number): Float64Array {
    const kernel = (out: Vector, a: Vector) => this.backend.choleskyInverse(size, a, out)
    return this.#run([new Float64Array(size * size)], [a], kernel)[0]
  }

  /**
   * θ and the rest after coordinate descent on a penalised quadratic (see `descend` of the backend), until no coefficient
   * changes by more than the share `settled` of the largest, or for `most` sweeps.
   */
  descend(
    rows: Vector,
    gram: boolean,
    theta: Float64Array,
    rest: Float64Array,
    { strengths, power, smoothing }: PenaltyTerm,
    settled: number,
    most = sweeps,
  ): Float64Array[] {
    const [d, width] = [theta.length, rest.length]
    const kernel = (theta: Vector, rest: Vector, s: Vector) =>
      this.backend.descend(d, width, rows, gram, s, power, smoothing, theta, rest, settled, most)
    return this.#run([theta, rest], [strengths], kernel)
  }

  /** What a kernel writes, whatever was there, as it is told by one array. */
  #applied(length: number, x: Float64Array, kernel: (out: Vector, x: Vector) => void): Float64Array {
    const [out, given] = [this.#taken(length), this.#taken(x.length)]
    given.writeF64(x)
    kernel(out, given)
    this.#keep(out)
    this.#keep(given)
    return out.readF64()
  }

  /** What a kernel makes of the arrays that it changes. Its operands are kept for the next call. */
  #run(
    changed: readonly Float64Array[],
    given: readonly Float64Array[],
    kernel: (...vectors: Vector[]) => unknown,
  ): Float64Array[] {
    const vectors = [...changed, ...given].map((x) => {
      const vector = this.#taken(x.length)
      vector.writeF64(x)
      return vector
    })
    try {
      kernel(...vectors)
      return changed.map((_, k) => vectors[k].readF64())
    } finally {
      vectors.forEach(this.#keep, this)
    }
  }

  /** An operand that holds anything. */
  #taken(length: number): Vector {
    return this.#spare.get(length)?.pop() ?? new this.backend.Vector(length, 'f64')
  }

  #keep(vector: Vector): void {
    const spare = this.#spare.get(vector.length)
    if (spare) spare.push(vector)
    else this.#spare.set(vector.length, [vector])
  }
}
