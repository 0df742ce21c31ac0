import { readInto } from '../../backend/backend.ts'
import type { Point } from '../../backend/binding.ts'
import * as defaults from '../../defaults.ts'
import type { Problem } from '../../problems/problem.ts'
import type { Control } from './control.ts'
import type { Directions } from './inverse.ts'

const { block } = defaults.influence

/** A problem of the training samples, and its θ. */
interface Trained {
  readonly problem: Problem
  readonly point: Point
}

/** What the training samples from `rows` on do to the test samples from `first` on. */
export interface InfluenceTile {
  readonly first: number
  /** Losses of the test samples at θ. */
  readonly losses: Float64Array
  readonly rows: number
  /** Changes of the test losses when a training sample is removed: training samples × test samples. */
  readonly changes: Float32Array | Float64Array
}

/** Test samples of a block, as many as its directions fit in memory. */
export function testsAtOnce({ dtype, oracles }: Problem): number {
  const bytes = dtype === 'f32' ? 4 : 8
  const { innerLength } = oracles
  return Math.max(1, Math.min(block.tests, Math.floor(block.directions / (innerLength * bytes))))
}

/** Blocks of test samples, as many as there is time for, and of each all training samples, as {@link sweep} gives them. */
export async function* tilesOf(
  { problem, point }: Trained,
  outer: Problem,
  directions: Directions,
  control: Control,
  from: number,
  to = Number.POSITIVE_INFINITY,
): AsyncGenerator<InfluenceTile, void> {
  const { backend, dtype, oracles } = problem
  const { innerLength: d, samples } = oracles
  const total = outer.oracles.outerSamples
  const most = testsAtOnce(problem)
  for (let first = from; first < Math.min(to, total) && !(control.over && first > from); first += most) {
    const count = Math.min(most, total - first)
    const us = new (dtype === 'f32' ? Float32Array : Float64Array)(count * d)
    const losses = new Float64Array(count)
    for (let j = 0; j < count; j++) {
      await control.pause()
      losses[j] = await directions.take(backend.Batch.of(Uint32Array.of(first + j)))
      readInto(directions.u, us.subarray(j * d, (j + 1) * d))
    }
    for await (const { rows, changes } of sweep({ problem, point }, us, control)) {
      yield { first, losses, rows, changes }
      const judged = (rows + changes.length / count) / samples
      control.tell('samples', first + Math.floor(judged * count), total)
    }
  }
}

/**
 * ∇ℓ_iᵀu/n for all training samples, in tiles, and for all directions u, which stand one after the other. The next tile
 * overwrites the changes.
 */
export async function* sweep(
  { problem, point }: Trained,
  directions: Float32Array | Float64Array,
  control: Control,
) {
  const { backend, dtype, oracles } = problem
  const { innerLength: d, samples } = oracles
  const count = directions.length / d
  const us = problem.vector(directions)
  us.scale(1 / samples)
  const size = Math.max(
    256,
    Math.min(8192, Math.floor(block.effects / (directions.BYTES_PER_ELEMENT * count))),
  )
  const all = new (dtype === 'f32' ? Float32Array : Float64Array)(Math.min(size, samples) * count)
  try {
    for (let rows = 0; rows < samples; rows += size) {
      await control.pause()
      const positions = Uint32Array.from({ length: Math.min(size, samples - rows) }, (_, i) => rows + i)
      const tile = oracles.sensitivities(point, backend.Batch.of(positions), us)
      const changes = all.subarray(0, tile.length)
      readInto(tile, changes)
      tile.dispose()
      yield { rows, changes }
    }
  } finally {
    us.dispose()
  }
}
