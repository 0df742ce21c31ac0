// A process of its own per figure: what one method costs per outer step with so many inner steps, as JSON.
import { loadBackend } from '../../../ts/backend/load.ts'
import { matrix } from '../../../ts/backend/matrix.ts'
import { conjugateGradients } from '../../../ts/methods/conjugateGradients.ts'
import { nhgd } from '../../../ts/methods/nhgd.ts'
import { unrolled } from '../../../ts/methods/unrolled.ts'
import { distillation } from '../../../ts/problems/distillation.ts'
import { multilayerPerceptron, softmaxRegression } from '../../../ts/problems/model.ts'
import { solve } from '../../../ts/run/solve.ts'

const [name, kind, inner] = process.argv.slice(2)
const innerSteps = Number(inner)
const perClass = kind === 'softmax' ? 5 : 10
const batchSize = 10 * perClass
const backend = await loadBackend()
const rows = 2000
const data = Uint8Array.from({ length: 784 * rows }, (_, k) => (k * 2654435761) >>> 24)
const problem = distillation({
  backend,
  model:
    kind === 'softmax'
      ? softmaxRegression({ classes: 10 })
      : multilayerPerceptron({ classes: 10, hidden: [128] }),
  data: {
    features: matrix(data, rows, 784, 1 / 255),
    labels: Uint32Array.from({ length: rows }, (_, i) => i % 10),
  },
  perClass,
})
const loop = {
  innerSteps,
  batchSize,
  innerOptimizer: { kind: 'momentum', rate: 1e-3 },
  averaging: 0,
  cross: 'all',
} as const
const method = {
  conjugateGradients: () => conjugateGradients({ ...loop, steps: 20, curvatureSamples: batchSize }),
  nhgd: () =>
    nhgd({
      ...loop,
      refine: 20,
      refineSamples: batchSize,
      observe: { every: innerSteps, samples: batchSize },
    }),
  unrolled: () => unrolled({ innerSteps, depth: innerSteps, batchSize, rate: 1e-3 }),
}[name as 'nhgd']
let most = 0
const steps = 6
const seconds: number[] = []
let last = performance.now()
const before = process.memoryUsage.rss()
await solve(problem, {
  method: method(),
  outerSteps: steps,
  onStep() {
    most = Math.max(most, process.memoryUsage.rss())
    seconds.push((performance.now() - last) / 1000)
    last = performance.now()
  },
}).result
console.log(
  JSON.stringify({ seconds: seconds.slice(1).sort((a, b) => a - b)[(steps - 1) >> 1], bytes: most - before }),
)
