import type { Backend } from '../../backend/backend.ts'
import type { FoldRows } from '../../problems/crossValidation.ts'
import { layersOf } from '../../problems/model.ts'
import { Classifier } from '../classifier.ts'
import { mostLikely } from '../metrics.ts'
import { forStandardization, predictions } from '../predictions.ts'
import type { Evaluated } from './objective.ts'
import type { CheckedOptions, Coefficient, Score } from './options.ts'
import type { Prepared, Units } from './prepare.ts'
import { Regressor } from './regressor.ts'

/** A loss as users read it. */
export function inUnits({ targets, outputs, targetUnits }: Prepared, loss: number): number {
  if (!targets) return loss
  return outputs === 1 ? 2 * loss * targetUnits.deviations[0] ** 2 : (2 * loss) / outputs
}

/** Losses at θ of folds: one per fold, or of a single hold-out one per sample. */
export function lossesOf(
  backend: Backend,
  { features, outputs, model, targets, labels }: Prepared,
  folds: readonly FoldRows[],
  { losses, thetas }: Pick<Evaluated, 'losses' | 'thetas'>,
): readonly number[] {
  if (folds.length > 1) return losses
  const rows = Uint32Array.from(folds[0].validation)
  const predicted = predictions(backend, model, thetas[0], features, rows)
  const width = predicted.length / rows.length
  return Array.from(rows, (i, at) => {
    if (labels) return -Math.log(Math.max(predicted[at * width + labels[i]], Number.MIN_VALUE))
    let sum = 0
    for (let c = 0; c < outputs; c++)
      sum += (predicted[at * width + c] - (targets as Float64Array)[i * outputs + c]) ** 2
    return sum / 2
  })
}

/** Their mean in the user's units, and the standard error of that. */
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
    const network = { backend, model: data.model }
    const layers = layersOf(data.model, columns)
    const own = forStandardization(theta, layers[0][1], units)
    const inUnitsOf = () => inTargetUnits(own, layers[layers.length - 1][0], targetUnits)
    const model = labels
      ? new Classifier(backend, outputs, columns, own, data.model)
      : new Regressor(columns, outputs, inUnitsOf(), network)
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

/** θ of a network whose last layer gives the targets in the user's units. */
function inTargetUnits(theta: Float64Array, inputs: number, { means, deviations }: Units): Float64Array {
  const outputs = means.length
  const own = theta.slice()
  const last = own.subarray(theta.length - (inputs + 1) * outputs)
  for (const [k, w] of last.entries()) {
    const isBias = k >= inputs * outputs
    last[k] = w * deviations[k % outputs] + (isBias ? means[k % outputs] : 0)
  }
  return own
}

/** Predictions by the fold that left a sample out. */
export function heldOut(
  backend: Backend,
  { features, outputs, model, targetUnits: { means, deviations }, labels }: Prepared,
  folds: readonly FoldRows[],
  thetas: readonly Float64Array[],
): Float64Array {
  const out = new Float64Array(features.rows * (labels ? 1 : outputs)).fill(Number.NaN)
  for (const [k, { validation }] of folds.entries()) {
    const rows = Uint32Array.from(validation)
    const predicted = predictions(backend, model, thetas[k], features, rows)
    for (const [at, i] of rows.entries()) {
      if (labels) out[i] = mostLikely(predicted, Math.max(2, outputs), at)
      else
        for (let c = 0; c < outputs; c++)
          out[i * outputs + c] = means[c] + deviations[c] * predicted[at * outputs + c]
    }
  }
  return out
}
