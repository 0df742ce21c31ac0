import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

/** `count` different whole numbers below `end`, which `seed` decides; `count` is at most `end`. */
export function drawDistinct(count: number, end: number, seed: number): number[] {
  const generator = xoroshiro128plus(seed % 2 ** 31)
  const drawn = new Set<number>()
  while (drawn.size < count) drawn.add(uniformInt(generator, 0, end - 1))
  return [...drawn]
}
