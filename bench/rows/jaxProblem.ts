import { nn, numpy as np } from '@jax-js/jax'
import type { Vector } from '../../ts/backend/binding.ts'
import { jaxProblem } from '../../ts/jax/index.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import type { AnyProblem } from '../../ts/problems/problem.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { Random } from '../harness/random.ts'
import { distance, type Row } from '../harness/row.ts'
import { load } from '../rivals/jax.ts'

const [m, n, classes] = [1024, 784, 10]

type Oracle = 'inner gradient' | 'product with the Hessian' | 'product with the cross derivative'

/** What a problem of jax-js costs beside the same one that is built in, both on WebAssembly. */
function oracle(name: Oracle): Row {
  return {
    name: `softmax ${m}×${n}×${classes}, WebAssembly: ${name}`,
    rival: 'nhgd/jax',
    bar: 1,
    unit: 'call',
    async prepare({ wasm: backend, seed }) {
      if (!backend) throw new Error('the wasm backend does not load: run "npm run setup"')
      await load()
      const random = new Random(seed)
      const [data, labels] = [random.floats(m * n), random.whole(m, classes)]
      const set = { features: { data, shape: [m, n] }, labels }
      const model = softmaxRegression({ classes })
      const built = reweighting({ backend, model, train: set, trusted: set, regularization: 0 })
      const x = np.array(data).reshape([m, n])
      const y = nn.oneHot(np.array(Int32Array.from(labels)), classes)
      type Theta = { weights: np.Array; bias: np.Array }
      const losses = (x: np.Array, y: np.Array, { weights, bias }: Theta) =>
        nn.logSoftmax(np.dot(x, weights).add(bias), 1).mul(y).sum(1).neg()
      const theirs = await jaxProblem<Theta, np.Array>({
        backend,
        inner: {
          start: { weights: np.zeros([n, classes]), bias: np.zeros([classes]) },
          samples: m,
          loss: (v, theta, batch) =>
            nn
              .sigmoid(v)
              .slice(batch.ref)
              .mul(losses(x.ref.slice(batch.ref), y.ref.slice(batch), theta))
              .mean(),
        },
        outer: {
          start: new Float32Array(m),
          loss(v, theta, batch) {
            v.dispose()
            batch.dispose()
            return losses(x.ref, y.ref, theta).mean()
          },
        },
      })
      const length = (n + 1) * classes
      const [inner, outer, direction] = [random.floats(length, 0.05), random.floats(m), random.floats(length)]
      const side = (problem: AnyProblem): { out: Vector; run: () => unknown } => {
        const point = problem.point(problem.vector(inner), problem.vector(outer))
        const u = problem.vector(direction)
        const out = problem.zeros(name === 'product with the cross derivative' ? m : length)
        const all = backend.Batch.all(m)
        const { oracles } = problem
        if (name === 'inner gradient') return { out, run: () => oracles.innerGradient(point, all, out) }
        if (name === 'product with the Hessian')
          return { out, run: () => oracles.hessianProduct(point, all, u, out) }
        return { out, run: () => oracles.crossProduct(point, all, u, 1, out) }
      }
      const [ours, other] = [side(built), side(theirs)]
      const check = async () => {
        for (const { out, run } of [ours, other]) {
          out.fill(0)
          await run()
        }
        return distance(ours.out.readF32(), other.out.readF32())
      }
      return { ours, theirs: other, check, tolerance: 1e-3 }
    },
  }
}

export const jaxProblems: readonly Row[] = [
  oracle('inner gradient'),
  oracle('product with the Hessian'),
  oracle('product with the cross derivative'),
]
