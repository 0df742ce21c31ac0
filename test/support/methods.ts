import type { FisherSettings } from '../../ts/backend/fisher.ts'
import { amigo } from '../../ts/methods/amigo.ts'
import { conjugateGradients } from '../../ts/methods/conjugateGradients.ts'
import { exact } from '../../ts/methods/exact.ts'
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

export const batchSize = 16
export const some = { batchSize, innerSteps: 3 }
export const observed = { batchSize, innerSteps: 4, refineSamples: 32 }

/** Seven forms; what they hold after a step is not what they started from. */
const forms: readonly (FisherSettings & { readonly form: string; readonly reset?: 'outer' })[] = [
  { form: 'dense' },
  { form: 'window', length: 9, rows: 'perSample', statistic: 'sampled' },
  { form: 'samples', samples: 24, statistic: 'expected' },
  { form: 'kronecker', statistic: 'sampled' },
  { form: 'eigenkronecker', basisEvery: 3 },
  { form: 'diagonal', relative: true },
  { form: 'sketch', rank: 5 },
]

/** Every method, in small; each call makes a new one. */
export const methods: Record<string, () => Method> = {
  amigo: () => amigo({ ...some, steps: 3, outerBatchSize: 8 }),
  conjugateGradients: () => conjugateGradients({ ...some, curvatureSamples: 16 }),
  exact: () => exact({ ...some, averaging: 0.5 }),
  'exact, levenbergMarquardt': () => exact({ ...some, innerOptimizer: { kind: 'levenbergMarquardt' } }),
  f2sa: () => f2sa(some),
  kfacImplicit: () => kfacImplicit({ ...some, fisher: { refreshSamples: 16 } }),
  maSoba: () => maSoba({ batchSize, outerBatchSize: 8 }),
  mrbo: () => mrbo({ batchSize, outerBatchSize: 8 }),
  neumann: () => neumann(some),
  'nhgd as printed': () => nhgd({ ...paper, batchSize }),
  'nhgd, a part of the samples': () => nhgd({ ...observed, observe: { every: 2, samples: 5 } }),
  'nhgd, levenbergMarquardt': () => nhgd({ ...observed, innerOptimizer: { kind: 'levenbergMarquardt' } }),
  nystrom: () => nystrom({ ...some, rank: 4, curvatureSamples: 16 }),
  oneStep: () => oneStep({ batchSize }),
  preconditionedConjugateGradients: () =>
    preconditionedConjugateGradients({ ...observed, fisher: { refreshSamples: 24, refreshEvery: 2 } }),
  qnbo: () => qnbo({ ...some, memory: 3, steps: 2, curvatureSamples: 16 }),
  saba: () => saba({ batchSize, outerBatchSize: 8 }),
  sama: () => sama({ ...some }),
  soba: () => soba({ batchSize, outerBatchSize: 8, rate: (k) => 0.1 / (1 + k) }),
  unrolled: () => unrolled({ ...some, depth: 2 }),
  ...Object.fromEntries(
    forms.map((fisher) => [
      `nhgd, ${fisher.form}`,
      () => nhgd({ ...observed, observe: { every: 1 }, fisher }),
    ]),
  ),
}
