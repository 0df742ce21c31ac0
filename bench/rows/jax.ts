import { matrix } from '../../ts/backend/matrix.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { Random } from '../harness/random.ts'
import { distance, type Row } from '../harness/row.ts'
import { jaxGradient, transposed, type Way } from '../rivals/jax.ts'

const [m, n, k] = [1024, 784, 10]

/** Our WebAssembly against another library's; ours widens bytes, its features are f32. */
function gradient(way: Way): Row {
  return {
    name: `softmax gradient ${m}×${n}×${k}, WebAssembly: there ${way}`,
    rival: 'jax-js (wasm)',
    bar: 0.9,
    unit: 'gradient',
    flops: 4 * m * (n + 1) * k,
    async prepare({ wasm, seed }) {
      if (!wasm) throw new Error('the wasm backend does not load: run "npm run setup"')
      const random = new Random(seed)
      const [bytes, labels] = [random.bytes(m * n), random.whole(m, k)]
      const [theta, factors] = [random.floats((n + 1) * k, 0.05), random.floats(m).map(Math.abs)]
      const set = { features: matrix(bytes, m, n, 1 / 255), labels }
      const weighting = { fixed: factors }
      const model = softmaxRegression({ classes: k })
      const problem = reweighting({
        backend: wasm,
        model,
        train: set,
        trusted: set,
        regularization: 0,
        weighting,
      })
      const [at, none, out] = [problem.vector(theta), problem.zeros(0), problem.zeros(theta.length)]
      const all = wasm.Batch.all(m)
      const ours = { run: () => problem.oracles.innerGradient(problem.point(at, none), all, out) }
      const features = transposed(bytes, m, n).map((byte) => byte / 255)
      // Ours takes the mean.
      const shares = factors.map((factor) => factor / m)
      const theirs = await jaxGradient(way, theta, k, { features, labels, factors: shares })
      const check = async () => {
        ours.run()
        return distance(out.readF32(), await theirs.result())
      }
      return { ours, theirs, check, tolerance: 1e-3 }
    },
  }
}

export const jax: readonly Row[] = [
  gradient('differentiated'),
  gradient('differentiated by columns'),
  gradient('by hand'),
]
