import { cpus } from 'node:os'
import type { BackendInfo } from '../../../ts/backend/backend.ts'
import { commit } from '../../harness/machine.ts'
import { grouped } from '../entries.ts'
import { speeds } from './cells.ts'
import { errorAt } from './equalCpu.ts'

/** A row of the result: means over seeds and checkpoints. */
export interface HardEntry {
  readonly cell: string
  /** Whether the bars are for this cell. */
  readonly hard: boolean
  /** Whether directions are kept from one outer iteration to the next, and how fast v moves. */
  readonly start: 'warm' | 'cold'
  readonly speed: 'slow' | 'fast'
  readonly form: string
  readonly statistic: string
  readonly detail: string
  readonly refine: number
  /** 1 − cosine, geometric mean. */
  readonly error: number
  readonly normRatio: number
  /** ms per outer iteration. */
  readonly cpu: number
}

/** The largest share of the error of conjugate gradients without A that the best form and the default may leave. */
export const bars = { best: 1 / 3, default: 1 / 2 }

/** The error over that of warm-started conjugate gradients without A, given the same CPU time. */
export function share(entry: HardEntry, inCell: readonly HardEntry[]): number {
  const plain = inCell.filter((e) => e.form === 'identity' && e.refine > 0)
  const curve = plain.filter(({ cell, speed }) => cell === entry.cell && speed === entry.speed)
  return (
    entry.error /
    errorAt(
      curve.filter(({ start }) => start === entry.start),
      entry.cpu,
    )
  )
}

export function hardMarkdown(
  entries: readonly HardEntry[],
  { seed, count, info, units }: { seed: number; count: number; info: BackendInfo; units: number },
): string {
  const cells = grouped(entries, ({ cell, speed, start }) => JSON.stringify([cell, speed, start]))
  return `# Where the inverse matters

\`npm run exactness -- --hard --seed ${seed} --seeds ${count}\`; ${cpus()[0].model}, ${info.backend} ${info.simd}, commit ${commit()}.

MNIST on 50 principal components, standardised, 2000 training samples with half of the labels replaced, 2000 validation samples, v the
logits of the samples' weights. Scales go from 1e-3 to 1e3 from feature to feature; correlated features are an autoregressive
sequence whose neighbours have correlation 0.98. The perceptron has ${units} hidden units, and its reference is the
Gauss–Newton matrix with damping 1e-3. v moves by steps of root mean square ${speeds.slow} (slow) or ${speeds.fast} (fast) along the exact
hypergradient, after 20 inner steps each. Directions are kept from one outer iteration to the next (warm) or start from 0
(cold). Contenders compute in f32.

Error is 1 − cosine with the exact hypergradient at the same θ and v, the geometric mean over checkpoints and seeds. The
share is this error over that of conjugate gradients without A that have the same CPU time and the same start. Where
the problem is hard, the bars are 1/3 for the best form, given at most four products, and 1/2 for the default.

| cell | v | start | best | products | its error | share | | default's error | share | |
|---|---|---|---|---|---|---|---|---|---|---|
${cells.map(verdict).join('\n')}

${cells.map(details).join('\n\n')}
`
}

const isDefault = ({ detail }: HardEntry) => detail === 'the default of `solve`'

function verdict(entries: readonly HardEntry[]): string {
  const [{ cell, hard, speed, start }] = entries
  const contest = entries.filter((e) => e.form !== 'identity')
  const ranked = contest.toSorted((a, b) => share(a, entries) - share(b, entries))
  const best = ranked[0]
  const usual = entries.find(isDefault) as HardEntry
  const met = (share: number, bar: number) => (!hard ? '' : share <= bar ? 'met' : 'missed')
  const row = [
    cell,
    speed,
    start,
    [best.form, best.statistic, best.detail].join(', '),
    best.refine,
    best.error.toExponential(1),
    share(best, entries).toPrecision(2),
    met(share(best, entries), bars.best),
    usual.error.toExponential(1),
    share(usual, entries).toPrecision(2),
    met(share(usual, entries), bars.default),
  ]
  return `| ${row.join(' | ')} |`
}

function details(entries: readonly HardEntry[]): string {
  const [{ cell, speed, start }] = entries
  const rows = grouped(entries, ({ form, statistic, detail }) => JSON.stringify([form, statistic, detail]))
  const slashed = (row: readonly HardEntry[], text: (e: HardEntry) => string) => row.map(text).join(' / ')
  const line = (row: readonly HardEntry[]) => {
    const [{ form, statistic, detail }] = row
    const shares = form === 'identity' ? '' : slashed(row, (e) => share(e, entries).toPrecision(2))
    const cells = [
      form,
      statistic,
      detail,
      slashed(row, (e) => String(e.refine)),
      slashed(row, (e) => e.error.toExponential(1)),
      slashed(row, (e) => e.normRatio.toPrecision(2)),
      slashed(row, (e) => e.cpu.toFixed(2)),
      shares,
    ]
    return `| ${cells.join(' | ')} |`
  }
  return `## ${cell}, v ${speed}, ${start} start

| form | statistic | | products | error | ‖ĥ‖/‖h‖ | ms | share |
|---|---|---|---|---|---|---|---|
${rows.map(line).join('\n')}`
}
