import { stopwatch } from './clock.ts'
import type { Context, Pair, Row } from './row.ts'

/** How long to look. */
export interface Effort {
  /** Seconds for a row. */
  readonly seconds: number
  readonly rounds: { readonly least: number; readonly most: number }
  /** Seconds of one measurement at least. */
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
  readonly statistic: 'median' | 'lower quartile'
  /** Our fastest time over the rival's fastest: what is left where others use the machine too. */
  readonly fastest: number | null
  readonly rounds: number
  /** Median times of a unit. */
  readonly seconds: { readonly ours: number; readonly rival: number | null }
  /** Flops a second and bytes a second of ours. */
  readonly flops: number | null
  readonly bandwidth: number | null
  readonly note: string
}

/** Checks the answers of a row, then times both sides in turns: A B, B A, … */
export async function measure(row: Row, context: Context, effort: Effort): Promise<Entry> {
  const pair = await row.prepare(context)
  const { theirs, note } = await judge(pair)
  globalThis.gc?.()
  const [ours, rival] = [stopwatch(pair.ours, effort.cycle), theirs && stopwatch(theirs, effort.cycle)]
  const times: { ours: number; rival: number }[] = []
  const end = performance.now() + 1000 * effort.seconds
  const { least, most } = effort.rounds
  while (times.length < least || (times.length < most && performance.now() < end)) {
    if (times.length % 2 === 0) {
      const first = await ours()
      times.push({ ours: first, rival: rival ? await rival() : Number.NaN })
    } else {
      const first = rival ? await rival() : Number.NaN
      times.push({ ours: await ours(), rival: first })
    }
  }
  const ratios = times.map((time) => time.ours / time.rival).sort((a, b) => a - b)
  const statistic = row.statistic ?? 'median'
  const seconds = quantile(
    times.map((time) => time.ours).sort((a, b) => a - b),
    0.5,
  )
  return {
    name: row.name,
    rival: row.rival,
    ratio: rival ? quantile(ratios, statistic === 'median' ? 0.5 : 0.25) : null,
    bar: row.bar,
    unit: row.unit,
    quartiles: rival ? [quantile(ratios, 0.25), quantile(ratios, 0.75)] : null,
    statistic,
    fastest: rival ? Math.min(...times.map((t) => t.ours)) / Math.min(...times.map((t) => t.rival)) : null,
    rounds: times.length,
    seconds: {
      ours: seconds,
      rival: rival
        ? quantile(
            times.map((time) => time.rival).sort((a, b) => a - b),
            0.5,
          )
        : null,
    },
    flops: row.flops ? row.flops / seconds : null,
    bandwidth: row.bytes ? row.bytes / seconds : null,
    note,
  }
}

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
