import type { Vector } from '../../backend/binding.ts'
import { NhgdError } from '../../backend/errors.ts'
import { conjugate } from './conjugate.ts'
import type { Kernels } from './kernels.ts'
import type { PenaltyTerm } from './penaltyTerm.ts'
import { dot, plus } from './solver.ts'

/** Relative residual of conjugate gradients, and their most steps. */
const [accuracy, steps] = [1e-6, 200]

/** Features of a dense system of their own, which is filled up to a multiple of so many. */
const filling = 32
interface Block {
  readonly light: Uint32Array
  readonly size: number
  /** size × n. */
  readonly rows: Float64Array
  readonly gram: Float64Array
}

/**
 * B, n × d, and systems with BᵀB + D. They are solved with d × d entries, or with n × n where there are fewer samples, by
 * Woodbury's identity. Features whose weights are the largest, whose coefficients are next to 0, enter by BBᵀ, which is
 * computed once.
 */
export class NormalEquations {
  readonly #kernels: Kernels
  readonly #n: number
  readonly #d: number
  /** Bᵀ, d × n. */
  readonly #columns: Float64Array
  readonly #turned: Vector
  /** B, which Woodbury's identity asks for. */
  #held: Vector | undefined
  /** BBᵀ, or BᵀB where d ≤ n. */
  readonly #gram: Vector
  /** Diagonal of BᵀB, and what is large beside the eigenvalues of BᵀB. */
  readonly #squares: Float64Array
  readonly #heavy: number
  /** So many features or fewer have a dense block of their own. */
  readonly #few: number
  /** The last block of features. */
  #made: Block | undefined
  /** In the size of BBᵀ. */
  readonly #identity: Vector | undefined

  /** `columns` is Bᵀ, d × n; `products` is BBᵀ where it is known. */
  constructor(kernels: Kernels, columns: Float64Array, n: number, products?: Float64Array) {
    const d = columns.length / n
    this.#kernels = kernels
    ;[this.#n, this.#d, this.#columns] = [n, d, columns]
    this.#turned = kernels.vector(columns)
    this.#squares = new Float64Array(d)
    for (let j = 0, k = 0; j < d; j++)
      for (let i = 0; i < n; i++, k++) this.#squares[j] += columns[k] * columns[k]
    // Half of the mean eigenvalue of BBᵀ.
    this.#few = n
    this.#heavy = this.#squares.reduce((sum, x) => sum + x, 0) / (2 * n)
    const rows = () => (d > n ? this.#rows() : this.#turned)
    const gram = () => {
      const least = Math.min(n, d)
      return kernels.weightedGram(
        rows(),
        new Float64Array(Math.max(n, d)).fill(1),
        new Float64Array(least ** 2),
      )
    }
    this.#gram = kernels.vector((d > n && products) || gram())
    if (d > n) this.#identity = kernels.vector(diagonalMatrix(new Float64Array(n).fill(1)))
  }

  #rows(): Vector {
    this.#held ??= this.#kernels.vector(transposed(this.#columns, this.#d))
    return this.#held
  }

  /** y − Bθ. */
  residual(theta: Float64Array, y: Float64Array): Float64Array {
    return plus(y, -1, this.#kernels.transposed(this.#turned, theta))
  }

  /** Bᵀ x. */
  transposed(x: Float64Array): Float64Array {
    return this.#kernels.product(this.#turned, x)
  }

  /** Coordinate descent on ½‖y − Bθ‖² + R(θ) until no coefficient changes much; changes θ and returns y − Bθ. */
  descend(
    theta: Float64Array,
    residual: Float64Array,
    penalty: PenaltyTerm,
    settled: number,
    y: Float64Array,
    most?: number,
  ): Float64Array {
    const gram = this.#d <= this.#n
    const rest = gram ? this.transposed(residual) : residual
    const rows = gram ? this.#gram : this.#turned
    const [found, left] = this.#kernels.descend(rows, gram, theta, rest, penalty, settled, most)
    theta.set(found)
    return gram ? this.residual(theta, y) : left
  }

  /**
   * A Newton step of ½‖y − Bθ‖² + R(θ) along the features that R does not dominate; changes θ and returns y − Bθ. Nothing
   * where it does not lower the objective.
   */
  newton(theta: Float64Array, residual: Float64Array, penalty: PenaltyTerm): Float64Array | undefined {
    const beyond = (j: number) => theta[j] * theta[j] > penalty.smoothing
    const light = this.#light(penalty.second(theta), beyond)
    if (!light || light.length === 0) return undefined
    const { rows, size, gram } = this.#block(light)
    const [own, strengths] = [new Float64Array(size), new Float64Array(size)]
    for (const [a, j] of light.entries()) [own[a], strengths[a]] = [theta[j], penalty.strengths[j]]
    const part = penalty.part(strengths)
    const slope = this.#kernels.gemm(rows, residual, size)
    for (const [a, pull] of part.majorizer(own).entries()) slope[a] -= pull * own[a]
    const matrix = plusDiagonal(gram, part.second(own))
    const step = this.#positive(() => this.#kernels.choleskySolve(matrix, size, slope))
    if (!step) return undefined
    const image = this.#kernels.gemm(step, rows, 1)
    const value = (theta: Float64Array, residual: Float64Array) =>
      0.5 * dot(residual, residual) + part.value(theta)
    const most = value(own, residual) * (1 + 1e-14)
    for (let t = 1; t > 0.1; t /= 2) {
      const [next, moved] = [plus(own, t, step), plus(residual, -t, image)]
      if (!(value(next, moved) <= most)) continue
      for (const [a, j] of light.entries()) theta[j] = next[a]
      return moved
    }
    return undefined
  }

  /**
   * The columns of some features, one after the other, and their products with each other. Rows of zeros, with a one on
   * the diagonal, fill up the block, so that few sizes occur and the operands of kernels serve again.
   */
  #block(light: Uint32Array): Block {
    const [n, made] = [this.#n, this.#made]
    if (made?.light.length === light.length && light.every((j, a) => j === made.light[a])) return made
    const size = filling * Math.max(1, Math.ceil(light.length / filling))
    const rows = new Float64Array(size * n)
    for (const [a, j] of light.entries()) rows.set(this.#columns.subarray(j * n, (j + 1) * n), a * n)
    const gram = this.#kernels.gram(rows, size)
    for (let a = light.length; a < size; a++) gram[a * (size + 1)] = 1
    this.#made = { light, size, rows, gram }
    return this.#made
  }

  /** What a kernel gives; nothing where its matrix is not positive definite. */
  #positive<T>(work: () => T): T | undefined {
    try {
      return work()
    } catch (error) {
      if (error instanceof NhgdError && error.code === 'ERR_NUMERIC') return undefined
      throw error
    }
  }

  /** θ of the same ridge penalty on all features, Bᵀ(BBᵀ + sI)⁻¹ y; nothing where that is the longer way. */
  ridge(strengths: Float64Array, y: Float64Array): Float64Array | undefined {
    const [strength] = strengths
    if (!this.#identity || !(strength > 0) || strengths.some((s) => s !== strength)) return undefined
    const scaled = y.map((x) => x / strength)
    return this.transposed(this.#kernels.solveWith(this.#gram, 1 / strength, this.#identity, scaled))
  }

  /** (BᵀB + D)⁻¹ r; nothing where the matrix is not positive definite. */
  async solve(d: Float64Array, r: Float64Array, enough = accuracy): Promise<Float64Array | undefined> {
    try {
      if (this.#d <= this.#n) return this.#primal(d, r)
      const light = this.#light(d)
      return light ? await this.#conjugate(d, light, r, enough) : this.#dual(d, r)
    } catch (error) {
      if (error instanceof NhgdError && error.code === 'ERR_NUMERIC') return undefined
      throw error
    }
  }

  /** The features that D does not dominate, and some more, where they are few: the others hardly matter to each other. */
  #light(diagonal: Float64Array, more?: (j: number) => boolean): Uint32Array | undefined {
    const light: number[] = []
    for (let j = 0; j < diagonal.length; j++) if (diagonal[j] < this.#heavy || more?.(j)) light.push(j)
    return light.length <= this.#few ? Uint32Array.from(light) : undefined
  }

  /** Conjugate gradients, preconditioned by the dense part of the light features and by the diagonal of the others. */
  async #conjugate(diagonal: Float64Array, light: Uint32Array, r: Float64Array, enough: number) {
    const [kernels, n] = [this.#kernels, this.#n]
    const { size, gram } = this.#block(light)
    const own = new Float64Array(size)
    for (const [a, j] of light.entries()) own[a] = diagonal[j]
    const inverse = kernels.choleskyInverse(plusDiagonal(gram, own), size)
    const share = diagonal.map((x, j) => 1 / (x + this.#squares[j]))
    const { backend } = kernels
    const [inside, x, out] = [new backend.Vector(n, 'f64'), r.slice(), r.slice()]
    const times = (u: Vector, image: Vector) => {
      backend.gemm(1, n, x.length, 1, u, this.#turned, 0, inside)
      backend.gemm(x.length, 1, n, 1, this.#turned, inside, 0, image)
      u.readIntoF64(x)
      image.readIntoF64(out)
      for (let j = 0; j < x.length; j++) out[j] += diagonal[j] * x[j]
      image.writeF64(out)
    }
    const precondition = (x: Float64Array) => {
      for (let j = 0; j < x.length; j++) out[j] = share[j] * x[j]
      for (let a = 0; a < light.length; a++) {
        let sum = 0
        for (let c = 0, k = a * size; c < light.length; c++, k++) sum += inverse[k] * x[light[c]]
        out[light[a]] = sum
      }
      return out
    }
    const system = { backend, times, precondition, accuracy: enough, steps }
    return (await conjugate(system, r)).x
  }

  #primal(diagonal: Float64Array, r: Float64Array): Float64Array {
    const e = this.#kernels.vector(diagonalMatrix(diagonal.map((x) => x + 1e-12)))
    try {
      return this.#kernels.solveWith(this.#gram, 1, e, r)
    } finally {
      e.dispose()
    }
  }

  /**
   * Woodbury on the features P with large positive D, and a dense system for the rest S, whose D may be of either sign:
   * M = I + B_P D_P⁻¹ B_Pᵀ, K = D_S + B_Sᵀ M⁻¹ B_S.
   */
  #dual(diagonal: Float64Array, r: Float64Array): Float64Array {
    const [kernels, n, d] = [this.#kernels, this.#n, this.#d]
    let largest = 0
    for (let j = 0; j < d; j++) largest = Math.max(largest, diagonal[j])
    // 1/D of all features is κ, that of the largest, and what some have beside it.
    const kappa = largest > 0 ? 1 / largest : 0
    const [inverse, beside, scaled] = [new Float64Array(d), new Float64Array(d), new Float64Array(d)]
    const dense: number[] = []
    let isPlain = true
    for (let j = 0; j < d; j++) {
      if (diagonal[j] > 1e-6 * largest) inverse[j] = 1 / diagonal[j]
      else dense.push(j)
      const more = inverse[j] - kappa
      beside[j] = Math.abs(more) > 1e-9 * kappa ? more : 0
      isPlain &&= beside[j] === 0
      scaled[j] = inverse[j] * r[j]
    }
    const own = isPlain ? undefined : this.#rows()
    const solve = (sides: Float64Array) =>
      kernels.solveWith(this.#gram, kappa, this.#identity as Vector, sides, own, own && beside)
    const right = kernels.transposed(this.#turned, scaled)
    if (dense.length === 0) {
      const back = this.transposed(solve(right))
      return scaled.map((x, j) => x - inverse[j] * back[j])
    }
    // M⁻¹ [B_S, B_P D_P⁻¹ r_P] by one factorisation.
    const s = dense.length
    const sides = new Float64Array((s + 1) * n)
    for (const [a, j] of dense.entries()) sides.set(this.#columns.subarray(j * n, (j + 1) * n), a * n)
    sides.set(right, s * n)
    const solved = solve(transposed(sides, s + 1))
    const products = kernels.gemm(sides, solved, s + 1)
    const k = new Float64Array(s * s)
    const rest = new Float64Array(s)
    for (let a = 0; a < s; a++) {
      for (let c = 0; c < s; c++) k[a * s + c] = 0.5 * (products[a * (s + 1) + c] + products[c * (s + 1) + a])
      k[a * s + a] += diagonal[dense[a]]
      rest[a] = r[dense[a]] - products[a * (s + 1) + s]
    }
    const found = kernels.choleskySolve(k, s, rest)
    const z = Float64Array.from({ length: n }, (_, i) => {
      const row = solved.subarray(i * (s + 1), i * (s + 1) + s)
      return solved[i * (s + 1) + s] + dot(found, row)
    })
    const back = this.transposed(z)
    const u = scaled.map((x, j) => x - inverse[j] * back[j])
    for (const [a, j] of dense.entries()) u[j] = found[a]
    return u
  }
}

function plusDiagonal(a: Float64Array, diagonal: Float64Array): Float64Array {
  const out = a.slice()
  for (let j = 0; j < diagonal.length; j++) out[j * (diagonal.length + 1)] += diagonal[j]
  return out
}

function diagonalMatrix(x: Float64Array): Float64Array {
  const out = new Float64Array(x.length ** 2)
  for (let j = 0; j < x.length; j++) out[j * (x.length + 1)] = x[j]
  return out
}

function transposed(x: Float64Array, rows: number): Float64Array {
  const columns = x.length / rows
  const out = new Float64Array(x.length)
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = x[i * columns + j]
  return out
}
