import { loaded } from './cores.ts'
import type { Limits, Machine } from './machine.ts'
import type { Entry } from './measure.ts'

/** A whole run. */
export interface Report {
  readonly machine: Machine
  readonly limits: Limits
  readonly commit: string
  readonly seed: number
  readonly quick: boolean
  readonly entries: readonly Entry[]
}

const widths = [58, 39, 6, 13, 7, 7, 9, 9, 16, 0]
const titles = ['row', 'rival', 'ratio', 'quartiles', 'wall', 'bar', 'ours', 'rival’s', 'of the limit', '']

/** The lines that say what a run ran on. */
export function heading({ machine, limits, commit, seed }: Omit<Report, 'entries'>): string[] {
  const { processor, platform, node, backend, simd, blas, threads, openblas } = machine
  const giga = (x: number) => (x / 1e9).toFixed(x < 2e10 ? 1 : 0)
  const nominal = machine.nominalFlops ? `, nominally ${giga(machine.nominalFlops)}` : ''
  return [
    `commit ${commit}, seed ${seed}, Node ${node}`,
    `${processor}, ${platform}, ${threads} threads, ${backend} backend with ${simd}, BLAS in the library: ${blas}`,
    `rival: ${openblas ?? 'OpenBLAS is not installed (Debian: apt install libopenblas-dev, then npm run bench)'}`,
    `limits of one thread in this run: ${giga(limits.peakFlops)} Gflop/s (f32 product${nominal}), ` +
      `triad ${giga(limits.triadBandwidth)} GB/s, reading ${giga(limits.readBandwidth)} GB/s`,
  ]
}

function lanes({ simd, wasmSimd, wasmFactor }: Machine): string[] {
  if (!wasmFactor) return []
  const fused = wasmSimd === 'relaxed' ? 'fused multiply-add by relaxed SIMD' : 'no fused multiply-add'
  return [
    `- WebAssembly has 128-bit lanes and ${fused}: an instruction of ${simd} does ${wasmFactor} times as much`,
  ]
}

/** One row, as cells. */
export function cells(entry: Entry, limits: Limits): string[] {
  const { ratio, quartiles, wall, bar, seconds } = entry
  const missed = ratio !== null && bar !== null && ratio > bar ? 'missed' : ''
  const clock = entry.clock === 'cpu' ? '' : 'wall time'
  return [
    entry.name,
    entry.rival,
    short(ratio),
    quartiles ? quartiles.map(short).join('–') : '–',
    short(wall),
    bar === null ? '' : `≤ ${Number(bar.toPrecision(3))}`,
    time(seconds.ours),
    seconds.rival === null ? '–' : time(seconds.rival),
    distanceToLimit(entry, limits),
    [missed, clock, loaded(entry.cores), entry.note].filter(Boolean).join('; '),
  ]
}

export function line(entry: Entry, limits: Limits): string {
  return aligned(cells(entry, limits))
}

export const titleLine = aligned(titles)

/** The run as a page. */
export function markdown(report: Report): string {
  const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  const missed = report.entries.filter(({ ratio, bar }) => ratio !== null && bar !== null && ratio > bar)
  return [
    '# Benchmarks',
    '',
    'Written by `npm run bench -- --record`. A ratio is our time over the rival’s, the median of pairs that were',
    'timed in turns: below 1 we are faster. It compares CPU time, which others on the machine disturb less, or time on the',
    'wall where threads share the work; the column *wall* has the latter for all. *Of the limit* says how much of the',
    'machine’s arithmetic (an f32 product) or of its memory’s speed (reading) ours uses; both limits are of one thread,',
    'measured in the same run. A row says so where other processes took more than a tenth of a core meanwhile.',
    '',
    ...heading(report).map((text) => `- ${text}`),
    ...lanes(report.machine),
    '',
    missed.length > 0 ? `Bars missed: ${missed.map(({ name }) => name).join('; ')}.` : 'All bars are met.',
    '',
    row(titles),
    row(titles.map((_, i) => (i < 2 ? '---' : '--:'))),
    ...report.entries.map((entry) => row(cells(entry, report.limits))),
    '',
  ].join('\n')
}

/** The larger of the shares of arithmetic and of bandwidth: that is the one that binds. */
function distanceToLimit({ flops, bandwidth }: Entry, limits: Limits): string {
  const arithmetic = (flops ?? 0) / limits.peakFlops
  const memory = (bandwidth ?? 0) / limits.readBandwidth
  if (arithmetic === 0 && memory === 0) return ''
  return arithmetic > memory ? `${percent(arithmetic)} arithmetic` : `${percent(memory)} memory`
}

function aligned(cells: readonly string[]): string {
  const pad = (cell: string, i: number) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))
  return cells.map(pad).join('  ').trimEnd()
}

export function short(ratio: number | null): string {
  if (ratio === null) return '–'
  return ratio < 0.1 ? String(Number(ratio.toPrecision(2))) : ratio.toFixed(2)
}

const percent = (share: number) => `${Math.round(100 * share)} %`

export function time(seconds: number): string {
  if (seconds < 1e-3) return `${(1e6 * seconds).toPrecision(3)} µs`
  return seconds < 1 ? `${(1e3 * seconds).toPrecision(3)} ms` : `${seconds.toPrecision(3)} s`
}
