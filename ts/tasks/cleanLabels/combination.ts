import * as defaults from '../../defaults.ts'
import { mostLikely } from '../metrics.ts'
import { type CandidateData, type Candidates, normalize } from './candidates.ts'
import { type CoefficientPrior, likeliestLogit } from './conditionalLogit.ts'

const {
  slopes,
  biases: biasPrecisions,
  odds: oddsPrior,
  intercept,
  classBiases,
} = defaults.cleanLabels.checked.combination

/** Coefficients of both combinations. */
interface Coefficients {
  /** Of the log-odds of the given label, then a bias per given class, then an intercept. */
  readonly right: Float64Array
  /** Of the log probabilities of a class, then of the odds above where it is the given one, then a bias per class. */
  readonly classes: Float64Array
}

/** What the candidates say together of every row. */
export interface Combined {
  /** Log-odds that the given label is right. */
  readonly right: Float64Array
  /** Log probabilities of the classes, rows × classes. */
  readonly logs: Float64Array
  /** The likeliest class. */
  readonly suggested: Uint32Array
}

/**
 * Combines candidates by logistic regressions on the checked rows (stacking, Wolpert 1992): whether the given label is
 * right, from the log-odds that each candidate gives it, and the class, from their log probabilities. Priors hold the
 * slopes near equal shares, as strongly as the evidence of the checked rows says, so that few of them do no harm.
 * `candidates` must not have learned from the checked rows that they judge.
 */
export function fitCombination(
  data: Pick<CandidateData, 'classes' | 'given' | 'known' | 'truth'>,
  wrongRows: Uint32Array,
  candidates: Candidates,
): Coefficients {
  const { classes, given, known, truth } = data
  const names = Object.keys(candidates)
  const biases = classes <= classBiases ? classes : 0
  const columns = names.length + biases + 1
  const rows = Uint32Array.from([...known, ...wrongRows])
  const features = new Float64Array(rows.length * 2 * columns)
  for (const [i, row] of rows.entries()) {
    rightFeatures(candidates, classes, given, row, features.subarray(2 * i * columns, (2 * i + 1) * columns))
  }
  const right = likeliestLogit(
    {
      alternatives: 2,
      columns,
      features,
      chosen: Array.from(rows, (row, i) => (i < known.length && given[row] === truth[i] ? 0 : 1)),
    },
    priors((slope, bias) => ({
      mean: filled([names.length, 1 / names.length], [biases + 1, 0]),
      precision: filled([names.length, slope], [biases, bias], [1, intercept]),
    })),
  )
  const odds = rightOdds(candidates, classes, given, right)
  const models = names.length
  const width = models + 1 + biases
  const own = new Float64Array(known.length * classes * width)
  for (const [i, row] of known.entries()) {
    const at = i * classes * width
    classFeatures(candidates, classes, given[row], odds[row], row, own.subarray(at, at + classes * width))
  }
  const shares = (1 - oddsPrior.mean) / models
  const stack = likeliestLogit(
    { alternatives: classes, columns: width, features: own, chosen: truth },
    priors((slope, bias) => ({
      mean: filled([models, shares], [1, oddsPrior.mean], [biases, 0]),
      precision: filled([models, slope], [1, oddsPrior.precision], [biases, bias]),
    })),
  )
  return { right, classes: stack }
}

const priors = (of: (slope: number, bias: number) => CoefficientPrior) =>
  slopes.flatMap((slope) => biasPrecisions.map((bias) => of(slope, bias)))

/** What fitted combinations say of every row. */
export function combine(
  { right, classes: stack }: Coefficients,
  candidates: Candidates,
  classes: number,
  given: Uint32Array,
): Combined {
  const odds = rightOdds(candidates, classes, given, right)
  const width = stack.length
  const own = new Float64Array(classes * width)
  const logs = new Float64Array(given.length * classes)
  for (const [row, label] of given.entries()) {
    classFeatures(candidates, classes, label, odds[row], row, own.fill(0))
    for (let c = 0; c < classes; c++) {
      for (let j = 0; j < width; j++) logs[row * classes + c] += stack[j] * own[c * width + j]
    }
  }
  normalize(logs, classes)
  return {
    right: odds,
    logs,
    suggested: Uint32Array.from(given, (_, row) => mostLikely(logs, classes, row)),
  }
}

/** Signals of rows about their suggested label: its log-odds by each candidate and together, and whether it was given. */
export function signals(
  candidates: Candidates,
  { logs, suggested }: Combined,
  classes: number,
  given: Uint32Array,
  rows: Uint32Array,
): { readonly data: Float64Array; readonly columns: number } {
  const all = [...Object.values(candidates), logs]
  const columns = all.length + 1
  const data = new Float64Array(rows.length * columns)
  for (const [i, row] of rows.entries()) {
    for (const [j, candidate] of all.entries()) {
      data[i * columns + j] = logOdds(candidate, classes, row, suggested[row])
    }
    data[i * columns + all.length] = suggested[row] === given[row] ? 1 : 0
  }
  return { data, columns }
}

const farthest = 8

/** log p − log(1 − p) of a class, within ±8. */
export function logOdds(logs: Float64Array, classes: number, row: number, label: number): number {
  const log = logs[row * classes + label]
  const odds = log - Math.log(Math.max(1e-9, -Math.expm1(log)))
  return Math.min(farthest, Math.max(-farthest, odds))
}

function rightFeatures(
  candidates: Candidates,
  classes: number,
  given: Uint32Array,
  row: number,
  out: Float64Array,
): void {
  const all = Object.values(candidates)
  for (const [j, logs] of all.entries()) out[j] = logOdds(logs, classes, row, given[row])
  if (out.length > all.length + 1) out[all.length + given[row]] = 1
  out[out.length - 1] = 1
}

function rightOdds(
  candidates: Candidates,
  classes: number,
  given: Uint32Array,
  coefficients: Float64Array,
): Float64Array {
  const features = new Float64Array(coefficients.length)
  return Float64Array.from(given, (_, row) => {
    rightFeatures(candidates, classes, given, row, features.fill(0))
    return features.reduce((sum, x, j) => sum + x * coefficients[j], 0)
  })
}

/** Features of each class: classes × width. */
function classFeatures(
  candidates: Candidates,
  classes: number,
  label: number,
  odds: number,
  row: number,
  out: Float64Array,
): void {
  const width = out.length / classes
  const all = Object.values(candidates)
  const models = all.length
  for (let c = 0; c < classes; c++) {
    const own = out.subarray(c * width, (c + 1) * width)
    for (const [j, logs] of all.entries()) own[j] = logs[row * classes + c]
    if (c === label) own[models] = odds
    if (width > models + 1) own[models + 1 + c] = 1
  }
}

function filled(...parts: readonly (readonly [count: number, value: number])[]): Float64Array {
  return Float64Array.from(parts.flatMap(([count, value]) => Array<number>(count).fill(value)))
}
