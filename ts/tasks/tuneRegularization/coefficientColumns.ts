import { checkOptions, is } from '../../backend/check.ts'
import { names, type TuneRegularizationResult } from './options.ts'

export interface CoefficientColumnsOptions {
  /** What the columns of the features are called; numbers where absent. */
  readonly columns?: readonly string[]
  /** Names of the classes, where there are classes; numbers where absent. */
  readonly classes?: readonly string[]
  /** Names of the targets, where there are several; numbers where absent. */
  readonly targets?: readonly string[]
}

type Found = Pick<TuneRegularizationResult, 'coefficients' | 'leftOut'>

const found = is<Found>('a result of tuneRegularization', (value) => {
  const { coefficients, leftOut } = Object(value) as Partial<Found>
  return Array.isArray(coefficients) && Array.isArray(leftOut)
})

/**
 * Every coefficient, the largest standardized one first, as columns of equal length: `feature`, `coefficient` in the
 * user's units, `standardized`, `left_out`, and `class` where there are `classes`, or `output` where there are several.
 * `writeCsv` and apache-arrow's `tableFromArrays` take them.
 */
export function coefficientColumns(
  result: Pick<TuneRegularizationResult, 'coefficients' | 'leftOut'>,
  options: CoefficientColumnsOptions = {},
) {
  const { coefficients: all, leftOut } = found('result', result)
  const checks = { columns: names, classes: names, targets: names }
  const { columns, classes, targets } = checkOptions(options, checks)
  const left = new Set(leftOut)
  const several = all.some(({ output }) => output > 0)
  return {
    feature: columns
      ? all.map(({ feature }) => columns[feature] ?? `${feature}`)
      : Uint32Array.from(all, ({ feature }) => feature),
    ...(classes && { class: all.map(({ output }) => classes[classes.length === 2 ? 1 : output]) }),
    ...(!classes &&
      several && {
        output: targets
          ? all.map(({ output }) => targets[output] ?? `${output}`)
          : Uint32Array.from(all, ({ output }) => output),
      }),
    coefficient: Float64Array.from(all, ({ value }) => value),
    standardized: Float64Array.from(all, ({ standardized }) => standardized),
    left_out: all.map(({ feature }) => left.has(feature)),
  }
}
