import { logDeterminant, solveSymmetric } from '../../hypergradient/small.ts'

/** Choices of one kind: each has the same number of alternatives, and each alternative has the same features. */
export interface Choices {
  readonly alternatives: number
  readonly columns: number
  /** One entry per choice, alternative and column. */
  readonly features: Float64Array
  /** The alternative that was chosen, per choice. */
  readonly chosen: ArrayLike<number>
}

/** A Gaussian prior on the coefficients. */
export interface CoefficientPrior {
  readonly mean: Float64Array
  readonly precision: Float64Array
}

const newtonSteps = 50
const tolerance = 1e-10

/**
 * Coefficients a of a conditional logit (McFadden 1974), p(c) ∝ exp(a · features of c), at the maximum of the posterior,
 * by Newton's method with halved steps. A logistic regression is the case of two alternatives, one of them all zeros.
 */
export const conditionalLogit = (choices: Choices, prior: CoefficientPrior): Float64Array =>
  maximum(choices, prior).a

/** The same under the prior that makes the choices likeliest: its evidence is Laplace's approximation (MacKay 1992). */
export function likeliestLogit(choices: Choices, priors: readonly CoefficientPrior[]): Float64Array {
  const fits = priors.map((prior) => {
    const { a, value, hessian } = maximum(choices, prior)
    const scale = prior.precision.reduce((sum, p) => sum + Math.log(p), 0)
    return { a, evidence: (scale - logDeterminant(hessian)) / 2 - value }
  })
  return fits.reduce((best, fit) => (fit.evidence > best.evidence ? fit : best)).a
}

function maximum(choices: Choices, prior: CoefficientPrior) {
  let a = Float64Array.from(prior.mean)
  let at = derivatives(choices, prior, a)
  for (let step = 0; step < newtonSteps; step++) {
    const direction = solveSymmetric(at.hessian, Array.from(at.gradient))
    const slope = at.gradient.reduce((sum, g, j) => sum + g * direction[j], 0)
    if (!(slope > tolerance)) break
    let share = 1
    let next = at
    let moved = a
    for (; share > 1e-6; share /= 2) {
      moved = Float64Array.from(a, (x, j) => x - share * direction[j])
      next = derivatives(choices, prior, moved)
      if (next.value < at.value) break
    }
    if (!(next.value < at.value)) break
    a = moved
    at = next
  }
  return { a, ...at }
}

/** The negative log posterior, its gradient and its Hessian. */
function derivatives(choices: Choices, { mean, precision }: CoefficientPrior, a: Float64Array) {
  const { alternatives, columns, features, chosen } = choices
  let value = 0
  const gradient = new Float64Array(columns)
  const hessian = Array.from(precision, (p, j) => Array.from(precision, (_, k) => (j === k ? p : 0)))
  for (let j = 0; j < columns; j++) {
    value += 0.5 * precision[j] * (a[j] - mean[j]) ** 2
    gradient[j] = precision[j] * (a[j] - mean[j])
  }
  const average = new Float64Array(columns)
  for (let i = 0; i < chosen.length; i++) {
    const own = features.subarray(i * alternatives * columns, (i + 1) * alternatives * columns)
    const p = logProbabilities(own, alternatives, columns, a).map(Math.exp)
    value -= Math.log(Math.max(p[chosen[i]], Number.MIN_VALUE))
    average.fill(0)
    for (let c = 0; c < alternatives; c++) {
      for (let j = 0; j < columns; j++) average[j] += p[c] * own[c * columns + j]
    }
    for (let j = 0; j < columns; j++) gradient[j] += average[j] - own[chosen[i] * columns + j]
    for (let c = 0; c < alternatives; c++) {
      for (let j = 0; j < columns; j++) {
        const left = p[c] * (own[c * columns + j] - average[j])
        if (left === 0) continue
        for (let k = 0; k <= j; k++) hessian[j][k] += left * (own[c * columns + k] - average[k])
      }
    }
  }
  for (let j = 0; j < columns; j++) for (let k = 0; k < j; k++) hessian[k][j] = hessian[j][k]
  return { value, gradient, hessian }
}

/** log p of the alternatives of one choice. */
export function logProbabilities(
  features: Float64Array,
  alternatives: number,
  columns: number,
  a: Float64Array,
): Float64Array {
  const scores = new Float64Array(alternatives)
  for (let c = 0; c < alternatives; c++) {
    for (let j = 0; j < columns; j++) scores[c] += a[j] * features[c * columns + j]
  }
  const most = Math.max(...scores)
  const total = most + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - most), 0))
  return scores.map((score) => score - total)
}
