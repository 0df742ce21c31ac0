import type { Vector } from '../../backend/binding.ts'
import { certain, type Theta, type Trainer, type Training } from '../trainer.ts'
import type { Prepared } from './prepare.ts'
import { concat } from './split.ts'

/**
 * Rounds of expectation and maximisation: `logitsOf` weighs the free rows by what the model thinks of them, and the
 * model is trained on with these weights and with weights of 1 on the `anchors`. Returns the last model.
 */
export async function alternate(
  trainer: Trainer,
  { free }: Prepared,
  anchors: Uint32Array,
  from: Theta,
  { rounds, steps }: { readonly rounds: number; readonly steps: number },
  training: Omit<Training, 'steps'>,
  logitsOf: (probabilities: Vector) => Float64Array,
): Promise<Theta> {
  const positions = concat(free, anchors)
  const logits = new Float64Array(positions.length).fill(certain)
  let start = from
  for (let round = 0; round < rounds && !training.signal?.aborted; round++) {
    logits.set(logitsOf(trainer.predict(start, free)))
    const seed = training.seed + round
    start = await trainer.train({ ...training, seed, steps, averaging: 0.5 }, { positions, logits, start })
  }
  return start
}
