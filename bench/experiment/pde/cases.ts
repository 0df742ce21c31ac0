import type { Backend } from '../../../ts/backend/backend.ts'
import {
  boundaryControl,
  coefficientIdentification,
  type Domain,
  heatBasis,
  heatControl,
  inDomain,
  sourceBasis,
  sourceControl,
  sourcePrecision,
  trueCoefficients,
} from '../../../ts/problems/pdeConstrained.ts'
import type { Problem } from '../../../ts/problems/problem.ts'
import { diffusionAdjoint, heatAdjoint, sourceAdjoint } from './adjoint.ts'

/** A problem with the control that a grid, or a formula, says is best. */
export interface Case {
  readonly name: string
  readonly problem: (backend: Backend) => Problem
  /** The best control; `fine` doubles the grid, which tells the error of the grid itself. */
  readonly adjoint: (fine: boolean) => ArrayLike<number>
  /** The functions that controls are made of, at the points of a grid. */
  readonly basis: readonly ArrayLike<number>[]
  /** The largest change of a control in one step. */
  readonly reach: number
}

const steps = (n: number) => Array.from({ length: n }, (_, i) => (i + 0.5) / n)

const source = (domain: Domain, n: number): Case => ({
  name: `source, ${domain}`,
  problem: (backend) => sourceControl({ backend, domain }),
  adjoint: (fine) => sourceAdjoint(domain, fine ? 2 * n : n, sourcePrecision),
  basis: steps(40).flatMap((x) =>
    steps(40)
      .filter((y) => inDomain(domain, x, y))
      .map((y) => sourceBasis(domain)(x, y)),
  ),
  reach: 10,
})

/** The four problems, on grids that suit a quick run or a careful one. */
export const cases = (quick: boolean): Case[] => [
  {
    name: 'boundary',
    problem: (backend) => boundaryControl({ backend }),
    adjoint: () => [0, 1],
    basis: [
      [1, 0],
      [0, 1],
    ],
    reach: 1,
  },
  source('square', quick ? 24 : 48),
  source('lShape', quick ? 24 : 48),
  {
    name: 'coefficient',
    problem: (backend) => coefficientIdentification({ backend }),
    adjoint: (fine) => (fine ? trueCoefficients : diffusionAdjoint(200, 0)),
    basis: steps(200).map((x) => [1, 2, 3].map((k) => Math.sin(k * Math.PI * x))),
    reach: 0.3,
  },
  {
    name: 'heat',
    problem: (backend) => heatControl({ backend }),
    adjoint: (fine) => heatAdjoint(quick ? (fine ? 100 : 50) : fine ? 200 : 100),
    basis: steps(200).map(heatBasis),
    reach: 0.5,
  },
]

/** ‖Σ_j (v_j − w_j) φ_j‖ / ‖Σ_j w_j φ_j‖ in L². */
export function controlError(basis: Case['basis'], v: ArrayLike<number>, w: ArrayLike<number>): number {
  const square = (x: ArrayLike<number>) =>
    basis.reduce((sum, row) => sum + Array.from(row).reduce((y, phi, j) => y + phi * x[j], 0) ** 2, 0)
  return Math.sqrt(square(Array.from(v, (x, j) => x - w[j])) / square(w))
}
