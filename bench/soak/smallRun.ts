import type { Backend } from '../../ts/backend/backend.ts'
import { crc32 } from '../../ts/backend/crc32.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import type { SolveOptions } from '../../ts/run/options.ts'
import type { SolveResult } from '../../ts/run/solve.ts'
import { Random } from '../harness/random.ts'

/** A reweighting with margins and some kilobytes of state. */
export function smallProblem(backend: Backend, columns = 20): Problem {
  const random = new Random(7)
  const set = (count: number) => ({
    features: matrix(random.doubles(count * columns), count, columns),
    labels: Array.from({ length: count }, (_, row) => row % 3),
  })
  return reweighting({
    backend,
    model: softmaxRegression({ classes: 3 }),
    train: set(120),
    trusted: set(30),
    weighting: 'margin',
    dtype: 'f64',
  })
}

/** Its Fisher has a thread of its own where it is `concurrent`. */
export function runOptions(outerSteps: number, seed = 5, concurrent = true): SolveOptions {
  const observed = { innerSteps: 8, batchSize: 32, observe: { every: 1 }, refineSamples: 32 }
  return { method: nhgd({ ...observed, concurrent }), outerSteps, seed }
}

/** What tells a result from others: its bits. */
export function bitsOf({ inner, outer, outerLoss }: SolveResult): number {
  const bytes = (x: Float32Array | Float64Array) => new Uint8Array(x.buffer, x.byteOffset, x.byteLength)
  return crc32(bytes(Float64Array.of(outerLoss)), crc32(bytes(outer), crc32(bytes(inner))))
}
