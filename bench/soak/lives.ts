import type { Backend } from '../../ts/backend/backend.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { solve } from '../../ts/run/solve.ts'
import { Random } from '../harness/random.ts'

export interface Lives {
  readonly lives: number
  /** The most memory, in MB, and how much more the least of the last quarter was than that of the second. */
  readonly mostMb: number
  readonly grownMb: number
}

const random = new Random(9)
const [columns, classes] = [50, 3]
const set = (count: number) => ({
  features: matrix(random.doubles(count * columns), count, columns),
  labels: Array.from({ length: count }, (_, row) => row % classes),
})
const [train, trusted] = [set(4000), set(400)]

/**
 * A problem of 1.8 MB, a run on it with a dense inverse, and their end: the run ends, is aborted or fails. Native handles of
 * every second one are left to the collector, which WebAssembly can't tell how much they hold.
 */
async function live(backend: Backend, i: number): Promise<void> {
  const model = softmaxRegression({ classes })
  const problem = reweighting({ backend, model, train, trusted, weighting: 'margin' })
  const controller = new AbortController()
  const onStep = () => {
    if (i % 4 === 1) controller.abort()
    if (i % 4 === 2) throw new Error('of the caller’s')
  }
  const method = nhgd({ innerSteps: 4, batchSize: 64, refineSamples: 64, fisher: { form: 'dense' } })
  const run = solve(problem, { method, outerSteps: 2, seed: i, signal: controller.signal, onStep })
  await run.result.catch(() => {})
  if (i % 2 === 0 && backend.info().backend === 'native') return
  await run.dispose()
  problem.dispose()
}

/** Lives until `done` is the share 1 of all; `memory` tells how many bytes there are. */
export async function liveOn(
  backend: Backend,
  done: (lives: number) => number,
  memory: () => number,
): Promise<Lives> {
  const [most, least] = [new Float64Array(4), new Float64Array(4).fill(Number.POSITIVE_INFINITY)]
  let lives = 0
  for (let share = 0; share < 1; share = done(++lives)) {
    await live(backend, lives)
    await new Promise((resolve) => setTimeout(resolve)) // finalisers run
    const quarter = Math.floor(4 * share)
    const bytes = memory()
    most[quarter] = Math.max(most[quarter], bytes)
    least[quarter] = Math.min(least[quarter], bytes) // after a collection
  }
  const mb = (bytes: number) => Number((bytes / 1e6).toFixed(1))
  return { lives, mostMb: mb(Math.max(...most)), grownMb: mb(least[3] - least[1]) }
}
