/** A matrix as its rows. */
type Rows = readonly (readonly number[])[]

/**
 * The Cholesky factor of a small symmetric positive semidefinite matrix. The rows of zero pivots are not `used`, and have
 * a 1 on the diagonal.
 */
function cholesky(a: Rows): { readonly l: number[][]; readonly used: boolean[] } {
  const n = a.length
  const l = a.map((row) => [...row])
  const least = 1e-13 * Math.max(...a.map((row, i) => row[i]))
  const used = a.map(() => true)
  for (let j = 0; j < n; j++) {
    for (let k = 0; k < j; k++) l[j][j] -= l[j][k] ** 2
    used[j] = l[j][j] > least
    l[j][j] = used[j] ? Math.sqrt(l[j][j]) : 1
    for (let i = j + 1; i < n; i++) {
      for (let k = 0; k < j; k++) l[i][j] -= l[i][k] * l[j][k]
      l[i][j] = used[j] ? l[i][j] / l[j][j] : 0
    }
  }
  return { l, used }
}

/**
 * Solves A x = b for a small symmetric positive semidefinite matrix, by Cholesky with the rows of zero pivots left out
 * (their x is 0): columns that say nothing new do no harm.
 */
export function solveSymmetric(a: Rows, b: readonly number[]): number[] {
  const n = b.length
  const { l, used } = cholesky(a)
  const x = b.map((value, i) => (used[i] ? value : 0))
  for (let i = 0; i < n; i++) {
    if (!used[i]) continue
    for (let k = 0; k < i; k++) x[i] -= l[i][k] * x[k]
    x[i] /= l[i][i]
  }
  for (let i = n - 1; i >= 0; i--) {
    if (!used[i]) continue
    for (let k = i + 1; k < n; k++) x[i] -= l[k][i] * x[k]
    x[i] /= l[i][i]
  }
  return x
}

/** log det A of a small symmetric positive definite matrix. */
export const logDeterminant = (a: Rows): number =>
  2 * cholesky(a).l.reduce((sum, row, j) => sum + Math.log(row[j]), 0)
