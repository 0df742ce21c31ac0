import { softmaxRegression } from '../../ts/problems/model.ts'
import { Random } from '../harness/random.ts'
import { distance, type Row } from '../harness/row.ts'
import { pictures, weighing } from './data.ts'

const product: Row = {
  name: 'cross product, all 50 000 samples from u8',
  rival: 'gather + OpenBLAS sgemm, same threads',
  bar: null,
  unit: 'product',
  clock: 'wall',
  flops: 4 * 50_000 * 785 * 10,
  prepare({ backend, openblas, seed }) {
    const data = pictures(seed)
    const problem = weighing(backend, data, softmaxRegression({ classes: 10 }))
    const { oracles } = problem
    const { outer } = problem.start()
    const random = new Random(seed)
    const [theta, u] = [random.floats(7850, 0.05), random.floats(7850)]
    const [inner, direction, out] = [problem.vector(theta), problem.vector(u), problem.zeros(data.samples)]
    const all = backend.Batch.all(data.samples)
    const ours = { run: () => oracles.crossProduct(problem.point(inner, outer), all, direction, 1, out) }
    if (!openblas) return { ours, theirs: null, check: () => 0, tolerance: 0 }

    openblas.setThreads(1) // the rival's own threads share the samples
    const rival = new openblas.SoftmaxRival(784, 10, 1024, backend.info().threads)
    const q = new Float32Array(data.samples)
    const factor = 0.25 / data.samples // σ′(0) / n
    const theirs = { run: () => rival.sensitivities(data.features, data.labels, factor, theta, u, q) }
    const check = () => {
      out.fill(0)
      ours.run()
      theirs.run()
      return distance(out.readF32(), q)
    }
    return { ours, theirs, check, tolerance: 1e-3 }
  },
}

export const cross: readonly Row[] = [product]
