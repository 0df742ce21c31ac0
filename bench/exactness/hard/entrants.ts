import type { FisherSettings } from '../../../ts/backend/fisher.ts'
import type { Rate } from '../../../ts/hypergradient/optimizer.ts'
import {
  type PreconditionedConjugateGradientsSettings,
  preconditionedConjugateGradients,
} from '../../../ts/methods/preconditionedConjugateGradients.ts'
import type { Feed } from '../fisher.ts'

/** An inverse Fisher, and with how many corrections by conjugate gradients it is tried. */
export interface Entrant {
  readonly form: string
  readonly statistic: string
  readonly detail: string
  readonly fisher?: FisherSettings
  readonly feed: Feed
  /** What `solve` does; its form may depend on the layers. */
  readonly usual?: true
  /** Damping of the products in outer iteration 0, 1, 2, … in place of the system's own. */
  readonly damping?: Rate
  readonly corrections: readonly number[]
}

/** Conjugate gradients without A, then every form × statistic, then the default of `solve`. */
export function entrants(samples: number, damping: number, quick: boolean): Entrant[] {
  const labels = ['empirical', 'sampled'] as const
  const all = [...labels, 'expected'] as const
  const row = (fisher: FisherSettings, detail = '', every = 10, seen = samples): Entrant => ({
    form: fisher.form,
    statistic: fisher.statistic ?? '',
    detail: [detail, `${seen} samples every ${every}`].filter(Boolean).join(', '),
    fisher,
    feed: { from: 'fresh', samples: seen, every },
    corrections: [0, 1, 2, 4],
  })
  const few = samples >> 2
  const rows = { rows: 'perSample', damping } as const
  const layered = (statistic: FisherSettings['statistic']): Entrant[] => [
    row({ form: 'kronecker', statistic, damping, keep: 0 }, 'joint'),
    row({ form: 'kronecker', statistic, damping, keep: 0, kroneckerDamping: 'split' }, 'split'),
    row({ form: 'eigenkronecker', statistic, damping, keep: 0 }),
  ]
  const plain: Entrant = {
    form: 'identity',
    statistic: '',
    detail: 'conjugate gradients without A',
    feed: { from: 'fresh', samples, every: 10 },
    corrections: quick ? [0, 1, 2, 4, 16] : [0, 1, 2, 4, 8, 16, 32],
  }
  const tolerance = 1e-2
  const forms: Entrant[] = [
    ...all.flatMap(layered),
    row({ form: 'kronecker', statistic: 'expected', damping, keep: 0 }, 'joint', 1, few),
    row({ form: 'kronecker', statistic: 'expected', damping, keep: 0 }, 'joint', 10, few),
    ...all.map((statistic) => row({ form: 'diagonal', statistic, ...rows })),
    ...all.map((statistic) => row({ form: 'dense', statistic, ...rows, tolerance })),
    ...all.map((statistic) =>
      row({ form: 'samples', statistic, samples: few, damping, tolerance }, '', 10, few),
    ),
    ...labels.map((statistic) =>
      row({ form: 'window', statistic, ...rows, length: few, smoothing: 'average' }, '', 10, few),
    ),
    ...labels.map((statistic) => row({ form: 'sketch', statistic, ...rows, rank: 64 }, '64 directions')),
  ]
  return [plain, ...(quick ? forms.filter(({ statistic }) => statistic !== 'empirical') : forms), usual()]
}

/** What `preconditionedConjugateGradients()` does. */
function usual(): Entrant {
  const { fisher, refine, refineDamping } = preconditionedConjugateGradients()
    .settings as unknown as PreconditionedConjugateGradientsSettings
  const { refreshEvery: every, refreshSamples: samples, ...settings } = fisher
  return {
    form: fisher.form,
    statistic: fisher.statistic ?? '',
    detail: 'the default of `solve`',
    usual: true,
    fisher: settings,
    feed: { from: 'fresh', samples, every },
    damping: refineDamping,
    corrections: [refine as number],
  }
}
