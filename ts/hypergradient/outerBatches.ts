import type { Batch } from '../backend/binding.ts'
import type { Problem } from '../problems/problem.ts'

/** Draws batches of f's samples, or stands for all of them where no size is given. */
export function outerBatches(
  { backend, oracles }: Problem,
  size: number | undefined,
  seed: number,
): () => Batch | undefined {
  if (size === undefined) return () => undefined
  const sampler = new backend.Sampler(seed, oracles.outerSamples)
  return () => sampler.take(size)
}
