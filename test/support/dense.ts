/** Solves Ax = b for a small symmetric positive definite matrix, by Gaussian elimination in f64. */
export function denseSolve(matrix: ArrayLike<number>, b: ArrayLike<number>): Float64Array {
  const d = b.length
  const a = Float64Array.from(matrix)
  const x = Float64Array.from(b)
  for (let k = 0; k < d; k++) {
    for (let i = k + 1; i < d; i++) {
      const factor = a[i * d + k] / a[k * d + k]
      for (let j = k; j < d; j++) a[i * d + j] -= factor * a[k * d + j]
      x[i] -= factor * x[k]
    }
  }
  for (let k = d - 1; k >= 0; k--) {
    for (let j = k + 1; j < d; j++) x[k] -= a[k * d + j] * x[j]
    x[k] /= a[k * d + k]
  }
  return x
}

/** A x for a row-major matrix. */
export function multiply(matrix: ArrayLike<number>, x: ArrayLike<number>): Float64Array {
  const rows = matrix.length / x.length
  return Float64Array.from({ length: rows }, (_, i) => {
    let sum = 0
    for (let j = 0; j < x.length; j++) sum += matrix[i * x.length + j] * x[j]
    return sum
  })
}

/** Aᵀx. */
export function multiplyTransposed(matrix: ArrayLike<number>, x: ArrayLike<number>): Float64Array {
  const columns = matrix.length / x.length
  return Float64Array.from({ length: columns }, (_, j) => {
    let sum = 0
    for (let i = 0; i < x.length; i++) sum += matrix[i * columns + j] * x[i]
    return sum
  })
}

export function identity(d: number): Float64Array {
  return Float64Array.from({ length: d * d }, (_, i) => (i % (d + 1) === 0 ? 1 : 0))
}
