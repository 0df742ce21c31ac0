import type { FisherSettings } from '../../ts/backend/fisher.ts'
import { formFor } from '../../ts/hypergradient/direction.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { type NhgdSettings, paper } from '../../ts/methods/nhgdOptions.ts'
import {
  type PreconditionedConjugateGradientsSettings,
  preconditionedConjugateGradients,
} from '../../ts/methods/preconditionedConjugateGradients.ts'
import { cold } from './cold.ts'
import type { Contender } from './contender.ts'
import type { Feed } from './fisher.ts'
import { fewSteps } from './plain.ts'
import { amigo, type WarmOptions, warm } from './warm.ts'

const samples = 2000
/** Samples that the inner steps of an outer iteration see. */
const seen = 640
/** D̃ = 0.01 as a whole: D is 2e-4. */
const damping = 0.01 - 2e-4
/** Residual at which solves that iterate stop. */
const tolerance = 1e-3

/** Every form × statistic, at the checkpoints alone, with each of the numbers of corrections. */
export function coldContenders(corrections: readonly number[]): Contender[] {
  const labels = ['empirical', 'sampled'] as const
  const all = [...labels, 'expected'] as const
  const row = (detail: string, fisher: FisherSettings, feed?: Feed) =>
    cold({ detail, fisher, feed, corrections })
  const { reset: _, ...printed } = paper.fisher
  const fresh: Feed = { from: 'checkpoint', samples }
  return [
    ...[3, 5, 10, 20].map(fewSteps),
    cold({ detail: 'A = I', corrections }),
    row(
      'the paper: mean gradients, β 0.9, reset each outer iteration',
      { statistic: 'empirical', ...printed },
      { from: 'steps', last: 1, reset: true },
    ),
    row('the same, carried over, β 0.99', { statistic: 'empirical', ...printed, smoothing: 0.99 }),
    row('mean gradients, β 0.99, D̃ 0.01', {
      form: 'dense',
      statistic: 'empirical',
      rows: 'mean',
      smoothing: 0.99,
      damping,
    }),
    ...labels.map((statistic) =>
      row('signed sums, β 0.99, D̃ 0.01', {
        form: 'dense',
        statistic,
        rows: 'signed',
        smoothing: 0.99,
        damping,
      }),
    ),
    ...all.map((statistic) =>
      row(
        'each of 2000 fresh samples, D alone',
        { form: 'dense', statistic, rows: 'perSample', damping: 0 },
        fresh,
      ),
    ),
    row(
      '256 mean gradients, D̃ 0.01',
      { form: 'window', statistic: 'empirical', rows: 'mean', length: 256, smoothing: 'average', damping },
      { from: 'steps', last: 26 },
    ),
    ...labels.map((statistic) =>
      row(
        '256 signed sums, D̃ 0.01',
        { form: 'window', statistic, rows: 'signed', length: 256, smoothing: 'average', damping },
        { from: 'steps', last: 26 },
      ),
    ),
    ...labels.map((statistic) =>
      row(
        '640 samples, D̃ 0.01',
        { form: 'window', statistic, rows: 'perSample', length: seen, smoothing: 'average', damping },
        { from: 'steps', last: 1 },
      ),
    ),
    ...all.flatMap((statistic) =>
      [1, 4].map((last) =>
        row(
          `${last * seen} samples, D̃ 0.01`,
          { form: 'samples', statistic, samples: last * seen, damping, tolerance },
          { from: 'steps', last },
        ),
      ),
    ),
    ...all.map((statistic) =>
      row(
        '2560 samples, D alone',
        { form: 'samples', statistic, samples: 4 * seen, damping: 0, tolerance },
        { from: 'steps', last: 4 },
      ),
    ),
    ...(['joint', 'split'] as const).flatMap((kroneckerDamping) =>
      all.flatMap((statistic) => [
        row(`${kroneckerDamping}, β 0.975, D̃ 0.01`, {
          form: 'kronecker',
          statistic,
          kroneckerDamping,
          smoothing: 0.975,
          damping,
        }),
        row(
          `${kroneckerDamping}, 2000 fresh samples, D alone`,
          { form: 'kronecker', statistic, kroneckerDamping, damping: 0 },
          fresh,
        ),
      ]),
    ),
    ...all.flatMap((statistic) => [
      row('β 0.975, D̃ 0.01', { form: 'eigenkronecker', statistic, smoothing: 0.975, damping }),
      row('2000 fresh samples, D alone', { form: 'eigenkronecker', statistic, damping: 0 }, fresh),
    ]),
    ...all.map((statistic) =>
      row(
        'each of 2000 fresh samples, D alone',
        { form: 'diagonal', statistic, rows: 'perSample', damping: 0 },
        fresh,
      ),
    ),
    ...labels.flatMap((statistic) => [
      row('64 directions of signed sums, β 0.99, D̃ 0.01', {
        form: 'sketch',
        statistic,
        rows: 'signed',
        rank: 64,
        smoothing: 0.99,
        damping,
      }),
      row(
        '128 directions of 2000 fresh samples, D̃ 0.01',
        { form: 'sketch', statistic, rows: 'perSample', rank: 128, damping },
        fresh,
      ),
    ]),
  ]
}

/** Directions that are kept along the run. */
export function warmContenders(): Contender[] {
  const feed: Feed = { from: 'fresh', samples, every: 10 }
  const kronecker: FisherSettings = { form: 'kronecker', statistic: 'expected', damping: 0, keep: 0 }
  const every10 = 'all samples every 10, D alone'
  const sparse = { detail: '1000 samples every 20, D alone', feed: { ...feed, samples: 1000, every: 20 } }
  const row = (options: Partial<WarmOptions>) =>
    warm({ detail: every10, fisher: kronecker, feed, refine: 2, ...options })
  return [
    amigo(10, 64, 0.5),
    ...[1, 2, 4, 8].map((refine) => warm({ detail: 'conjugate gradients alone', refine })),
    ...[0, 1, 2, 4, 8].map((refine) => row({ refine })),
    ...(['f32', 'f64'] as const).map((dtype) => row({ ...sparse, dtype, best: dtype === 'f32' })),
    row({ detail: `${every10}; products over 640`, refineSamples: seen }),
    row({ fisher: { ...kronecker, statistic: 'sampled' } }),
    row({ fisher: { ...kronecker, statistic: 'empirical' } }),
    row({ detail: `split, ${every10}`, fisher: { ...kronecker, kroneckerDamping: 'split' } }),
    row({ fisher: { ...kronecker, form: 'eigenkronecker' } }),
    row({ fisher: { form: 'diagonal', statistic: 'sampled', rows: 'perSample', damping: 0 } }),
    row({
      detail: '640 samples every 10, D̃ 0.01',
      fisher: { form: 'samples', statistic: 'sampled', samples: seen, damping },
      feed: { ...feed, samples: seen },
    }),
    row({
      detail: 'all samples every 50, D alone',
      fisher: { form: 'dense', statistic: 'expected', rows: 'perSample', damping: 0, tolerance: 0.1 },
      feed: { ...feed, every: 50 },
    }),
    defaults(),
    defaults(2),
    online(),
  ]
}

/** What `nhgd()` does; its batches here are smaller than what it would see of a step. */
function online(): Contender {
  const { fisher: settings, ...rest } = nhgd().settings as unknown as NhgdSettings
  const { observe, refine, refineSamples, refineDamping } = rest
  const fisher = usualForm(settings)
  const feed: Feed = { from: 'steps', every: observe.every }
  const detail = `nhgd()'s own: the batch of one step out of ${observe.every}, λ ${fisher.damping}`
  return warm({ detail, fisher, feed, refine: refine as number, refineSamples, refineDamping })
}

/** What `preconditionedConjugateGradients()` does, or what it would do with another number of corrections. */
function defaults(other?: number): Contender {
  const { fisher, refine, refineSamples, refineDamping } = preconditionedConjugateGradients()
    .settings as unknown as PreconditionedConjugateGradientsSettings
  const { refreshEvery: every, refreshSamples: fresh, ...form } = fisher
  const settings = usualForm(form)
  const feed: Feed = { from: 'fresh', samples: fresh, every }
  const own = { feed, refineSamples, refineDamping, default: other === undefined }
  const detail = `preconditionedConjugateGradients()'s own${other === undefined ? '' : ' but for this'}: every ${every}, λ ${fisher.damping}`
  return warm({ detail, fisher: settings, refine: other ?? (refine as number), ...own })
}

/** The methods' own form, for the layer of this problem. */
function usualForm(form: FisherSettings): FisherSettings {
  return formFor({ oracles: { layers: new Uint32Array([51, 10]) } }, form, {})
}
