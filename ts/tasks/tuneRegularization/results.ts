import type { Backend } from '../../backend/backend.ts'
import type { FoldRows } from '../../problems/crossValidation.ts'
import { Classifier } from '../classifier.ts'
import { mostLikely } from '../metrics.ts'
import type { CheckedOptions, Coefficient, Score } from './options.ts'
import type { Prepared } from './prepare.ts'
import { Regressor } from './regressor.ts'

/** A loss as users read it. */
export function inUnits({ targets, outputs, targetUnits }: Prepared, loss: number): number {
  if (!targets) return loss
  return outputs === 1 ? 2 * loss * targetUnits.deviations[0] ** 2 : (2 * loss) / outputs
}

/** Its mean over folds in the user's units, and the standard error of that. */
export function score(data: Prepared, losses: readonly number[]): Score {
  const { value, standardError } = summary(losses)
  return { value: inUnits(data, value), standardError: inUnits(data, standardError) }
}

/** The mean, and its standard error. */
export function summary(values: readonly number[]): Score {
  const value = values.reduce((sum, x) => sum + x, 0) / values.length
  const square = values.reduce((sum, x) => sum + (x - value) ** 2, 0) / (values.length - 1)
  return { value, standardError: Math.sqrt(square / values.length) }
}

/** The coefficients of all features and outputs, in the user's units and standardized. */
export function coefficientsOf(
  { features: { columns }, outputs, model, units, targetUnits }: Prepared,
  theta: Float64Array,
) {
  const all: Coefficient[] = []
  if (model.kind === 'mlp') return all
  for (let j = 0; j < columns; j++) {
    for (let c = 0; c < outputs; c++) {
      const standardized = theta[j * outputs + c]
      const value =
        units.deviations[j] > 0 ? (standardized * targetUnits.deviations[c]) / units.deviations[j] : 0
      all.push({ feature: j, output: c, value, standardized })
    }
  }
  return all
}

/** The model in the user's units. */
export function modelOf({ backend }: CheckedOptions, data: Prepared, theta: Float64Array) {
  const { features, outputs, units, targetUnits, labels } = data
  const { columns } = features
  if (data.model.kind === 'mlp') {
    const model = new Classifier(backend, outputs, columns, theta, data.model).forStandardization(units)
    return { intercepts: new Float64Array(), model }
  }
  const own = new Float64Array(theta.length)
  const intercepts = Float64Array.from({ length: outputs }, (_, c) => {
    return targetUnits.means[c] + targetUnits.deviations[c] * theta[columns * outputs + c]
  })
  for (const { feature, output, value } of coefficientsOf(data, theta)) {
    own[feature * outputs + output] = value
    intercepts[output] -= value * units.means[feature]
  }
  own.set(intercepts, columns * outputs)
  if (!labels) return { intercepts, model: new Regressor(columns, outputs, own) }
  // The log-odds of class 1 are the difference of two scores.
  const classes = Math.max(2, outputs)
  const both = outputs === 1 ? Float64Array.from(Array.from(own).flatMap((w) => [-w / 2, w / 2])) : own
  return { intercepts, model: new Classifier(backend, classes, columns, both) }
}

/** Predictions by the fold that left a sample out. */
export function heldOut(
  backend: Backend,
  { features, outputs, model, targetUnits, labels }: Prepared,
  folds: readonly FoldRows[],
  thetas: readonly Float64Array[],
): Float64Array {
  const { data, rows, columns } = features
  const width = labels ? 1 : outputs
  const out = new Float64Array(rows * width).fill(Number.NaN)
  for (const [k, { validation }] of folds.entries()) {
    if (model.kind === 'mlp') {
      const classifier = new Classifier(backend, outputs, columns, thetas[k], model)
      const own = Uint32Array.from(validation)
      for (const [at, label] of classifier.predict(features, own).entries()) out[own[at]] = label
      continue
    }
    for (const i of Array.from(validation)) {
      const scores = Float64Array.from({ length: outputs }, (_, c) => {
        let z = thetas[k][columns * outputs + c]
        for (let j = 0; j < columns; j++) z += data[i * columns + j] * thetas[k][j * outputs + c]
        return targetUnits.means[c] + targetUnits.deviations[c] * z
      })
      if (!labels) out.set(scores, i * outputs)
      else out[i] = outputs === 1 ? Number(scores[0] > 0) : mostLikely(scores, outputs, 0)
    }
  }
  return out
}
