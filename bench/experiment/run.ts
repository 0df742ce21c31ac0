// One run in a process of its own: node --import tsx bench/experiment/run.ts '<job as JSON>' prints a Run as JSON.
import { read } from '../../ts/backend/backend.ts'
import { predictor, softmaxRegression } from '../../ts/problems/model.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { solve } from '../../ts/run/solve.ts'
import { type CleaningCase, rivals, wrong } from '../../ts/tasks/cleanLabels/rivals.ts'
import { accuracy, auc, detection } from '../../ts/tasks/metrics.ts'
import { train } from '../../ts/tasks/trainer.ts'
import { countCalls } from './count.ts'
import { loadCase } from './data.ts'
import { grid } from './grid.ts'
import { type Job, type Look, type Run, thresholds } from './job.ts'

/** Seconds of the job's clock between evaluations. */
const interval = 0.1
const training = { steps: 1500, rate: 0.1, batchSize: 1024, regularization: 1e-4 }
/** Margin weights have few outer variables, for which the step sizes of the grid are not meant. */
const marginOptimizer = { kind: 'adam', rate: 0.05 } as const

async function bilevel(job: Job, known: CleaningCase) {
  const { backend, features, classes } = known
  const { weighting } = job.cell
  const problem = reweighting({
    backend,
    model: softmaxRegression({ classes }),
    train: { features, rows: known.rows, labels: known.given },
    trusted: { features, rows: known.trusted, labels: known.trustedLabels },
    weighting,
  })
  const { oracles } = problem
  const judge = predictor(backend, softmaxRegression({ classes }))
  const counts = countCalls(oracles, known.trusted.length)
  const { method, outer } = grid[job.method][job.candidate]
  const curve: Look[] = []
  const start = weighting === 'margin' ? await marginStart(job, known) : undefined
  let end = problem.start(0, start)
  const watch = stopwatch()
  const { status, steps } = await solve(problem, {
    method: method(),
    outerOptimizer: weighting === 'margin' ? marginOptimizer : outer,
    outerSteps: 1e9,
    ...start,
    seed: job.seed,
    onStep({ step, estimate, point }) {
      end = point
      const { wall, cpu } = watch.read()
      const now = job.clock === 'wall' ? wall : cpu
      const over = now >= job.budget
      if (!over && step > 1 && now - (curve.at(-1)?.[job.clock] ?? 0) < interval) return true
      watch.pause()
      const f = oracles.outerLoss(point.at(estimate.inner))
      const all = backend.Batch.all(known.test.labels.length)
      const p = read(judge.probabilities(estimate.inner, known.test.features, all))
      const samples = Object.values(counts).reduce((sum, count) => sum + count.samples, 0)
      curve.push({ step, wall, cpu, f, accuracy: accuracy(p, classes, known.test.labels), samples })
      watch.resume()
      return !over
    },
  }).result
  const spent = watch.read()
  const last = curve.at(-1)
  const truth = wrong(known)
  const doubt = Array.from(read(oracles.weights(end)), (w) => 1 - w)
  const { f1 } = detection(
    doubt.map((x) => x > 0.5),
    truth,
  )
  return {
    secondsTo: {
      f: reached(curve, job.clock, thresholds.f, (look, f) => look.f <= f),
      accuracy: reached(curve, job.clock, thresholds.accuracy, (look, a) => look.accuracy >= a),
    },
    accuracy: last?.accuracy ?? Number.NaN,
    f1,
    auc: auc(doubt, truth),
    outerLoss: last?.f ?? Number.NaN,
    calls: counts,
    steps,
    status: status === 'stopped' ? 'budget' : status,
    ...spent,
    curve,
  }
}

/** Margins mean something from the start if the model is that of the trusted samples. */
async function marginStart({ seed }: Job, { backend, features, classes, ...known }: CleaningCase) {
  const set = { features, rows: known.trusted, labels: known.trustedLabels }
  const { theta } = await train(backend, classes, set, { ...training, seed })
  return { inner: theta, outer: [...new Float64Array(classes), 1] } // no bias, and the scores as they are
}

async function rival(job: Job, known: CleaningCase) {
  const watch = stopwatch()
  const { accuracy, f1, auc } = await rivals[job.method as keyof typeof rivals](known, {
    ...training,
    seed: job.seed,
  })
  const secondsTo = {
    f: reached([], job.clock, thresholds.f, () => false),
    accuracy: reached([], job.clock, thresholds.accuracy, () => false),
  }
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
  const { dataset, noise, kind, trusted, weighting } = job.cell
  const { method, candidate, seed } = job
  const peakMemory = 1024 * process.resourceUsage().maxRSS
  const cell = { dataset, noise, kind, trusted, weighting }
  const run: Run = { ...cell, method, candidate, seed, ...result, peakMemory }
  process.stdout.write(`${JSON.stringify(run)}\n`)
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
