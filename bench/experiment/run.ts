// One run in a process of its own: node --import tsx bench/experiment/run.ts '<job as JSON>' prints a Run as JSON.
import { read } from '../../ts/backend/backend.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { solve } from '../../ts/solve.ts'
import { accuracy, auc, detection } from '../../ts/tasks/metrics.ts'
import { type CleaningCase, rivals, wrong } from '../../ts/tasks/rivals.ts'
import { countCalls } from './count.ts'
import { loadCase } from './data.ts'
import { grid } from './grid.ts'
import { type Job, type Look, type Run, thresholds } from './job.ts'

/** Seconds between looks. */
const interval = 0.2

async function bilevel(job: Job, known: CleaningCase) {
  const { backend, features, classes } = known
  const problem = reweighting({
    backend,
    model: softmaxRegression({ classes }),
    train: { features, rows: known.rows, labels: known.given },
    trusted: { features, rows: known.trusted, labels: known.trustedLabels },
    weighting: 'perSample',
  })
  const { oracles } = problem
  const counts = countCalls(oracles, known.trusted.length)
  const { method, outer } = grid[job.method][job.candidate]
  const curve: Look[] = []
  const watch = stopwatch()
  const {
    status,
    outer: v,
    steps,
  } = await solve(problem, {
    method: method(),
    outerOptimizer: outer,
    outerSteps: 1e9,
    seed: job.seed,
    onStep({ step, estimate, point }) {
      const { wall, cpu } = watch.read()
      const over = (job.clock === 'wall' ? wall : cpu) >= job.budget
      if (!over && step > 1 && wall - (curve.at(-1)?.wall ?? 0) < interval) return true
      watch.pause()
      const f = oracles.outerLoss(estimate.inner, point.outer)
      const all = backend.Batch.all(known.test.labels.length)
      const p = read(oracles.probabilities(estimate.inner, known.test.features, all))
      const { samples: gradients } = counts.gradients
      curve.push({ step, wall, cpu, f, accuracy: accuracy(p, classes, known.test.labels), gradients })
      watch.resume()
      return !over
    },
  }).result
  const last = curve.at(-1)
  const truth = wrong(known)
  const { f1 } = detection(
    Array.from(v, (x) => x < 0),
    truth,
  ) // weight below ½
  return {
    secondsTo: {
      f: reached(curve, job.clock, thresholds.f, (look, f) => look.f <= f),
      accuracy: reached(curve, job.clock, thresholds.accuracy, (look, a) => look.accuracy >= a),
    },
    accuracy: last?.accuracy ?? Number.NaN,
    f1,
    auc: auc(
      Array.from(v, (x) => -x),
      truth,
    ),
    outerLoss: last?.f ?? Number.NaN,
    calls: counts,
    steps,
    status: status === 'stopped' ? 'budget' : status,
    ...watch.read(),
    curve,
  }
}

async function rival(job: Job, known: CleaningCase) {
  const watch = stopwatch()
  const training = { steps: 1500, rate: 0.1, batchSize: 1024, regularization: 1e-4, seed: job.seed }
  const { accuracy, f1, auc } = await rivals[job.method as keyof typeof rivals](known, training)
  const secondsTo = { f: {}, accuracy: {} }
  const nothing = { secondsTo, outerLoss: Number.NaN, calls: null, steps: 0, status: 'done', curve: [] }
  return { ...nothing, accuracy, f1, auc, ...watch.read() }
}

/** Wall and CPU seconds that were not paused. */
function stopwatch() {
  const now = () => {
    const { user, system } = process.cpuUsage()
    return { wall: performance.now() / 1000, cpu: (user + system) / 1e6 }
  }
  let from = now()
  let paused = from
  return {
    read() {
      const { wall, cpu } = now()
      return { wall: wall - from.wall, cpu: cpu - from.cpu }
    },
    pause() {
      paused = now()
    },
    resume() {
      const { wall, cpu } = now()
      from = { wall: from.wall + wall - paused.wall, cpu: from.cpu + cpu - paused.cpu }
    },
  }
}

function reached(
  curve: readonly Look[],
  clock: Job['clock'],
  levels: readonly string[],
  there: (look: Look, level: number) => boolean,
): Record<string, number | null> {
  return Object.fromEntries(
    levels.map((level) => [level, curve.find((look) => there(look, Number(level)))?.[clock] ?? null]),
  )
}

async function main(): Promise<void> {
  const job: Job = JSON.parse(process.argv[2])
  const known = await loadCase(job.cell, job.seed, job.fashion)
  const result = await (job.method in grid ? bilevel(job, known) : rival(job, known))
  const { dataset, noise, kind, trusted } = job.cell
  const { method, candidate, seed } = job
  const peakMemory = 1024 * process.resourceUsage().maxRSS
  const run: Run = { dataset, noise, kind, trusted, method, candidate, seed, ...result, peakMemory }
  process.stdout.write(`${JSON.stringify(run)}\n`)
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
