import { loadBackend } from '../../ts/backend/load.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { kfacImplicit } from '../../ts/methods/kfacImplicit.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { preconditionedConjugateGradients } from '../../ts/methods/preconditionedConjugateGradients.ts'
import { soba } from '../../ts/methods/soba.ts'
import { unrolled } from '../../ts/methods/unrolled.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { solve } from '../../ts/run/solve.ts'
import { Random } from '../harness/random.ts'
import { type Turns, watchTurns } from './turns.ts'

export interface Aborts extends Turns {
  readonly aborts: number
  /** From the moment at which the abort was due to the result, in ms: half of them took no longer, and the longest. */
  readonly medianMs: number
  readonly longestMs: number
}

const methods = {
  nhgd: () => nhgd(),
  preconditionedConjugateGradients: () => preconditionedConjugateGradients(),
  kfacImplicit: () => kfacImplicit(),
  soba: () => soba(),
  unrolled: () => unrolled(),
}

/**
 * Aborts runs of several methods on 20 000 samples with 784 features and 10 classes, at random moments. `exact` is left out:
 * a single oracle of it, which nothing interrupts, takes seconds.
 */
export async function abortAtRandom(perMethod: number, seed: number): Promise<Aborts> {
  const backend = await loadBackend()
  const random = new Random(seed)
  const set = (count: number) => ({
    features: matrix(random.bytes(count * 784), count, 784, 1 / 255),
    labels: Array.from({ length: count }, (_, row) => row % 10),
  })
  const problem = reweighting({
    backend,
    model: softmaxRegression({ classes: 10 }),
    train: set(20_000),
    trusted: set(5_000),
    weighting: 'margin',
  })
  const late: number[] = []
  problem.start() // uploads the data
  const turns = watchTurns()
  for (const [name, method] of Object.entries(methods)) {
    for (let i = 0; i < perMethod; i++) {
      const controller = new AbortController()
      const { result } = solve(problem, {
        method: method(),
        outerSteps: 1e6,
        seed: i,
        signal: controller.signal,
      })
      const delay = 20 + random.whole(1, 1500)[0]
      const due = performance.now() + delay
      await new Promise((resolve) => setTimeout(resolve, delay))
      controller.abort()
      const { status } = await result
      if (status !== 'aborted') throw new Error(`${name} ended by ${status}`)
      late.push(performance.now() - due)
    }
  }
  late.sort((a, b) => a - b)
  return {
    aborts: late.length,
    medianMs: Math.round(late[late.length >> 1]),
    longestMs: Math.round(late[late.length - 1]),
    ...turns(),
  }
}
