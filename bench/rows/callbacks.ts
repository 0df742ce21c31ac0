import { optimizer } from '../../ts/hypergradient/optimizer.ts'
import { customProblem } from '../../ts/problems/custom/customProblem.ts'
import { Random } from '../harness/random.ts'
import { distance, type Row } from '../harness/row.ts'

const d = 10_000
const rate = 1e-3

/** A gradient that takes about 50 µs, the bar of the overhead: the ratio is at most 2 where the overhead is within it. */
function gradient(theta: Float64Array, v: Float64Array, out: Float64Array): void {
  for (let j = 0; j < d; j++) out[j] = Math.exp(-Math.abs(theta[j])) * (theta[j] - v[j % v.length])
}

const overhead: Row = {
  name: 'inner step of a custom problem, d = 10 000',
  rival: 'its callback and the step alone',
  bar: 2,
  unit: 'step',
  prepare({ backend, seed }) {
    const random = new Random(seed)
    const start = Float64Array.from(random.floats(d))
    const v = Float64Array.from(random.floats(10))
    const problem = customProblem({
      backend,
      inner: { size: d, gradient: (theta, v, _batch, out) => gradient(theta, v, out) },
      outer: { size: v.length, loss: () => 0, directGradient: 0 },
    })
    const point = problem.start(0, { inner: start, outer: v })
    const sgd = optimizer(backend, { kind: 'sgd', rate })
    const [batch, step] = [backend.Batch.all(1), new backend.Step(d, 'f64')]
    const run = async () => {
      await problem.oracles.innerStep(point, batch, step)
      sgd.step(point.inner, step.gradient)
    }
    const [theta, out] = [start.slice(), new Float64Array(d)]
    const theirs = () => {
      gradient(theta, v, out)
      for (let j = 0; j < d; j++) theta[j] -= rate * out[j]
    }
    const check = async () => {
      await run()
      theirs()
      return distance(point.inner.readF64(), theta)
    }
    return { ours: { run }, theirs: { run: theirs }, check, tolerance: 1e-12 }
  },
}

export const callbacks: readonly Row[] = [overhead]
