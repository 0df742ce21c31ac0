import type { Backend } from '../backend/backend.ts'
import { backendCheck, type Check, checkOptions, number, oneOf, size } from '../backend/check.ts'
import type { Equation, Observation } from './equations.ts'
import { hiddenCheck } from './model.ts'
import { physicsInformed } from './physicsInformed.ts'
import type { Problem } from './problem.ts'

/** Options of the named problems. */
export interface PdeConstrainedOptions {
  readonly backend: Backend
  /** Units of each hidden layer of tanh: one layer of 20 for one coordinate, two of 24 for two by default. */
  readonly hidden?: readonly number[]
  /** Points of the interior along each coordinate: 32 for one coordinate, 16 for two by default. */
  readonly points?: number
}

/** Domains of two coordinates: (0, 1)², with or without the quarter where both coordinates are at least ½. */
export type Domain = 'square' | 'lShape'

export interface SourceControlOptions extends PdeConstrainedOptions {
  /** `square` by default. */
  readonly domain?: Domain
}

const named = { backend: backendCheck, hidden: hiddenCheck, points: size(2) }
const line = { hidden: [20], points: 32 }
const plane = { hidden: [24, 24], points: 16 }
/** Weight of boundary values against residuals of the interior, in two dimensions. */
const boundaryWeight = 100

/** Options with their defaults. */
function withDefaults<O extends PdeConstrainedOptions>(
  options: O,
  usual: Pick<Required<PdeConstrainedOptions>, 'hidden' | 'points'>,
  checks: Readonly<Record<string, Check>> = {},
) {
  return { ...usual, ...checkOptions<object>(options, { ...named, ...checks }, ['backend'] as never) } as O &
    typeof usual
}

/** The middles of `n` intervals of equal length in (0, 1). */
const middles = (n: number) => Array.from({ length: n }, (_, i) => (i + 0.5) / n)

const row = (x: number) => [x]
const pairs = (xs: readonly number[], ys: readonly number[]) => xs.flatMap((x) => ys.map((y) => [x, y]))

const finite = number()

/** e^(−(x − middle)² / 2 width²). */
const bump = (x: number, middle: number, width: number) => Math.exp(-0.5 * ((x - middle) / width) ** 2)

/**
 * The Poisson equation y″ = 2 on (0, 1) with the controls y(0) = v₀ and y(1) = v₁, and Φ = ∫ (y − x²)² dx =
 * (v₀² + v₁² + v₀v₁ − 2v₁ − v₀ + 1)/3. v starts at (1, 1), and (0, 1) is best (Hao et al., ICLR 2023).
 */
export function boundaryControl(options: PdeConstrainedOptions): Problem {
  const { backend, hidden, points } = withDefaults(options, line)
  const end = (at: number, loads: readonly number[]): Equation => ({
    points: [[at]],
    operator: { value: 1 },
    loads: () => loads,
    weight: points,
  })
  const target: Observation = {
    points: middles(2 * points).map(row),
    operator: { value: 1 },
    source: (x) => x * x,
    weight: 2,
  }
  return physicsInformed({
    backend,
    hidden,
    equations: [
      { points: middles(points).map(row), operator: { second: [1] }, source: 2 },
      end(0, [1, 0]),
      end(1, [0, 1]),
    ],
    observations: [target],
    start: [1, 1],
  })
}

/** Whether a point of (0, 1)² is in the domain. */
export const inDomain = (domain: Domain, x: number, y: number): boolean =>
  domain === 'square' || x < 0.5 || y < 0.5

/** The 16 functions that a source is made of: bumps on a grid in the domain. */
export function sourceBasis(domain: Domain): (x: number, y: number) => Float64Array {
  const n = domain === 'square' ? 5 : 6
  const inside = Array.from({ length: n - 1 }, (_, i) => (i + 1) / n)
  const middles = pairs(inside, inside).filter(([x, y]) => inDomain(domain, x, y))
  return (x, y) => Float64Array.from(middles, ([a, b]) => bump(x, a, 0.75 / n) * bump(y, b, 0.75 / n))
}

/** Weight of ½‖v‖² in {@link sourceControl}. */
export const sourcePrecision = 1e-5

/**
 * The Poisson equation −Δy = Σ v_j φ_j with y = 0 on the boundary and the 16 functions φ of {@link sourceBasis}, and
 * Φ = ½ ∫ (y − 1)² + ½ · 1e-5 ‖v‖², on a square or on an L-shaped domain. v starts at 1.
 */
export function sourceControl(options: SourceControlOptions): Problem {
  const domainCheck = oneOf<Domain>('square', 'lShape')
  const { backend, hidden, points, domain = 'square' } = withDefaults(options, plane, { domain: domainCheck })
  const basis = sourceBasis(domain)
  const inside = (n: number) => pairs(middles(n), middles(n)).filter(([x, y]) => inDomain(domain, x, y))
  const sides = middles(points).flatMap((t) => {
    const [far, at] = domain === 'lShape' && t > 0.5 ? [0.5, 0.5] : [1, 1]
    return [
      [t, 0],
      [0, t],
      [t, far],
      [at, t],
    ]
  })
  const controls = basis(0, 0).length
  return physicsInformed({
    backend,
    hidden,
    equations: [
      { points: inside(points), operator: { second: [-1, -1] }, loads: basis },
      { points: sides, operator: { value: 1 }, weight: boundaryWeight },
    ],
    observations: [
      {
        points: inside(24),
        operator: { value: 1 },
        source: 1,
        weight: domain === 'square' ? 1 : 0.75, // so that the mean is the integral
      },
    ],
    start: new Float64Array(controls).fill(1),
    prior: {
      mean: new Float64Array(controls),
      precision: new Float64Array(controls).fill(sourcePrecision),
    },
  })
}

/** The coefficients v of {@link coefficientIdentification} that the data were made with. */
export const trueCoefficients = [0.5, -0.3, 0.2] as const

/** sin kπx and its derivative, for k from 1 to 3. */
const sines = (x: number) =>
  [1, 2, 3].map((k) => [Math.sin(k * Math.PI * x), k * Math.PI * Math.cos(k * Math.PI * x)] as const)

/**
 * The diffusion equation −(κ y′)′ = s on (0, 1) with y = 0 at the ends and κ = 1 + Σ v_k sin kπx for k from 1 to 3. s is
 * that of y = sin πx + ½ sin 2πx and v = {@link trueCoefficients}; Φ is the mean of 50 (y − data)² at 20 points, where
 * `noise` times a fixed sequence of numbers around ±1 is added to the data. v starts at 0.
 */
export function coefficientIdentification(
  options: PdeConstrainedOptions & { readonly noise?: number },
): Problem {
  const { backend, hidden, points, noise = 0 } = withDefaults(options, line, { noise: number(0) })
  return physicsInformed({
    backend,
    hidden,
    equations: [
      {
        points: middles(points).map(row),
        operator: { second: [-1] },
        terms: (x) => sines(x).map(([phi, slope]) => ({ first: [-slope], second: [-phi] })),
        source: diffusionSource,
      },
      { points: [[0], [1]], operator: { value: 1 }, weight: 10 * points },
    ],
    observations: [
      {
        points: middles(20).map(row),
        operator: { value: 1 },
        source: (x) => diffusionData(x, noise),
        weight: 100,
      },
    ],
    start: [0, 0, 0],
  })
}

/** s of {@link coefficientIdentification}. */
export function diffusionSource(x: number): number {
  const [[s1, c1], [s2, c2]] = sines(x)
  const [first, second] = [c1 + 0.5 * c2, -(Math.PI ** 2) * (s1 + 2 * s2)]
  const both = sines(x).map(([phi, slope], k) => [trueCoefficients[k] * phi, trueCoefficients[k] * slope])
  const [kappa, bend] = [0, 1].map((i) => both.reduce((sum, of) => sum + of[i], i === 0 ? 1 : 0))
  return -kappa * second - bend * first
}

/** The data of {@link coefficientIdentification} at x. */
export function diffusionData(x: number, noise: number): number {
  const [[s1], [s2]] = sines(x)
  return s1 + 0.5 * s2 + noise * Math.SQRT2 * Math.sin(1e4 * x * x)
}

/** The 6 functions of time that the heat is made of. */
export const heatBasis = (t: number): Float64Array =>
  Float64Array.from({ length: 6 }, (_, j) => bump(finite('t', t), j / 5, 0.15))

/** Where the heat goes. */
export const heatProfile = (x: number): number => bump(finite('x', x), 0.4, 0.15)

/** Weight of ½‖v‖² in {@link heatControl}. */
export const heatPrecision = 1e-4

/** The temperature that {@link heatControl} aims at. */
export const heatTarget = (t: number, x: number): number =>
  finite('t', t) * Math.sin(Math.PI * finite('x', x))

/**
 * The heat equation ∂_t y = 0.1 ∂²_x y + heatProfile(x) Σ v_j φ_j(t) for t and x in (0, 1), with y = 0 at the start and at
 * both ends and the 6 functions φ of {@link heatBasis}, and Φ = ½ ∫∫ (y − {@link heatTarget})² + ½ · 1e-4 ‖v‖². v starts
 * at 1.
 */
export function heatControl(options: PdeConstrainedOptions): Problem {
  const { backend, hidden, points } = withDefaults(options, plane)
  const edge = middles(points)
  return physicsInformed({
    backend,
    hidden,
    equations: [
      {
        points: pairs(edge, edge),
        operator: { first: [1, 0], second: [0, -0.1] },
        loads: (t, x) => heatBasis(t).map((phi) => phi * heatProfile(x)),
      },
      {
        points: edge.flatMap((s) => [
          [0, s],
          [s, 0],
          [s, 1],
        ]),
        operator: { value: 1 },
        weight: boundaryWeight,
      },
    ],
    observations: [{ points: pairs(middles(24), middles(24)), operator: { value: 1 }, source: heatTarget }],
    start: new Float64Array(6).fill(1),
    prior: { mean: new Float64Array(6), precision: new Float64Array(6).fill(heatPrecision) },
  })
}
