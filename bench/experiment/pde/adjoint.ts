import {
  type Domain,
  diffusionData,
  diffusionSource,
  heatBasis,
  heatPrecision,
  heatProfile,
  heatTarget,
  inDomain,
  sourceBasis,
} from '../../../ts/problems/pdeConstrained.ts'
import { BandCholesky } from './banded.ts'

type Numbers = ArrayLike<number>

const dot = (x: Numbers, y: Numbers) => {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i]
  return sum
}

/** A linear equation on a grid: states are S v, and Φ = ½ weight ‖Sv − target‖² + ½ precision ‖v‖². */
interface Discrete {
  readonly controls: number
  readonly weight: number
  readonly precision: number
  readonly target: Numbers
  /** S v. */
  state(v: Numbers): Float64Array
  /** Sᵀ λ, by the adjoint equation. */
  adjoint(lambda: Numbers): Float64Array
}

/** The minimum of Φ by conjugate gradients on its Hessian, each of whose products takes a state and an adjoint. */
function minimum({ controls, weight, precision, target, state, adjoint }: Discrete): Float64Array {
  const product = (v: Numbers) => adjoint(state(v)).map((x, j) => weight * x + precision * v[j])
  const v = new Float64Array(controls)
  let r = adjoint(target).map((x) => weight * x)
  let p = r.slice()
  const enough = 1e-12 * dot(r, r)
  for (let step = 0; step < 10 * controls && dot(r, r) > enough * 1e-8; step++) {
    const q = product(p)
    const size = dot(r, r) / dot(p, q)
    const next = r.map((x, j) => x - size * q[j])
    p.forEach((x, j) => {
      v[j] += size * x
    })
    const share = dot(next, next) / dot(r, r)
    p = p.map((x, j) => next[j] + share * x)
    r = next
  }
  return v
}

/** The source control of −Δy = Σ v_j φ_j by five-point differences of spacing 1/`n`, and its adjoint. */
export function sourceAdjoint(domain: Domain, n: number, precision: number): Float64Array {
  const [nodes, index] = [[] as [number, number][], new Int32Array((n + 1) ** 2).fill(-1)]
  for (let i = 1; i < n; i++) {
    for (let j = 1; j < n; j++) {
      if (!inDomain(domain, i / n, j / n)) continue
      index[i * (n + 1) + j] = nodes.length
      nodes.push([i, j])
    }
  }
  const near = nodes.map(([i, j], at) => {
    const below = [index[(i - 1) * (n + 1) + j], index[i * (n + 1) + j - 1]]
    return below.filter((k) => k >= 0).map((k) => at - k)
  })
  const width = Math.max(...near.flat())
  const h = 1 / n
  const laplace = new BandCholesky(nodes.length, width, (i, k) =>
    k === 0 ? 4 / h ** 2 : near[i].includes(k) ? -1 / h ** 2 : 0,
  )
  const basis = sourceBasis(domain)
  const loads = nodes.map(([i, j]) => basis(i * h, j * h))
  const controls = loads[0].length
  return minimum({
    controls,
    weight: h * h,
    precision,
    target: new Float64Array(nodes.length).fill(1),
    state: (v) => laplace.solve(loads.map((row) => dot(row, v))),
    adjoint: (lambda) => gather(loads, laplace.solve(lambda)),
  })
}

/** Σ_i x_i rows_i. */
function gather(rows: readonly Numbers[], x: Numbers): Float64Array {
  const sum = new Float64Array(rows[0].length)
  for (const [i, row] of rows.entries()) {
    for (let j = 0; j < sum.length; j++) sum[j] += x[i] * row[j]
  }
  return sum
}

/** The heat control by the scheme of Crank and Nicolson with `n` intervals of x and of t, and its adjoint. */
export function heatAdjoint(n: number): Float64Array {
  const [h, size] = [1 / n, n - 1]
  const r = (0.5 * 0.1 * h) / (h * h)
  const implicit = new BandCholesky(size, 1, (_, k) => (k === 0 ? 1 + 2 * r : -r))
  const explicit = (y: Numbers, i: number) => (1 - 2 * r) * y[i] + r * ((y[i - 1] ?? 0) + (y[i + 1] ?? 0))
  const inner = Array.from({ length: size }, (_, i) => (i + 1) * h)
  const profile = inner.map(heatProfile)
  const times = Array.from({ length: n }, (_, k) => heatBasis((k + 0.5) * h))
  const target = Array.from({ length: n }, (_, k) => inner.map((x) => heatTarget((k + 1) * h, x))).flat()
  return minimum({
    controls: 6,
    weight: h * h,
    precision: heatPrecision,
    target,
    state(v) {
      const states = new Float64Array(n * size)
      let y: Numbers = new Float64Array(size)
      for (const [k, phi] of times.entries()) {
        const heat = h * dot(phi, v)
        const last = y
        y = implicit.solve(profile.map((b, i) => explicit(last, i) + heat * b))
        states.set(y, k * size)
      }
      return states
    },
    adjoint(lambda) {
      const gradient = new Float64Array(6)
      let p: Numbers = new Float64Array(size)
      for (let k = n - 1; k >= 0; k--) {
        const last = p
        p = implicit.solve(profile.map((_, i) => explicit(last, i) + lambda[k * size + i]))
        const share = h * dot(profile, p)
        for (let j = 0; j < 6; j++) gradient[j] += share * times[k][j]
      }
      return gradient
    },
  })
}

/** The coefficients by differences of spacing 1/`n`, a multiple of 40, and Gauss–Newton steps. */
export function diffusionAdjoint(n: number, noise: number): Float64Array {
  const h = 1 / n
  const nodes = Array.from({ length: n - 1 }, (_, i) => (i + 1) * h)
  const source = nodes.map(diffusionSource)
  const phi = Array.from({ length: n }, (_, i) => [1, 2, 3].map((k) => Math.sin(k * Math.PI * (i + 0.5) * h)))
  const sensors = Array.from({ length: 20 }, (_, i) => ((2 * i + 1) * n) / 40 - 1)
  const data = sensors.map((at) => diffusionData(nodes[at], noise))
  const v = new Float64Array(3)
  for (let step = 0; step < 30; step++) {
    const kappa = phi.map((row) => 1 + dot(row, v))
    const operator = new BandCholesky(n - 1, 1, (i, k) =>
      k === 0 ? (kappa[i] + kappa[i + 1]) / h ** 2 : -kappa[i] / h ** 2,
    )
    const y = operator.solve(source)
    const flux = Array.from({ length: n }, (_, i) => ((y[i] ?? 0) - (y[i - 1] ?? 0)) / h)
    const moved = [0, 1, 2].map((j) =>
      operator.solve(nodes.map((_, i) => (phi[i + 1][j] * flux[i + 1] - phi[i][j] * flux[i]) / h)),
    )
    const residuals = sensors.map((at, i) => y[at] - data[i])
    const jacobian = moved.map((column) => sensors.map((at) => column[at]))
    const normal = new BandCholesky(3, 2, (i, k) => dot(jacobian[i], jacobian[i - k]))
    const change = normal.solve(jacobian.map((column) => dot(column, residuals)))
    change.forEach((x, j) => {
      v[j] -= x
    })
    if (Math.hypot(...change) < 1e-12) break
  }
  return v
}
