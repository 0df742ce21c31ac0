import type { InfluenceModel } from '../../../ts/tasks/influence/influenceModel.ts'
import type { Uploaded } from './draw.ts'

/** Effects of all training samples on all test samples, samples × tests; small sets alone have room for them. */
export async function effectsOf(
  model: InfluenceModel,
  test: Uploaded,
  samples: number,
): Promise<Float32Array> {
  const tests = test.labels.length
  const all = new Float32Array(samples * tests)
  for await (const { first, losses, rows, changes } of model.tiles({ test })) {
    for (let at = 0; at < changes.length; at++) {
      const [i, j] = [rows + Math.floor(at / losses.length), first + (at % losses.length)]
      all[i * tests + j] = changes[at]
    }
  }
  return all
}
