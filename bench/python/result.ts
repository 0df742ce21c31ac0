import { type Job, type Look, thresholds } from '../experiment/job.ts'

/** What a bilevel run reached. */
export interface Outcome {
  readonly accuracy: number
  readonly outerLoss: number
  readonly auc: number
  readonly f1: number
  /** Outer steps; for SOBA, calls of ten. */
  readonly steps: number
  readonly cpu: number
  readonly wall: number
  readonly curve: readonly Omit<Look, 'samples'>[]
}

/** What finding wrong labels reached; accuracy after training on what was kept and the trusted samples. */
export interface Cleaning {
  readonly accuracy: number
  readonly auc: number
  readonly f1: number
  readonly cpu: number
  readonly wall: number
}

/** Seconds by what was to be reached, such as `f 0.30`; null where it wasn't. */
export type Seconds = Readonly<Record<string, number | null>>

/** One run, as `--json` holds it. */
export interface BilevelEntry extends Omit<Outcome, 'curve'> {
  readonly method: string
  readonly seed: number
  readonly cpuTo: Seconds
  readonly wallTo: Seconds
}

export interface CleaningEntry extends Cleaning {
  readonly method: string
  readonly seed: number
}

export const targets = [
  ...thresholds.f.map((f) => ({ name: `f ${f}`, met: (look: { f: number }) => look.f <= Number(f) })),
  ...thresholds.accuracy.map((a) => ({
    name: `accuracy ${a}`,
    met: (look: { accuracy: number }) => look.accuracy >= Number(a),
  })),
]

/** What our CPU time is held to: a quarter of the best rival's. */
export const bars = { ratio: 1 / 4, targets: ['f 0.30', 'accuracy 0.915'] }

export function bilevelEntry(method: string, seed: number, { curve, ...outcome }: Outcome): BilevelEntry {
  const secondsTo = (clock: Job['clock']): Seconds =>
    Object.fromEntries(
      targets.map(({ name, met }) => {
        const look = (curve as readonly Look[]).find((look) => met(look))
        return [name, look?.[clock] ?? null]
      }),
    )
  const { accuracy, outerLoss, auc, f1, steps, cpu, wall } = outcome
  const end = { accuracy, outerLoss, auc, f1, steps, cpu, wall }
  return { method, seed, ...end, cpuTo: secondsTo('cpu'), wallTo: secondsTo('wall') }
}

/** Our seconds over a rival's, by target, medians over seeds; null where either has a run that missed it. */
export interface Ratio {
  readonly rival: string
  readonly cpu: Seconds
  readonly wall: Seconds
}

export interface Bar {
  readonly target: string
  /** The rival with the least CPU seconds, of those that reached the target in every run. */
  readonly rival: string | null
  readonly ratio: number | null
  readonly bar: number
  readonly met: boolean | null
}

/** Ratios against every rival, and whether the bars are met. The first method is ours. */
export function compare(entries: readonly BilevelEntry[]): { ratios: Ratio[]; bars: Bar[] } {
  const names = [...new Set(entries.map(({ method }) => method))]
  const typical = (method: string, clock: 'cpuTo' | 'wallTo', target: string): number | null =>
    median(entries.filter((entry) => entry.method === method).map((entry) => entry[clock][target]))
  const [ours, ...rivals] = names
  const ratio = (rival: string, clock: 'cpuTo' | 'wallTo', target: string): number | null => {
    const [mine, theirs] = [ours, rival].map((method) => typical(method, clock, target))
    return mine === null || theirs === null ? null : mine / theirs
  }
  const against = (rival: string, clock: 'cpuTo' | 'wallTo') =>
    Object.fromEntries(targets.map(({ name }) => [name, ratio(rival, clock, name)]))
  return {
    ratios: rivals.map((rival) => ({ rival, cpu: against(rival, 'cpuTo'), wall: against(rival, 'wallTo') })),
    bars: bars.targets.map((target) => {
      const there = rivals.filter((rival) => typical(rival, 'cpuTo', target) !== null)
      const time = (rival: string) => typical(rival, 'cpuTo', target) ?? Number.POSITIVE_INFINITY
      const rival = there.sort((a, b) => time(a) - time(b))[0] ?? null
      const found = rival === null ? null : ratio(rival, 'cpuTo', target)
      return {
        target,
        rival,
        ratio: found,
        bar: bars.ratio,
        met: found === null ? null : found <= bars.ratio,
      }
    }),
  }
}

/** Null where a value is missing. */
export function median(values: readonly (number | null)[]): number | null {
  const known = values.filter((x) => x !== null).sort((a, b) => a - b)
  if (known.length < values.length || known.length === 0) return null
  return (known[(known.length - 1) >> 1] + known[known.length >> 1]) / 2
}
