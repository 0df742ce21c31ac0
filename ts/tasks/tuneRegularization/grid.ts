import * as defaults from '../../defaults.ts'
import { exponent } from '../../problems/blocks.ts'
import type { PenaltyShape } from './objective.ts'
import type { Prepared } from './prepare.ts'

const { grid } = defaults.tuneRegularization

/** Strengths at the exponent q that are worth a try, the strongest first. */
export function strengthsAt(data: Prepared, q: number): number[] {
  const scale = scaleOf(data) * grid.size ** (1 - q)
  return (q === 2 ? grid.ridge : grid.strengths).map((share) => share * scale)
}

/** v of the same strength everywhere. */
export function sharedStrength(
  { strengths, power }: PenaltyShape,
  strength: number,
  q: number,
): Float64Array {
  const v = new Float64Array(strengths + Number(power === 'learned')).fill(Math.log(strength))
  if (power === 'learned') v[strengths] = exponent.inverse(q)
  return v
}

/** The largest mean product of a feature with the centred targets, or class indicators. */
function scaleOf({ features: { data, rows, columns }, targets, labels, outputs }: Prepared): number {
  const products = new Float64Array(columns * outputs)
  const shares = new Float64Array(outputs)
  const value = (i: number, c: number) =>
    targets ? targets[i * outputs + c] : Number((labels as Uint32Array)[i] === (outputs === 1 ? 1 : c))
  for (let i = 0; i < rows; i++) for (let c = 0; c < outputs; c++) shares[c] += value(i, c) / rows
  for (let i = 0; i < rows; i++) {
    for (let c = 0; c < outputs; c++) {
      const y = (value(i, c) - shares[c]) / rows
      for (let j = 0; j < columns; j++) products[j * outputs + c] += data[i * columns + j] * y
    }
  }
  return products.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-12)
}
