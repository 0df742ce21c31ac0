/** Kernels as one writes them in JavaScript without thinking of caches. */

type Numbers = Float32Array | Float64Array

/** C ← A B; A m × k, B k × n. */
export function gemm(m: number, n: number, k: number, a: Numbers, b: Numbers, c: Numbers): void {
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0
      for (let p = 0; p < k; p++) sum += a[i * k + p] * b[p * n + j]
      c[i * n + j] = sum
    }
  }
}

/** A ← A after F⁺ = βF + γ ggᵀ (Sherman–Morrison); A d × d. */
export function inverseUpdate(
  d: number,
  a: Numbers,
  g: Numbers,
  product: Numbers,
  beta: number,
  gamma: number,
): void {
  let curvature = 0
  for (let i = 0; i < d; i++) {
    let sum = 0
    for (let j = 0; j < d; j++) sum += a[i * d + j] * g[j]
    product[i] = sum
    curvature += sum * g[i]
  }
  const factor = gamma / (beta + gamma * curvature)
  for (let i = 0; i < d; i++) {
    for (let j = 0; j < d; j++) a[i * d + j] = (a[i * d + j] - factor * product[i] * product[j]) / beta
  }
}

/** gradient ← factor · Σ ∇ℓ_i of a softmax regression with bias over rows of bytes; θ (columns + 1) × classes. */
export function softmaxGradient(
  features: Uint8Array,
  columns: number,
  rows: Uint32Array,
  labels: Uint32Array,
  factor: number,
  theta: Float32Array,
  gradient: Float32Array,
): void {
  const classes = theta.length / (columns + 1)
  const scores = new Float64Array(classes)
  gradient.fill(0)
  for (const row of rows) {
    const x = features.subarray(row * columns, (row + 1) * columns)
    scores.set(theta.subarray(columns * classes))
    for (let i = 0; i < columns; i++) {
      for (let c = 0; c < classes; c++) scores[c] += (x[i] / 255) * theta[i * classes + c]
    }
    const top = Math.max(...scores)
    let total = 0
    for (let c = 0; c < classes; c++) {
      scores[c] = Math.exp(scores[c] - top)
      total += scores[c]
    }
    for (let c = 0; c < classes; c++) {
      scores[c] = factor * (scores[c] / total - (c === labels[row] ? 1 : 0))
      gradient[columns * classes + c] += scores[c]
    }
    for (let i = 0; i < columns; i++) {
      for (let c = 0; c < classes; c++) gradient[i * classes + c] += (x[i] / 255) * scores[c]
    }
  }
}

/** q_i ← factor · (p_i − e_{y_i})ᵀ (U x_i) over rows of bytes: the cross product's entry of sample i; θ and u as above. */
export function sensitivities(
  features: Uint8Array,
  columns: number,
  labels: Uint32Array,
  factor: number,
  theta: Float32Array,
  u: Float32Array,
  q: Float32Array,
): void {
  const classes = theta.length / (columns + 1)
  const [scores, along] = [new Float64Array(classes), new Float64Array(classes)]
  for (let row = 0; row < q.length; row++) {
    const x = features.subarray(row * columns, (row + 1) * columns)
    scores.set(theta.subarray(columns * classes))
    along.set(u.subarray(columns * classes))
    for (let i = 0; i < columns; i++) {
      for (let c = 0; c < classes; c++) {
        scores[c] += (x[i] / 255) * theta[i * classes + c]
        along[c] += (x[i] / 255) * u[i * classes + c]
      }
    }
    const top = Math.max(...scores)
    let total = 0
    for (let c = 0; c < classes; c++) {
      scores[c] = Math.exp(scores[c] - top)
      total += scores[c]
    }
    q[row] = -factor * along[labels[row]]
    for (let c = 0; c < classes; c++) q[row] += factor * (scores[c] / total) * along[c]
  }
}
