import type { Batch, Oracles } from '../../ts/backend/binding.ts'

/** How often an oracle was asked, and over how many samples in all. */
export interface Count {
  calls: number
  samples: number
}

const kinds = {
  innerStep: 'gradients',
  innerStepFor: 'gradients',
  innerGradient: 'gradients',
  outerGradient: 'outerGradients',
  curvatureProduct: 'hessianProducts',
  hessianProduct: 'hessianProducts',
  crossProduct: 'crossProducts',
  observe: 'fisherSamples',
} as const

export type Counts = Record<(typeof kinds)[keyof typeof kinds], Count>

/** Counts what is asked of these oracles from now on; `trusted` is the number of samples behind f. */
export function countCalls(oracles: Oracles, trusted: number): Counts {
  const counts = Object.fromEntries(
    Object.values(kinds).map((kind) => [kind, { calls: 0, samples: 0 }]),
  ) as Counts
  for (const [name, kind] of Object.entries(kinds) as [keyof typeof kinds, keyof Counts][]) {
    const ask = oracles[name] as (...args: unknown[]) => unknown
    // The object itself stays: the binding wants its own, not a proxy.
    Object.defineProperty(oracles, name, {
      configurable: true, // a proxy, which paces runs, may only replace what is
      value(...args: unknown[]) {
        counts[kind].calls++
        const batch = args[name === 'outerGradient' ? 3 : 1] as Batch | undefined
        counts[kind].samples += batch?.length ?? trusted
        return ask.apply(oracles, args)
      },
    })
  }
  return counts
}
