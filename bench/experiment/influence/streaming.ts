// node --import tsx bench/experiment/influence/streaming.ts '{"samples":100000,"tests":1000,"columns":784}'
import { type Backend, upload } from '../../../ts/backend/backend.ts'
import { loadBackend } from '../../../ts/backend/load.ts'
import { matrix } from '../../../ts/backend/matrix.ts'
import { bilevel } from '../../../ts/problems/bilevel.ts'
import { softmaxRegression } from '../../../ts/problems/model.ts'
import { InfluenceModel } from '../../../ts/tasks/influence/influenceModel.ts'
import { Random } from '../../harness/random.ts'

const classes = 10
const fisher = {
  form: 'kronecker',
  statistic: 'expected',
  smoothing: 'average',
  kroneckerDamping: 'split',
  damping: 0,
} as const

export interface Sizes {
  readonly samples: number
  readonly tests: number
  readonly columns: number
}

/** Normal features as f32, and the labels that a teacher is surest of; what they take in JavaScript goes at once. */
function synthetic(backend: Backend, rows: number, columns: number, teacher: Float64Array, seed: number) {
  const data = new Random(seed).floats(rows * columns, Math.sqrt(3))
  const labels = Uint32Array.from({ length: rows }, (_, i) => {
    const score = (c: number) => {
      let sum = 0
      for (let j = 0; j < columns; j += 8) sum += data[i * columns + j] * teacher[j * classes + c]
      return sum
    }
    let best = 0
    for (let c = 1; c < classes; c++) if (score(c) > score(best)) best = c
    return best
  })
  return { features: upload(backend, matrix(data, rows, columns)), labels }
}

/** What is told of it: times are CPU times, which other work on the machine disturbs less. */
export type Streamed = Awaited<ReturnType<typeof streaming>>

/** Seconds of a pass over all training samples (a full gradient, the median of five), and of the influence of all. */
async function streaming({ samples, tests, columns }: Sizes) {
  const backend = await loadBackend()
  const model = softmaxRegression({ classes })
  const teacher = new Random(1).doubles((columns + 1) * classes)
  const [train, test] = [samples, tests].map((rows, k) => synthetic(backend, rows, columns, teacher, 2 + k))
  const theta = teacher.map((w, at) => (Math.floor(at / classes) % 8 === 0 ? 0.1 * w : 0))
  const problem = bilevel({ backend, model, train, validation: test, hyperparameters: {} })
  const point = problem.start(0, { inner: theta })
  const gradient = problem.zeros(theta.length)
  const cpu = (since?: NodeJS.CpuUsage) => process.cpuUsage(since)
  const seconds = ({ user, system }: NodeJS.CpuUsage) => (user + system) / 1e6
  const passes = Array.from({ length: 5 }, () => {
    const before = cpu()
    problem.oracles.innerGradient(point, backend.Batch.all(samples), gradient)
    return seconds(cpu(before))
  })
  const pass = passes.sort((a, b) => a - b)[2]
  const [began, before] = [performance.now(), cpu()]
  const fitted = await InfluenceModel.fit({ backend, model, train, theta, fisher, refine: 0 })
  const inverse = seconds(cpu(before))
  const { tests: found } = await fitted.influence({ test })
  const all = seconds(cpu(before))
  return {
    samples,
    tests: found.length,
    parameters: theta.length,
    pass,
    inverse,
    all,
    passes: all / pass,
    wallSeconds: (performance.now() - began) / 1000,
    mebibytes: process.resourceUsage().maxRSS / 1024,
    backend: backend.info(),
  }
}

console.log(JSON.stringify(await streaming(JSON.parse(process.argv[2]))))
