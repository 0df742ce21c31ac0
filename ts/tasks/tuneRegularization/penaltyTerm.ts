/** ε², as in the engine's penalty (crates/problems/src/blocks/penalty.rs): 10⁻³ in the units of θ, squared. */
const usual = 1e-6

/** R(θ) = Σ_j (s_j/q) (θ_j² + ε²)^(q/2) at one v, with a strength per parameter: 0 where a parameter is free. */
export class PenaltyTerm {
  readonly strengths: Float64Array
  readonly power: number
  readonly smoothing: number

  constructor(strengths: Float64Array, power: number, smoothing = usual) {
    this.strengths = strengths
    this.power = power
    this.smoothing = smoothing
  }

  /** The same with ε² times a factor. */
  withSmoothing(factor: number): PenaltyTerm {
    return new PenaltyTerm(this.strengths, this.power, factor * this.smoothing)
  }

  /** The same of some of the parameters. */
  part(strengths: Float64Array): PenaltyTerm {
    return new PenaltyTerm(strengths, this.power, this.smoothing)
  }

  value(theta: Float64Array): number {
    const { strengths, power } = this
    let sum = 0
    for (let j = 0; j < theta.length; j++) {
      const t = theta[j] * theta[j]
      sum += strengths[j] * (power === 2 ? t : (t + this.smoothing) ** (power / 2))
    }
    return sum / power
  }

  /** Curvatures of the quadratic that touches R at θ from above; times θ_j they are the gradient. */
  majorizer(theta: Float64Array): Float64Array {
    const { power, smoothing, strengths } = this
    return theta.map((x, j) => {
      const s = strengths[j]
      if (power === 2 || s === 0) return s
      const t = x * x + smoothing
      return power === 1 ? s / Math.sqrt(t) : s * Math.exp((power / 2 - 1) * Math.log(t))
    })
  }

  /** Second derivatives, which are negative at large θ_j where q < 1. */
  second(theta: Float64Array): Float64Array {
    const { power } = this
    return this.majorizer(theta).map((m, j) => {
      const square = theta[j] * theta[j]
      return power === 2 ? m : m * (1 + ((power - 2) * square) / (square + this.smoothing))
    })
  }
}
