import {
  amigo,
  conjugateGradients,
  kfacImplicit,
  type Method,
  neumann,
  nhgd,
  type OptimizerSettings,
  paper,
  preconditionedConjugateGradients,
  qnbo,
} from 'nhgd/wasm'

interface Choice {
  readonly method: () => Method
  /** Step sizes of methods that take the raw hypergradient grow with the number of weights. */
  readonly outer: (weights: number) => OptimizerSettings
}

const loop = { innerSteps: 40, innerOptimizer: { kind: 'momentum', rate: 0.1 } } as const
const adam = (rate: number) => () => ({ kind: 'adam', rate, shared: true }) as const
const sgd = (rate: number) => (weights: number) => ({ kind: 'sgd', rate: rate * weights }) as const

/** What the page offers, with step sizes that suit features of a usual scale. */
export const methods = {
  preconditionedConjugateGradients: {
    method: () => preconditionedConjugateGradients(),
    outer: adam(0.25),
  },
  nhgd: { method: () => nhgd(), outer: adam(0.25) },
  paper: { method: () => nhgd(paper), outer: sgd(2) },
  conjugateGradients: {
    method: () => conjugateGradients({ ...loop, curvatureSamples: 4096 }),
    outer: adam(0.25),
  },
  amigo: {
    method: () => amigo({ ...loop, rate: 0.3 }),
    outer: adam(0.25),
  },
  kfacImplicit: {
    method: () => kfacImplicit(loop),
    outer: adam(0.25),
  },
  neumann: {
    method: () => neumann({ ...loop, rate: 0.3 }),
    outer: adam(0.25),
  },
  qnbo: { method: () => qnbo(loop), outer: adam(0.25) },
} as const satisfies Record<string, Choice>

export type MethodName = keyof typeof methods
