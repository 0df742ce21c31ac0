import { Fisher } from '../../ts/backend/fisher.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import { Random } from '../harness/random.ts'
import { distance, type Row, rotate } from '../harness/row.ts'
import { pictures, regularization, weighing } from './data.ts'

const [m, d, damping] = [256, 7850, 1e-3]

const solve: Row = {
  name: `window solve f32, m = ${m}, d = ${d}, its factor cached`,
  rival: 'OpenBLAS two sgemv',
  bar: 1.1,
  unit: 'solve, its promise included, eight under way',
  flops: 4 * m * d + 2 * m * m,
  async prepare({ backend, openblas, seed }) {
    const data = pictures(seed)
    const problem = weighing(backend, data, softmaxRegression({ classes: 10 }))
    const { oracles } = problem
    // At θ = 0 the regulariser has no gradient, and a row is the gradient itself.
    const point = problem.start()
    const form = { form: 'window', length: m, smoothing: 'average', rows: 'mean', damping } as const
    const fisher = new Fisher(backend, oracles, point, { ...form, concurrent: false })
    const sampler = new backend.Sampler(seed, data.samples)
    const step = new backend.Step(d, 'f32')
    const rows = new Float32Array(m * d)
    for (let j = 0; j < m; j++) {
      oracles.innerStepFor(point, sampler.take(64), step, fisher.handle, j)
      rows.set(step.gradient.readF32(), j * d)
      await fisher.observe(step)
    }
    const random = new Random(seed)
    const sides = Array.from({ length: 8 }, () => random.floats(d))
    const targets = sides.map((b) => problem.vector(b))
    const directions = sides.map(() => problem.zeros(d))
    // Each solve is computed when it is asked for; its promise then waits for a turn of the event loop.
    const ours = {
      units: sides.length,
      run: () => Promise.all(targets.map((target, i) => fisher.solve(target, directions[i]))),
    }
    if (!openblas) return { ours, theirs: null, check: () => 0, tolerance: 0 }

    openblas.setThreads(1)
    const [y, product] = [new Float32Array(m), new Float32Array(d)]
    const next = rotate(sides)
    const theirs = { run: () => openblas.gemvTwice(m, d, rows, next(), y, product) }
    // The rival's products put our solution to the test: (1/m) GᵀG x + D̃ x = b.
    const check = async () => {
      await ours.run()
      const solution = directions[0].readF32()
      openblas.gemvTwice(m, d, rows, solution, y, product)
      const shift = damping + 2 * regularization
      const back = product.map((entry, i) => entry / m + shift * solution[i])
      return distance(back, sides[0])
    }
    return { ours, theirs, check, tolerance: 1e-3 }
  },
}

export const window: readonly Row[] = [solve]
