import { cpus } from 'node:os'
import type { BackendInfo } from '../../ts/backend/backend.ts'
import { commit } from '../harness/machine.ts'
import { byRow, type Entry, grouped } from './entries.ts'

const bar = { cosine: [0.9995, 0.998, 0.99], products: 1 / 20, cpu: 1 / 30 }

interface Circumstances {
  readonly seed: number
  readonly count: number
  readonly info: BackendInfo
}

/** The report in Markdown. */
export function markdown(entries: readonly Entry[], { seed, count, info }: Circumstances): string {
  const rows = byRow(entries)
  const reference = rows[0]
  const warm = rows.filter(([{ warm }]) => warm)
  const cold = rows.filter(([{ warm, form }]) => !warm && form !== 'conjugateGradients')
  const plain = rows.slice(1).filter(([{ warm, form }]) => !warm && form === 'conjugateGradients')
  const find = (wanted: (entry: Entry) => boolean) => rows.find(([row]) => row.warm && wanted(row)) ?? []
  const best = find((row) => row.best)
  const verdicts: [string, Entry[]][] = [
    ['best', best],
    ['best, in f64', find((row) => row.dtype === 'f64')],
    ['best without A', find((row) => row.form === 'identity' && row.refine === best[0].refine)],
    ['the default of `solve`', find((row) => row.default)],
  ]
  const steps = [...new Set(cold.map(([{ refine }]) => refine))]
  return `# How exact the hypergradient is

\`npm run exactness -- --seed ${seed} --seeds ${count}\`, ${count === 1 ? 'one seed' : `means over ${count} seeds`}; ${cpus()[0].model}, ${info.backend} ${info.simd}, commit ${commit()}.

MNIST on 50 principal components, 2000 training samples with half of the labels replaced, 2000 validation samples;
softmax regression (d = 510), 1e-4 ‖θ‖², batch 64, 10 inner steps of rate 0.5 per outer iteration, θ₀ = v₀ = 0, logits of
2000 weights driven at rate 200 by the exact hypergradient. Each estimate is held against the exact hypergradient (dense
Hessian over all samples, f64) at the same θ, after outer iterations 10 / 50 / 200. The cross derivative is over all
samples in every row.

The reference is plain conjugate gradients in f64, from zero, to 1e-10 over all samples: ${slashed(reference, (e) => (e.products / 2000).toFixed(0))} products of
2000 samples, ${slashed(reference, (e) => (e.cpu ?? 0).toFixed(0))} ms of CPU time. Products count Hessian-vector products × samples, plus every sample that
statistics were taken from; CPU time is that of all threads, statistics and factorisations included; both are shares of
the reference's, which took turns with the contenders in one process. Contenders compute in f32 unless the row says f64.

## Bar

Cosine ≥ ${bar.cosine.join(' / ')} with at most 1/20 of the products and 1/30 of the CPU time; the cosine as the mean over seeds.

| | cosine | worst seed | products | CPU | |
|---|---|---|---|---|---|
${verdicts.map(([name, row]) => verdict(name, row, reference)).join('\n')}

The best keeps its direction from one outer iteration to the next, and corrects it by two conjugate-gradient steps over
all samples: three products, one of them for the residual it starts from. A preconditions the steps: Kronecker factors of
the expected Fisher with D as the only damping, taken from 1000 samples every 20 outer iterations. Most of the gain comes from
the warm start: from zero, the same preconditioner needs more than eight steps to come as close at iteration 200. A cuts the
error that is left several times (“best without A” is the same with A = I) and costs next to nothing, but alone, with no
correction, it is a poor estimate late in the run.

## Directions kept along the run

Products and CPU time are means over the outer iterations since the checkpoint before.

| form | statistic | | refine | cosine | ‖ĥ‖/‖h‖ | products | CPU |
|---|---|---|---|---|---|---|---|
${warm.map((row) => full(row, reference)).join('\n')}

## Plain conjugate gradients, a few steps from zero

| form | statistic | | steps | cosine | ‖ĥ‖/‖h‖ | products | CPU |
|---|---|---|---|---|---|---|---|
${plain.map((row) => full(row, reference)).join('\n')}

## Estimates made at the checkpoint alone

Each estimate starts from A∇_θ f and is corrected by conjugate-gradient steps over all samples, which A preconditions; the
columns tell how many. CPU is the time without corrections: the statistics of an outer iteration, the factorisation, the
solve, and the product that tells the residual. Steps of the inner loop feed A (640 samples per outer iteration) unless
samples are called fresh.

| form | statistic | | ${steps.map((n) => `cosine, refine ${n}`).join(' | ')} | ‖ĥ‖/‖h‖, refine 0 | CPU |
|---|---|---|${'---|'.repeat(steps.length)}---|---|
${corrected(cold).join('\n')}
`
}

function verdict(name: string, row: Entry[], reference: Entry[]): string {
  const products = row.map((e, i) => e.products / reference[i].products)
  const met = row.every(
    (e, i) => e.cosine >= bar.cosine[i] && products[i] <= bar.products && e.cpuRatio <= bar.cpu,
  )
  const cells = [
    `${name}: ${row[0].form}, ${row[0].statistic}, refine ${row[0].refine}`,
    slashed(row, (e) => e.cosine.toFixed(4)),
    slashed(row, (e) => e.worst.toFixed(4)),
    products.map((p) => p.toFixed(3)).join(' / '),
    slashed(row, (e) => e.cpuRatio.toFixed(3)),
    met ? 'met' : 'not met',
  ]
  return `| ${cells.join(' | ')} |`
}

function full(row: Entry[], reference: Entry[]): string {
  const [{ form, statistic, detail, refine, dtype, warm, best }] = row
  const cells = [
    best ? `**${form}**` : form,
    statistic,
    warm && dtype === 'f64' ? `${detail}, f64` : detail,
    refine,
    slashed(row, (e) => e.cosine.toFixed(3)),
    slashed(row, norm),
    slashed(row, (e) => (e.products / reference[row.indexOf(e)].products).toFixed(3)),
    slashed(row, (e) => e.cpuRatio.toFixed(3)),
  ]
  return `| ${cells.join(' | ')} |`
}

/** One line for all corrections of a form. */
function corrected(rows: Entry[][]): string[] {
  return grouped(rows, ([{ form, statistic, detail }]) => `${form} | ${statistic} | ${detail}`).map(
    (rows) => {
      const [{ form, statistic, detail }] = rows[0]
      const cosines = rows.map((row) => slashed(row, (e) => e.cosine.toFixed(2)))
      const cpu = slashed(rows[0], (e) => e.cpuRatio.toFixed(2))
      return `| ${[form, statistic, detail, ...cosines, slashed(rows[0], norm), cpu].join(' | ')} |`
    },
  )
}

function norm({ normRatio }: Entry): string {
  return normRatio.toPrecision(normRatio >= 1e3 ? 1 : 2)
}

function slashed(row: readonly Entry[], text: (entry: Entry) => string): string {
  return row.map(text).join(' / ')
}
