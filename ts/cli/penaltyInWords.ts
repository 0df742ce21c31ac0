import { listed } from '../data/error.ts'
import type { TuneRegularizationResult } from '../tasks/tuneRegularization/options.ts'

/** The kind of a model in words. */
export const kindOf = (model: string | undefined, classes: readonly string[] | undefined) =>
  model === 'perceptron' ? model : classes ? (classes.length === 2 ? 'logistic' : 'softmax') : 'linear'

/** A search, and what its data are called. */
export interface Tuned {
  readonly result: TuneRegularizationResult
  /** As {@link kindOf} has it. */
  readonly kind: string
  /** Whether one ridge penalty was kept where the exponent was learned. */
  readonly keptRidge: boolean
  readonly rows: number
  readonly columns: number
  /** What is predicted; several of numbers alone. */
  readonly targets: readonly string[]
  /** The name of a feature. */
  nameOf(feature: number): string
  readonly classes?: readonly string[]
}

/** What was found, in plain words. */
export function inWords(tuned: Tuned): string[] {
  const { result, kind, keptRidge, rows, columns, targets, classes } = tuned
  const { losses, penalty, risesFrom, curvature } = result
  const { chosen, ridge, none } = losses
  const figure = ({ value, standardError }: typeof chosen) => `${short(value)} ± ${short(standardError)}`
  const ofNumbers = targets.length > 1 ? 'mean share of the variance that is left' : 'mean squared error'
  const loss = classes ? 'log loss' : ofNumbers
  return [
    `${targets.join(' and ')} from ${columns} ${columns === 1 ? 'column' : 'columns'} of ${rows} rows, by ${kind === 'perceptron' ? 'a perceptron' : `${kind} regression`}.`,
    `The ${loss} on rows that were held out is ${figure(chosen)}. With one ridge penalty it is ${figure(ridge)}, without any ${figure(none)}.`,
    `The penalty has the exponent ${short(penalty.power)}${penalty.strengths.length === 1 ? ` and the strength ${short(penalty.strengths[0])}` : ` and ${penalty.strengths.length} strengths`}.`,
    ...(keptRidge
      ? ['The held-out rows do not show that another exponent is better, so one ridge penalty was kept.']
      : []),
    ...(risesFrom !== undefined
      ? [
          `From step ${risesFrom} of the search on, the loss on further held-out rows only rose: the step before was kept.`,
        ]
      : []),
    ...(kind === 'perceptron'
      ? [
          `The hypergradient took the ${curvature === 'hessian' ? 'Hessian' : 'Gauss–Newton matrix'} for the curvature.`,
        ]
      : coefficientLines(tuned)),
  ]
}

/** The largest coefficients, and what was left out. */
function coefficientLines({ result, nameOf, classes, targets }: Tuned): string[] {
  const { coefficients: all, leftOut } = result
  const largest = all.filter(({ feature }) => !leftOut.includes(feature)).slice(0, 10)
  const width = Math.max(...largest.map(({ feature }) => nameOf(feature).length), 7)
  const outputs = classes && classes.length > 2 ? classes : targets
  return [
    '',
    `The largest coefficients (for columns of deviation 1 in brackets):`,
    ...largest.map(({ feature, output, value, standardized }) => {
      const of = outputs.length > 1 ? ` for ${outputs[output]}` : ''
      return `  ${nameOf(feature).padEnd(width)}  ${short(value)}${of} (${short(standardized)})`
    }),
    '',
    leftOut.length === 0
      ? 'No column was left out.'
      : `${leftOut.length} ${leftOut.length === 1 ? 'column was' : 'columns were'} left out: ${listed(leftOut.map(nameOf), leftOut.length, 12)}.`,
  ]
}

export const short = (value: number) => String(Number(value.toPrecision(4)))
