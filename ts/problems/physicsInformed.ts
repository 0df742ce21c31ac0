import { type Backend, taken } from '../backend/backend.ts'
import type { Oracles } from '../backend/binding.ts'
import { backendCheck, checkOptions, doubles, numbers, refuse } from '../backend/check.ts'
import { gaussNewton } from '../defaults.ts'
import { anyNumber } from './bilevel.ts'
import { type Prior, priorCheck } from './blocks.ts'
import {
  dimensionsOf,
  type Equation,
  equationRows,
  equationsCheck,
  type Observation,
  observationsCheck,
} from './equations.ts'
import { hiddenCheck } from './model.ts'
import { Problem } from './problem.ts'

export interface PhysicsInformedOptions {
  readonly backend: Backend
  /** Units of each hidden layer of tanh. */
  readonly hidden: readonly number[]
  /** The equations of the inner objective: those of the interior and of the boundary. */
  readonly equations: readonly Equation[]
  /** The equations of the outer objective: what y is to be. */
  readonly observations: readonly Observation[]
  /** v to start from, p numbers. */
  readonly start: ArrayLike<number>
  /** Tikhonov regularisation of v: adds ½ Σ precision_j (v_j − mean_j)² to f; none by default. */
  readonly prior?: Prior
  /** Factor of ‖θ‖², 1e-9 by default. */
  readonly regularization?: number
}

const checks = {
  backend: backendCheck,
  hidden: hiddenCheck,
  equations: equationsCheck,
  observations: observationsCheck,
  start: numbers,
  prior: priorCheck,
  regularization: anyNumber,
}

/**
 * The problem of a differential equation with controls or unknown coefficients v, whose solution is a network y of tanh
 * units (physics-informed network: Raissi, Perdikaris & Karniadakis 2019; bilevel: Hao et al., ICLR 2023). g is the mean
 * of ½ weight · residual² over all points of the equations plus regularization ‖θ‖², and f the same over the points of
 * the observations plus the prior. θ is the network's layers, each (inputs + 1) × outputs, row-major, the bias last.
 *
 * Functions of a point are called once per point. The inner problem is one of least squares: take the options
 * `leastSquares` for methods.
 *
 * @throws NhgdError `ERR_SHAPE` for points of different dimensions and for another count of loads, terms or
 * coefficients; `ERR_RANGE` for options and negative weights; `ERR_NOT_FINITE` for what is not finite. What the engine
 * checks is refused when the problem is first used.
 */
export function physicsInformed(options: PhysicsInformedOptions): Problem {
  const {
    backend,
    hidden,
    equations,
    observations,
    regularization = 1e-9,
    ...rest
  } = checkOptions(options, checks, ['backend', 'hidden', 'equations', 'observations', 'start'])
  const start = doubles('start', rest.start).slice()
  const dimensions = dimensionsOf(equations)
  const variable = equations.some(({ terms }) => terms)
  const inner = equationRows('equations', equations, dimensions, start.length, variable)
  const outer = equationRows('observations', observations, dimensions, 0, false)
  const zeros = new Float64Array(start.length)
  const mean = doubles('prior mean', rest.prior?.mean ?? zeros).slice()
  const precision = doubles('prior precision', rest.prior?.precision ?? zeros).slice()
  if (mean.length !== start.length) {
    refuse('prior mean', `${start.length} numbers`, mean.length, 'ERR_SHAPE')
  }
  const units = Uint32Array.from(hidden)
  const build = (): Oracles => {
    const oracles = backend.Problem.physics(
      units,
      dimensions,
      variable,
      regularization,
      mean,
      precision,
      inner,
      outer,
      backend.info().threads,
    )
    return Object.assign(oracles, { usualFisher: gaussNewton(oracles.samples, oracles.innerLength) })
  }
  const bytes = 8 * (inner.length + outer.length)
  const begin = (oracles: Oracles, seed: number) => ({ inner: taken(oracles.initial(seed)), outer: start })
  const about = { hidden, regularization }
  return new Problem(backend, 'f64', bytes, build, begin, {}, about, () => [inner, outer, mean, precision])
}
