import type { Model } from '../../ts/problems/model.ts'
import { multilayerPerceptron, softmaxRegression } from '../../ts/problems/model.ts'
import { Random } from '../harness/random.ts'
import { type Context, distance, type Pair, type Row, rotate } from '../harness/row.ts'
import type { GradientRival, OpenBlas } from '../rivals/openblas.ts'
import { pictures, regularization, weighing } from './data.ts'

const batch = 1024
const widths = [784, 1024, 1024, 10]

/** The gradient of a mini-batch that is gathered from bytes; weights and regulariser are included. */
function gradient(
  context: Context,
  model: Model,
  threads: number,
  rivalOf: (openblas: OpenBlas) => GradientRival,
): Pair {
  const { backend, openblas, seed } = context
  const data = pictures(seed)
  const problem = weighing(backend, data, model)
  const { oracles } = problem
  const { outer } = problem.start()
  const random = new Random(seed)
  const start = oracles.initial(1).readF32()
  const theta = random.floats(oracles.innerLength, 0.05).map((noise, i) => start[i] + noise)
  const [inner, out] = [problem.vector(theta), problem.zeros(theta.length)]
  const rows = Array.from({ length: 16 }, () => random.whole(batch, data.samples))
  const batches = rotate(rows.map((rows) => backend.Batch.of(rows)))
  const ours = { run: () => oracles.innerGradient(problem.point(inner, outer), batches(), out) }
  if (!openblas) return { ours, theirs: null, check: () => 0, tolerance: 0 }

  const rival = rivalOf(openblas)
  const result = new Float32Array(theta.length)
  const factors = new Float32Array(batch).fill(0.5 / batch)
  const next = rotate(rows)
  openblas.setThreads(threads)
  const theirs = {
    run: () => {
      rival.gradient(data.features, next(), data.labels, factors, theta, result)
      openblas.saxpy(2 * regularization, theta, result)
    },
  }
  const check = () => {
    ours.run()
    theirs.run()
    return distance(out.readF32(), result)
  }
  return { ours, theirs, check, tolerance: 1e-3 }
}

const innerStep: Row = {
  name: 'inner step 1024×784×10 from u8',
  rival: 'gather + OpenBLAS two sgemm',
  bar: 0.28,
  unit: 'step',
  flops: 4 * batch * 785 * 10,
  prepare: (context) =>
    gradient(context, softmaxRegression({ classes: 10 }), 1, ({ SoftmaxRival }) => {
      return new SoftmaxRival(784, 10, batch, 1)
    }),
}

const layers = widths.slice(1).map((outputs, l) => (widths[l] + 1) * outputs)
const network: Row = {
  name: 'MLP 784-1024-1024-10 gradient, batch 1024',
  rival: 'the same in OpenBLAS calls',
  bar: 1,
  unit: 'gradient',
  clock: 'wall',
  flops: 2 * batch * (3 * layers.reduce((sum, n) => sum + n) - layers[0]),
  prepare: (context) => {
    const model = multilayerPerceptron({ classes: 10, hidden: widths.slice(1, -1) })
    const { threads } = context.backend.info()
    return gradient(context, model, threads, ({ NetworkRival }) => {
      return new NetworkRival(Uint32Array.from(widths), batch)
    })
  },
}

export const gradients: readonly Row[] = [innerStep, network]
