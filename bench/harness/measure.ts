import { stopwatch, type Times } from './clock.ts'
import { type Cores, watchCores } from './cores.ts'
import type { Context, Pair, Row } from './row.ts'

/** How long to measure. */
export interface Effort {
  /** Seconds per row. */
  readonly seconds: number
  readonly rounds: { readonly least: number; readonly most: number }
  /** Least seconds of one measurement. */
  readonly cycle: number
}

/** A row of the result. */
export interface Entry {
  readonly name: string
  readonly rival: string
  /** Our time over the rival's; null where the rival is not installed or gave a wrong answer. */
  readonly ratio: number | null
  readonly bar: number | null
  readonly unit: string
  /** Lower and upper quartile of the pairwise ratios. */
  readonly quartiles: readonly [number, number] | null
  readonly clock: 'cpu' | 'wall'
  /** The same ratio of times on the wall. */
  readonly wall: number | null
  readonly rounds: number
  /** Median seconds per unit, by that clock. */
  readonly seconds: { readonly ours: number; readonly rival: number | null }
  /** Our flops per second and bytes per second. */
  readonly flops: number | null
  readonly bandwidth: number | null
  /** How busy the cores were meanwhile; null where the system does not tell. */
  readonly cores?: Cores | null
  readonly note: string
}

/** Checks the answers of a row, then times both sides in turns: A B, B A, … */
export async function measure(row: Row, context: Context, effort: Effort): Promise<Entry> {
  const pair = await row.prepare(context)
  const { theirs, note } = await judge(pair)
  globalThis.gc?.()
  const [ours, rival] = [stopwatch(pair.ours, effort.cycle), theirs && stopwatch(theirs, effort.cycle)]
  const [a, b]: Times[][] = [[], []]
  const busy = watchCores()
  const end = performance.now() + 1000 * effort.seconds
  const { least, most } = effort.rounds
  const sides = [async () => a.push(await ours()), async () => rival && b.push(await rival())]
  while (a.length < least || (a.length < most && performance.now() < end)) {
    for (const side of sides) await side()
    sides.reverse()
  }
  const cores = busy()
  // The first pair calibrates and warms up: it counts only where it is alone.
  for (const times of [a, b]) if (times.length > 1) times.shift()
  const { clock = 'cpu' } = row
  const ratios = (clock: 'cpu' | 'wall') => ascending(b.map((theirs, i) => a[i][clock] / theirs[clock]))
  const seconds = (times: Times[]) => quantile(ascending(times.map((time) => time[clock])), 0.5)
  return {
    name: row.name,
    rival: row.rival,
    ratio: rival && quantile(ratios(clock), 0.5),
    bar: row.bar,
    unit: row.unit,
    quartiles: rival && [quantile(ratios(clock), 0.25), quantile(ratios(clock), 0.75)],
    clock,
    wall: rival && quantile(ratios('wall'), 0.5),
    rounds: a.length,
    seconds: { ours: seconds(a), rival: rival && seconds(b) },
    flops: row.flops ? row.flops / seconds(a) : null,
    bandwidth: row.bytes ? row.bytes / seconds(a) : null,
    cores,
    note,
  }
}

const ascending = (numbers: number[]) => numbers.sort((a, b) => a - b)

/** The rival, unless it is missing or its answer is another than ours. */
async function judge(pair: Pair): Promise<{ theirs: Pair['theirs']; note: string }> {
  if (!pair.theirs) return { theirs: null, note: 'rival not installed' }
  const off = await pair.check()
  if (off <= pair.tolerance) return { theirs: pair.theirs, note: '' }
  return { theirs: null, note: `answers differ by ${off.toExponential(1)} of the largest entry: not timed` }
}

/** Of sorted numbers, linear between neighbours. */
function quantile(sorted: ArrayLike<number>, share: number): number {
  const at = share * (sorted.length - 1)
  const low = Math.floor(at)
  return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low])
}
