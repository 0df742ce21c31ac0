import type { OptimizerSettings, Rate } from '../../ts/hypergradient/optimizer.ts'
import { amigo } from '../../ts/methods/amigo.ts'
import { conjugateGradients } from '../../ts/methods/conjugateGradients.ts'
import { f2sa } from '../../ts/methods/f2sa.ts'
import { kfacImplicit } from '../../ts/methods/kfacImplicit.ts'
import { maSoba } from '../../ts/methods/maSoba.ts'
import type { Method } from '../../ts/methods/method.ts'
import { mrbo } from '../../ts/methods/mrbo.ts'
import { neumann } from '../../ts/methods/neumann.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { paper } from '../../ts/methods/nhgdOptions.ts'
import { nystrom } from '../../ts/methods/nystrom.ts'
import { oneStep } from '../../ts/methods/oneStep.ts'
import { preconditionedConjugateGradients } from '../../ts/methods/preconditionedConjugateGradients.ts'
import { qnbo } from '../../ts/methods/qnbo.ts'
import { saba } from '../../ts/methods/saba.ts'
import { sama } from '../../ts/methods/sama.ts'
import { soba } from '../../ts/methods/soba.ts'
import { unrolled } from '../../ts/methods/unrolled.ts'

/** A method with its step sizes. */
export interface Candidate {
  readonly method: () => Method
  readonly outer: OptimizerSettings
}

const sgd = (rate: number) => ({ kind: 'sgd', rate }) as const
const adam = (rate: Rate) => ({ kind: 'adam', rate, shared: true }) as const
const falling = (step: number) => 1.2 / (1 + step / 20)

/** The inner loop of the literature on this problem, and that of the library's default. */
const plain = { innerSteps: 10, innerOptimizer: sgd(0.3), cross: 'trajectory' } as const
const ours = {
  innerSteps: 30,
  innerOptimizer: { kind: 'momentum', rate: 0.3 },
  averaging: 0.5,
  cross: 'trajectory',
} as const

type Loop = typeof plain | typeof ours

/** Both inner loops, each with outer step sizes that suit it. `more` adds options to the first loop. */
function loops<More>(method: (loop: Loop & Partial<More>) => Method, more?: More): Candidate[] {
  return [
    { method: () => method({ ...plain, ...more }), outer: sgd(3e4) },
    { method: () => method({ ...plain, ...more }), outer: sgd(1e5) },
    { method: () => method(ours), outer: adam(1) },
    { method: () => method(ours), outer: adam(falling) },
  ]
}

/** For methods whose papers sample both levels. */
const sampled = { outerBatchSize: 1024 }

/** Inner and outer step sizes of methods that move both at once. */
function pairs(
  method: (step: { rate: number; linearRate: number }) => Method,
  rates: readonly (readonly [number, OptimizerSettings])[],
): Candidate[] {
  return rates.map(([rate, outer]) => ({
    method: () => method({ rate, linearRate: Math.min(rate, 0.3) }),
    outer,
  }))
}

const single = [
  [0.3, sgd(1e5)],
  [2, sgd(1e5)],
  [0.1, sgd(1e4)],
  [0.3, adam(0.1)],
  [0.3, adam(0.03)],
] as const

/** Which samples the online Fisher may see, and how soon it may forget them. */
const observations = [
  { every: 15, samples: 256, smoothing: 0.95 },
  { every: 60, samples: 256, smoothing: 0.8 },
  { every: 60, samples: 512, smoothing: 0.8 },
  { every: 60, samples: 512, smoothing: 0.5 },
  { every: 120, samples: 512, smoothing: 0.5 },
  { every: 120, samples: 1024, smoothing: 0.5 },
  { every: 120, samples: 1024, smoothing: 0.8 },
  { every: 240, samples: 1024, smoothing: 0.5 },
] as const

/** The grid: each method's candidates, by the name of its file. Exact differentiation is out of reach at this size. */
export const grid: Readonly<Record<string, readonly Candidate[]>> = {
  preconditionedConjugateGradients: [
    { method: () => preconditionedConjugateGradients(), outer: adam(1) },
    { method: () => preconditionedConjugateGradients(), outer: adam(falling) },
  ],
  nhgd: [
    { method: () => nhgd(), outer: adam(1) },
    { method: () => nhgd(), outer: adam(falling) },
  ],
  'nhgd-observe': observations.map(({ smoothing, ...observe }) => ({
    method: () => nhgd({ fisher: { smoothing }, observe }),
    outer: adam(falling),
  })),
  'nhgd-paper': [1e4, 1e5].map((rate) => ({ method: () => nhgd(paper), outer: sgd(rate) })),
  amigo: loops((loop) => amigo({ ...loop, rate: 0.3 }), sampled),
  conjugateGradients: [
    ...[3e3, 3e4].map((rate) => ({
      method: () => conjugateGradients({ ...plain, curvatureSamples: 1024 }),
      outer: sgd(rate),
    })),
    { method: () => conjugateGradients({ ...ours, curvatureSamples: 1024 }), outer: adam(falling) },
    { method: () => conjugateGradients({ ...ours, curvatureSamples: 4096 }), outer: adam(falling) },
  ],
  f2sa: [
    { method: () => f2sa({ rate: 0.3 }), outer: adam(0.5) },
    { method: () => f2sa({ rate: 0.3, multiplier: 10 }), outer: adam(0.5) },
    { method: () => f2sa({ rate: 0.3, innerSteps: 3 }), outer: adam(0.5) },
  ],
  kfacImplicit: loops((loop) => kfacImplicit(loop)),
  maSoba: pairs((step) => maSoba(step), single),
  mrbo: pairs((step) => mrbo(step), single),
  neumann: loops((loop) => neumann({ ...loop, rate: 0.3 }), sampled),
  nystrom: loops((loop) => nystrom(loop)),
  oneStep: [1e4, 1e5].map((rate) => ({
    method: () => oneStep({ innerOptimizer: sgd(0.3), scale: 1 }),
    outer: sgd(rate),
  })),
  qnbo: loops((loop) => qnbo(loop)),
  saba: pairs((step) => saba(step), single),
  sama: [0.1, 0.5].map((rate) => ({
    method: () => sama({ innerSteps: 10, rate: 0.003 }),
    outer: adam(rate),
  })),
  soba: pairs((step) => soba(step), single),
  unrolled: [
    { method: () => unrolled({ rate: 0.3 }), outer: sgd(1e5) },
    { method: () => unrolled({ rate: 0.3, innerSteps: 40, depth: 40 }), outer: sgd(1e5) },
    { method: () => unrolled({ rate: 0.3, innerSteps: 40, depth: 40 }), outer: adam(0.5) },
  ],
}

/** A candidate in one line. */
export function describe({ method, outer }: Candidate): string {
  const { settings } = method()
  return JSON.stringify({ ...settings, outer }, (_, value) =>
    typeof value === 'function' ? String(value) : value,
  )
}
