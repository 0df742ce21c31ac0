/** Cholesky factorisation A = LLᵀ of a symmetric positive definite band matrix of n rows. */
export class BandCholesky {
  readonly #n: number
  readonly #width: number
  readonly #rows: Float64Array

  /** `entry(i, k)` is A_(i, i−k), for k up to `width`. */
  constructor(n: number, width: number, entry: (i: number, k: number) => number) {
    const rows = new Float64Array(n * (width + 1))
    for (let i = 0; i < n; i++) {
      for (let j = Math.max(0, i - width); j <= i; j++) {
        let sum = entry(i, i - j)
        const first = Math.max(0, i - width, j - width)
        const [a, b] = [i * (width + 1) - i + width, j * (width + 1) - j + width]
        for (let k = first; k < j; k++) sum -= rows[a + k] * rows[b + k]
        rows[a + j] = i === j ? Math.sqrt(sum) : sum / rows[b + j]
      }
    }
    this.#n = n
    this.#width = width
    this.#rows = rows
  }

  /** A⁻¹ b. */
  solve(b: ArrayLike<number>): Float64Array {
    const [n, width, rows] = [this.#n, this.#width, this.#rows]
    const x = Float64Array.from(b)
    for (let i = 0; i < n; i++) {
      const at = i * (width + 1) - i + width
      for (let k = Math.max(0, i - width); k < i; k++) x[i] -= rows[at + k] * x[k]
      x[i] /= rows[at + i]
    }
    for (let i = n - 1; i >= 0; i--) {
      const at = i * (width + 1) - i + width
      x[i] /= rows[at + i]
      for (let k = Math.max(0, i - width); k < i; k++) x[k] -= rows[at + k] * x[i]
    }
    return x
  }
}
