import * as defaults from '../../defaults.ts'
import { conditionalLogit, logProbabilities } from './conditionalLogit.ts'
import type { HeldOutGain } from './options.ts'

const { temperaturePrecision: precision } = defaults.cleanLabels.checked.signalModel

/** What is said of a checked row that was held out. */
export interface HeldOutRow {
  /** Log probabilities of the classes by a model that has not seen the row, and its true class. */
  readonly logs: ArrayLike<number>
  readonly label: number
  /** Log loss of the score that its suggested label is right. */
  readonly scoreLoss: number
}

/**
 * What weights and scores gain from the start to the end, by the same rows. A gain is confirmed beyond its standard error
 * (Breiman et al. 1984, 3.4.3).
 */
export function gains(before: readonly HeldOutRow[], after: readonly HeldOutRow[]) {
  const scoreLosses = (rows: readonly HeldOutRow[]) => rows.map(({ scoreLoss }) => scoreLoss)
  return {
    weights: gainOf(crossEntropies(before), crossEntropies(after)),
    scores: gainOf(scoreLosses(before), scoreLosses(after)),
  }
}

/**
 * Cross-entropies of the true classes at the temperature that suits the rows best (Guo et al. 2017): a model that is only
 * surer of the same classes gains nothing.
 */
function crossEntropies(rows: readonly HeldOutRow[]): number[] {
  const alternatives = rows[0].logs.length
  const features = Float64Array.from(rows.flatMap(({ logs }) => Array.from(logs)))
  const chosen = rows.map(({ label }) => label)
  const prior = { mean: Float64Array.of(1), precision: Float64Array.of(precision) }
  const inverse = conditionalLogit({ alternatives, columns: 1, features, chosen }, prior)
  return rows.map(
    ({ logs, label }) => -logProbabilities(Float64Array.from(logs), alternatives, 1, inverse)[label],
  )
}

function gainOf(before: readonly number[], after: readonly number[]): HeldOutGain {
  const mean = (value: (i: number) => number) =>
    before.reduce((sum, _, i) => sum + value(i), 0) / before.length
  const [startLoss, endLoss] = [before, after].map((all) => mean((i) => all[i]))
  const gained = endLoss - startLoss
  const variance = mean((i) => (after[i] - before[i] - gained) ** 2)
  const error = Math.sqrt(variance / Math.max(1, before.length - 1))
  return { startLoss, endLoss, error, confirmed: gained < -error }
}
