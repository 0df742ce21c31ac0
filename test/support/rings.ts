import { matrix } from '../../ts/backend/matrix.ts'
import { Random } from './random.ts'

/** Points on two rings around one centre, which no straight line parts; a share `noise` of the labels is the other class. */
export function rings({ samples = 600, noise = 0.2, seed = 1 } = {}) {
  const random = new Random(seed)
  const truth = Int32Array.from({ length: samples }, () => random.below(2))
  const data = new Float64Array(2 * samples)
  for (let i = 0; i < samples; i++) {
    const [angle, radius] = [2 * Math.PI * random.uniform(), 1 + truth[i] + 0.15 * random.normal()]
    data.set([radius * Math.cos(angle), radius * Math.sin(angle)], 2 * i)
  }
  const labels = truth.map((y) => (random.uniform() < noise ? 1 - y : y))
  return { features: matrix(data, samples, 2), labels, truth }
}
