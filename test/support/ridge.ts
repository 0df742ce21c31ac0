import type { Backend } from '../../ts/backend/backend.ts'
import type { DType } from '../../ts/backend/binding.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { bilevel } from '../../ts/problems/bilevel.ts'
import { penalty } from '../../ts/problems/blocks.ts'
import type { CustomProblemOptions } from '../../ts/problems/custom/customProblem.ts'
import { linearRegression } from '../../ts/problems/model.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { denseSolve } from './dense.ts'
import { Random } from './random.ts'

type Numbers = Float64Array | Float32Array
/** Options without gaps. */
type Whole = { backend: Backend } & {
  [K in Exclude<keyof CustomProblemOptions, 'backend'>]-?: Required<CustomProblemOptions[K]>
}

/** Linear regression with a strength exp(v_j) per feature, by hand and built in. */
export class Ridge {
  readonly d = 6
  readonly n = 40
  readonly m = 20
  readonly x: Float64Array
  readonly y: Float64Array
  readonly xOuter: Float64Array
  readonly yOuter: Float64Array

  constructor(seed = 3) {
    const { d, n, m } = this
    const random = new Random(seed)
    const truth = random.normals(d)
    const targets = (x: Float64Array) =>
      Float64Array.from({ length: x.length / d }, (_, i) => dot(x, i * d, truth) + 0.5 * random.normal())
    this.x = random.normals(n * d)
    this.y = targets(this.x)
    this.xOuter = random.normals(m * d)
    this.yOuter = targets(this.xOuter)
  }

  /** The built-in problem. */
  builtIn(backend: Backend, dtype: DType = 'f64'): Problem {
    const set = (x: Float64Array, y: Float64Array) => ({ features: matrix(x, y.length, this.d), targets: y })
    return bilevel({
      backend,
      model: linearRegression({ bias: false }),
      train: set(this.x, this.y),
      validation: set(this.xOuter, this.yOuter),
      hyperparameters: { strengths: penalty({ per: 'feature', start: 1 }) },
      dtype,
    })
  }

  /** All callbacks. */
  options(backend: Backend): Whole {
    const { d, n, m, x, y, xOuter, yOuter } = this
    return {
      backend,
      dtype: 'f64',
      inner: {
        size: d,
        samples: n,
        start: new Float64Array(d),
        loss: (theta, v, batch) =>
          meanLoss(x, y, theta, batch) + theta.reduce((sum, t, j) => sum + (Math.exp(v[j]) * t * t) / 2, 0),
        gradient(theta, v, batch, out) {
          for (let j = 0; j < d; j++) out[j] = Math.exp(v[j]) * theta[j]
          addGradient(x, y, theta, batch, out)
        },
        sampleGradients(theta, v, batch, out) {
          for (const [row, i] of batch.entries()) {
            const own = out.subarray(row * d, (row + 1) * d)
            for (let j = 0; j < d; j++) own[j] = Math.exp(v[j]) * theta[j]
            addGradient(x, y, theta, Uint32Array.of(i), own)
          }
        },
        hessianProduct(_theta, v, batch, u, out) {
          for (let j = 0; j < d; j++) out[j] = Math.exp(v[j]) * u[j]
          addGradient(x, new Float64Array(n), u, batch, out)
        },
        crossProduct(theta, v, _batch, u, out) {
          for (let j = 0; j < d; j++) out[j] = Math.exp(v[j]) * theta[j] * u[j]
        },
        regularizer(v, out) {
          out.set(v.map(Math.exp))
        },
      },
      outer: {
        size: d,
        samples: m,
        start: new Float64Array(d),
        loss: (theta, _v, batch) => meanLoss(xOuter, yOuter, theta, batch),
        gradient(theta, _v, batch, out) {
          addGradient(xOuter, yOuter, theta, batch, out.fill(0))
        },
        directGradient: 0,
      },
    }
  }

  /** The hypergradient at θ*(v), by the closed form −(diag(e^v θ*)) H⁻¹ ∇_θ f. */
  exact(v: ArrayLike<number>): { inner: Float64Array; hypergradient: Float64Array } {
    const { d, n, m, x, y, xOuter, yOuter } = this
    const h = Float64Array.from({ length: d * d }, (_, k) => {
      const [i, j] = [Math.floor(k / d), k % d]
      let sum = i === j ? n * Math.exp(v[i]) : 0
      for (let row = 0; row < n; row++) sum += x[row * d + i] * x[row * d + j]
      return sum / n
    })
    const right = new Float64Array(d)
    for (let row = 0; row < n; row++) for (let j = 0; j < d; j++) right[j] += (y[row] * x[row * d + j]) / n
    const inner = denseSolve(h, right)
    const all = Uint32Array.from({ length: m }, (_, i) => i)
    const target = new Float64Array(d)
    addGradient(xOuter, yOuter, inner, all, target)
    const u = denseSolve(h, target)
    return { inner, hypergradient: inner.map((t, j) => -Math.exp(v[j]) * t * u[j]) }
  }
}

function dot(x: Float64Array, at: number, theta: Numbers): number {
  let sum = 0
  for (let j = 0; j < theta.length; j++) sum += x[at + j] * theta[j]
  return sum
}

function meanLoss(x: Float64Array, y: Float64Array, theta: Numbers, batch: Uint32Array): number {
  let sum = 0
  for (const i of batch) sum += (dot(x, i * theta.length, theta) - y[i]) ** 2 / 2
  return sum / batch.length
}

/** out ← out + the mean of (x_i·θ − y_i) x_i. */
function addGradient(
  x: Float64Array,
  y: Float64Array,
  theta: Numbers,
  batch: Uint32Array,
  out: Numbers,
): void {
  const d = theta.length
  for (const i of batch) {
    const error = (dot(x, i * d, theta) - y[i]) / batch.length
    for (let j = 0; j < d; j++) out[j] += error * x[i * d + j]
  }
}
