import { type Label, mean } from './contender.ts'
import type { Measurement, Reference } from './run.ts'

/** A row of the result at one outer iteration, means over the seeds. */
export interface Entry extends Label {
  readonly iteration: number
  readonly cosine: number
  /** The least cosine of a seed. */
  readonly worst: number
  readonly normRatio: number
  readonly products: number
  readonly cpuRatio: number
  /** CPU time of an outer iteration's solve, ms; of the reference alone. */
  readonly cpu?: number
}

const reference: Label = {
  form: 'conjugateGradients',
  statistic: 'hessian',
  refine: 0,
  detail: 'plain, to 1e-10: the reference',
  warm: false,
  dtype: 'f64',
  default: false,
  best: false,
}

/** The reference first, then every contender in order. */
export function collect(
  runs: readonly { measurements: readonly Measurement[]; references: readonly Reference[] }[],
): Entry[] {
  const references = runs[0].references.map(({ iteration }, i) => {
    const at = runs.map(({ references }) => references[i])
    const products = mean(at.map((r) => r.products))
    const exact = { cosine: 1, worst: 1, normRatio: 1, cpuRatio: 1, cpu: mean(at.map((r) => r.cpu)) }
    return { ...reference, iteration, products, ...exact }
  })
  const measured = runs[0].measurements.map(({ label, iteration }, i) => {
    const at = runs.map(({ measurements }) => measurements[i])
    const of = (key: 'cosine' | 'normRatio' | 'products' | 'cpuRatio') => mean(at.map((m) => m[key]))
    return {
      ...label,
      iteration,
      cosine: of('cosine'),
      worst: Math.min(...at.map((m) => m.cosine)),
      normRatio: of('normRatio'),
      products: of('products'),
      cpuRatio: of('cpuRatio'),
    }
  })
  return [...references, ...measured]
}

/** Entries of one row, by outer iteration. */
export function byRow(entries: readonly Entry[]): Entry[][] {
  return grouped(entries, ({ form, statistic, detail, refine, warm, dtype }) =>
    JSON.stringify([form, statistic, detail, refine, warm, dtype]),
  )
}

/** Items that share a key, in the order of their first. */
export function grouped<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const group = groups.get(keyOf(item))
    if (group) group.push(item)
    else groups.set(keyOf(item), [item])
  }
  return [...groups.values()]
}
