import { refuse } from '../../backend/check.ts'
import type { Matrix } from '../../backend/matrix.ts'
import { fitStandardization } from '../../data/standardize.ts'
import * as defaults from '../../defaults.ts'
import {
  linearRegression,
  logisticRegression,
  multilayerPerceptron,
  softmaxRegression,
} from '../../problems/model.ts'
import type { Data } from './folds.ts'
import type { CheckedOptions } from './options.ts'

const { network } = defaults.tuneRegularization

/** Means and deviations of columns, by which coefficients come back to the user's units. */
export interface Units {
  readonly means: Float64Array
  readonly deviations: Float64Array
}

export interface Prepared extends Data {
  /** The largest mean product of a feature with the centred targets, or class indicators. */
  readonly scale: number
  readonly units: Units
  /** Of the targets; of classes 0 and 1. */
  readonly targetUnits: Units
  /** Columns that are constant. */
  readonly constant: readonly number[]
  /** What columns are called. */
  readonly columns?: readonly string[]
}

/** Samples as the solvers take them: columns, and targets, of mean 0 and deviation 1. */
export function prepare({
  features,
  targets,
  labels,
  columns: names,
  standardize = true,
  model: kind,
  hidden,
}: CheckedOptions): Prepared {
  const { rows, columns, scale = 1 } = features
  const fitted = fitStandardization(features)
  const constant = Array.from(fitted.deviations.keys()).filter((j) => !(fitted.deviations[j] > 0))
  const plain = { means: new Float64Array(columns), deviations: new Float64Array(columns).fill(1) }
  const units = standardize ? fitted : plain
  const data = new Float64Array(rows * columns)
  for (let i = 0, k = 0; i < rows; i++) {
    for (let j = 0; j < columns; j++, k++) {
      const x = features.data[k] * scale - units.means[j]
      data[k] = units.deviations[j] > 0 ? x / units.deviations[j] : 0
    }
  }
  const shared = { features: { data, rows, columns }, units, constant, columns: names }
  const perceptron = (predicted: { classes: number } | { outputs: number }) =>
    multilayerPerceptron({
      ...predicted,
      hidden: hidden ?? network.hidden,
      activation: network.activation,
    })
  if (labels) {
    const classes = classesOf(labels, rows)
    const isLogistic = classes === 2 && kind !== 'perceptron'
    const outputs = isLogistic ? 1 : classes
    const model = isLogistic
      ? logisticRegression()
      : kind === 'perceptron'
        ? perceptron({ classes })
        : softmaxRegression({ classes })
    const one = { means: new Float64Array(outputs), deviations: new Float64Array(outputs).fill(1) }
    const own = { ...shared, outputs, model, labels: Uint32Array.from(labels) }
    return { ...own, scale: scaleOf(own), targetUnits: one }
  }
  const given = targets as Matrix
  const { columns: outputs } = given
  if (given.rows !== rows || !(outputs >= 1)) {
    refuse('targets', `${rows}, one row per sample`, given.rows, 'ERR_SHAPE')
  }
  const values = Float64Array.from(given.data)
  const at = values.findIndex((y) => !Number.isFinite(y))
  if (at >= 0) refuse('targets', 'finite numbers', `${values[at]} at index ${at}`, 'ERR_NOT_FINITE')
  const targetUnits = fitStandardization({ data: values, rows, columns: outputs })
  const flat = targetUnits.deviations.findIndex((x) => !(x > 0))
  if (flat >= 0) refuse('targets', 'numbers that differ', 'the same number for all samples')
  const standardized = values.map(
    (y, k) => (y - targetUnits.means[k % outputs]) / targetUnits.deviations[k % outputs],
  )
  const model = kind === 'perceptron' ? perceptron({ outputs }) : linearRegression({ outputs })
  const own = { ...shared, outputs, model, targets: standardized }
  return { ...own, scale: scaleOf(own), targetUnits }
}

function classesOf(labels: ArrayLike<number>, rows: number): number {
  if (labels.length !== rows) refuse('labels', `${rows}, one per row`, labels.length, 'ERR_SHAPE')
  const all = Array.from(labels)
  const wrong = all.findIndex((y) => !(Number.isInteger(y) && y >= 0 && y < 2 ** 20))
  if (wrong >= 0) refuse('labels', 'whole numbers from 0', `${all[wrong]} at index ${wrong}`)
  const classes = all.reduce((most, y) => Math.max(most, y), 0) + 1
  const absent = Array.from({ length: classes }, (_, c) => c).find((c) => !all.includes(c))
  if (classes < 2) refuse('labels', 'at least two classes', classes)
  if (absent !== undefined) refuse('labels', `every class below ${classes}`, `none of ${absent}`)
  return classes
}

function scaleOf({ features: { data, rows, columns }, targets, labels, outputs }: Data): number {
  const products = new Float64Array(columns * outputs)
  const shares = new Float64Array(outputs)
  const value = (i: number, c: number) =>
    targets ? targets[i * outputs + c] : Number((labels as Uint32Array)[i] === (outputs === 1 ? 1 : c))
  for (let i = 0; i < rows; i++) for (let c = 0; c < outputs; c++) shares[c] += value(i, c) / rows
  for (let i = 0; i < rows; i++) {
    for (let c = 0; c < outputs; c++) {
      const y = (value(i, c) - shares[c]) / rows
      for (let j = 0, k = i * columns; j < columns; j++, k++) products[j * outputs + c] += data[k] * y
    }
  }
  return products.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-12)
}
