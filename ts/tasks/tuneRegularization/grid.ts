import * as defaults from '../../defaults.ts'
import { exponent } from '../../problems/blocks.ts'
import type { PenaltyShape } from './objective.ts'
import type { Prepared } from './prepare.ts'

const { grid } = defaults.tuneRegularization

/** Strengths at the exponent q that are worth a try, the strongest first. */
export function strengthsAt(data: Prepared, q: number): number[] {
  if (data.model.kind === 'mlp') return [...grid.network]
  const scale = data.scale * grid.size ** (1 - q)
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
