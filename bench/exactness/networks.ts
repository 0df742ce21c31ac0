import { cpus } from 'node:os'
import { type Backend, read } from '../../ts/backend/backend.ts'
import type { DType, Point, Vector } from '../../ts/backend/binding.ts'
import { Fisher, type FisherSettings } from '../../ts/backend/fisher.ts'
import { conjugateGradients } from '../../ts/hypergradient/conjugateGradients.ts'
import { type Model, multilayerPerceptron } from '../../ts/problems/model.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { commit } from '../harness/machine.ts'
import { cpuOf } from './contender.ts'
import { grouped } from './entries.ts'
import type { Sets } from './hard/cells.ts'

/** A direction by one form, held against the exact one, at one point of the training. */
export interface NetworkEntry {
  readonly form: string
  readonly statistic: string
  readonly detail: string
  /** Corrections by conjugate gradients. */
  readonly refine: number
  /** Steps of the training before. */
  readonly step: number
  /** Of u with (G + D + λI)⁻¹ ∇_θ f. */
  readonly cosine: number
  /** ms of CPU time: statistics, factorisation, solve and corrections. */
  readonly cpu: number
}

export interface NetworkOptions {
  readonly model: Model
  readonly seed: number
  /** After how many steps of the training directions are compared. */
  readonly points: readonly number[]
  /** λ of the system. */
  readonly damping: number
  readonly corrections: readonly number[]
}

/** 784-128-10, after an eighth of an epoch, one, and eight. */
export const usualNetwork = {
  model: multilayerPerceptron({ classes: 10, hidden: [128] }),
  points: [5, 40, 320],
  damping: 1e-3,
}

const batchSize = 50
const tolerance = 1e-9

/** Forms and what they see: samples of the training at the point itself. */
function contenders(samples: number, damping: number) {
  const labels = ['empirical', 'sampled'] as const
  const all = [...labels, 'expected'] as const
  const row = (fisher: FisherSettings, detail = '') => ({ fisher, detail, seen: samples })
  const few = samples >> 2
  return [
    undefined,
    ...all.flatMap((statistic) => [
      row({ form: 'kronecker', statistic, damping }, 'joint'),
      row({ form: 'kronecker', statistic, damping, kroneckerDamping: 'split' }, 'split'),
      row({ form: 'eigenkronecker', statistic, damping }),
      row({ form: 'diagonal', statistic, damping, rows: 'perSample' }),
    ]),
    ...labels.map((statistic) => row({ form: 'samples', statistic, samples, damping, tolerance: 1e-3 })),
    ...labels.map((statistic) => ({
      ...row({ form: 'window', statistic, damping, rows: 'perSample', length: few, smoothing: 'average' }),
      seen: few,
    })),
    ...labels.map((statistic) =>
      row({ form: 'sketch', statistic, damping, rows: 'perSample', rank: 32 }, '32 directions'),
    ),
  ] as const
}

/** Every form at each point of a training by Adam; the exact direction is that over all samples, in f64. */
export async function networks(
  backend: Backend,
  sets: Sets,
  { model, seed, points, damping, corrections }: NetworkOptions,
): Promise<NetworkEntry[]> {
  const [f32, f64] = (['f32', 'f64'] as const).map((dtype) => reweighting({ backend, model, ...sets, dtype }))
  const point = f32.start(seed)
  const sampler = new backend.Sampler(seed, f32.oracles.samples)
  const adam = new backend.Optimizer(JSON.stringify(rule))
  const step = new backend.Step(point.inner.length, 'f32')
  const entries: NetworkEntry[] = []
  for (let t = 1; t <= points[points.length - 1]; t++) {
    f32.oracles.innerStep(point, sampler.take(batchSize), step)
    adam.step(point.inner, step.gradient, 1e-3)
    if (!points.includes(t)) continue
    const [own, exact] = [systemAt(f32, point, damping), systemAt(f64, point, damping)]
    const u = f64.zeros(point.inner.length)
    const guide = await solver(f64, exact.point, guiding(damping), f64.oracles.samples, seed)
    await conjugateGradients({ ...exact, tolerance }, guide, u, 3000)
    for (const contender of contenders(f32.oracles.samples, damping)) {
      for (const refine of corrections) {
        const direction = f32.zeros(point.inner.length)
        const cpu = await cpuOf(async () => {
          const precondition = contender
            ? await solver(f32, own.point, contender.fisher, contender.seen, seed)
            : async (b: Vector, x: Vector) => x.copyFrom(b)
          await conjugateGradients(own, precondition, direction, refine)
        })
        const { form, statistic } = contender?.fisher ?? { form: 'identity' }
        const about = { form, statistic: statistic ?? '', detail: contender?.detail ?? '', refine, step: t }
        entries.push({ ...about, cosine: cosine(f64.vector(read(direction)), u), cpu })
      }
      // The event loop collects what is no longer used.
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return entries
}

const rule = { kind: 'adam', beta1: 0.9, beta2: 0.999, epsilon: 1e-8, shared: false }
const guiding = (damping: number): FisherSettings => ({
  form: 'eigenkronecker',
  statistic: 'expected',
  damping,
})

function systemAt(problem: Problem<Problem['oracles']>, at: Point, damping: number) {
  const { backend, oracles } = problem
  const point = problem.point(problem.vector(read(at.inner)), problem.vector(read(at.outer)))
  const target = problem.zeros(oracles.innerLength)
  oracles.outerGradient(point, problem.zeros(oracles.outerLength), target)
  return { problem, point, target, damping, batch: backend.Batch.all(oracles.samples) }
}

/** What solves with a form that saw samples at the point. */
async function solver(problem: Problem, point: Point, settings: FisherSettings, seen: number, seed: number) {
  const { backend, oracles } = problem
  const fisher = new Fisher(backend, oracles, point, { ...settings, concurrent: false })
  const step = new backend.Step(oracles.innerLength, problem.dtype as DType)
  const sampler = new backend.Sampler(seed, oracles.samples)
  oracles.observe(point, sampler.take(seen), step, fisher.handle, seed)
  await fisher.refresh(step)
  return (b: Vector, x: Vector) => fisher.solve(b, x)
}

function cosine(x: Vector, y: Vector): number {
  return x.dot(y) / (x.norm() * y.norm())
}

/** The report in Markdown. */
export function networksMarkdown(
  entries: readonly NetworkEntry[],
  { seed, samples, damping }: { seed: number; samples: number; damping: number },
): string {
  const rows = grouped(entries, ({ form, statistic, detail }) => `${form} | ${statistic} | ${detail}`)
  const corrections = [...new Set(entries.map(({ refine }) => refine))]
  const at = (row: readonly NetworkEntry[], refine: number) => row.filter((entry) => entry.refine === refine)
  const slashed = (row: readonly NetworkEntry[], text: (entry: NetworkEntry) => string) =>
    row.map(text).join(' / ')
  const least = (row: readonly NetworkEntry[]) => Math.min(...at(row, 2).map((entry) => entry.cosine))
  const best = rows.toSorted((a, b) => least(b) - least(a))[0]
  const points = [...new Set(entries.map(({ step }) => step))].join(' / ')
  const line = (row: readonly NetworkEntry[]) => {
    const { form, statistic, detail } = row[0]
    const cosines = corrections.map((refine) => slashed(at(row, refine), (entry) => entry.cosine.toFixed(3)))
    const cpu = slashed(at(row, 2), (entry) => entry.cpu.toFixed(0))
    return `| ${[form, statistic, detail, ...cosines, cpu].join(' | ')} |`
  }
  return `# How exact directions are on a network

\`npm run exactness -- --networks --seed ${seed}\`; ${cpus()[0].model}, commit ${commit()}.

A perceptron 784-128-10 with ReLU on MNIST, ${samples} training samples with half of the labels replaced and weights ½,
1e-4 ‖θ‖². Adam trains it with rate 1e-3 and batches of ${batchSize}; directions are compared after ${points} steps. The exact
direction is (G + D + λI)⁻¹ ∇_θ f with λ = ${damping}: G is the Gauss–Newton matrix over all samples in f64, and conjugate
gradients solve to ${tolerance}. Each form sees samples at the point itself and computes in f32; conjugate gradients over all
samples correct its direction. CPU is in ms, statistics and factorisation included, with two corrections.

With two corrections the best is ${best[0].form}, ${best[0].statistic}${best[0].detail && `, ${best[0].detail}`}: cosine ${slashed(at(best, 2), (entry) => entry.cosine.toFixed(3))}. The bar is 0.95 at each point: ${least(best) >= 0.95 ? 'met' : 'not met'}.

| form | statistic | | ${corrections.map((n) => `cosine, refine ${n}`).join(' | ')} | CPU |
|---|---|---|${'---|'.repeat(corrections.length)}---|
${rows.map(line).join('\n')}
`
}
