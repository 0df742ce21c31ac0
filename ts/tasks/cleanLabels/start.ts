import { NhgdError } from '../../backend/errors.ts'
import * as defaults from '../../defaults.ts'
import type { Ranks } from '../../run/ranks.ts'
import { accuracy, logit } from '../metrics.ts'
import type { Theta, Trainer, Training } from '../trainer.ts'
import { alternate } from './alternate.ts'
import type { Settings } from './options.ts'
import type { Prepared } from './prepare.ts'
import { concat, type Parts } from './split.ts'

const { firstSteps, settling, slope, deviations, shares, priorSamples } = defaults.cleanLabels.margin

/** Where the bilevel run starts. */
export interface Start {
  readonly inner?: Theta
  readonly outer: ArrayLike<number>
  readonly prior?: { readonly mean: readonly number[]; readonly precision: readonly number[] }
  /** How wrong labels arise, C × C. */
  readonly transition?: Float64Array
}

/**
 * Where margin weights start: biases of 0; a slope above 1, since a model that is trained on such labels is less sure
 * than it should be; and a model and the noise transition, which expectation maximisation finds together. It starts
 * from a model of the anchors and from uniform noise. The share of right labels in that noise follows from how often
 * models of one half of the trusted samples agree with the labels, given how often they are right on the other half.
 */
export async function marginStart(
  trainer: Trainer,
  data: Prepared,
  parts: Parts,
  training: Omit<Training, 'steps'>,
  ranks: Ranks,
): Promise<Start> {
  const { classes, free, freeLabels, labelsOf } = data
  const halves = [parts.anchors, concat(parts.outer, parts.heldOut)]
  const ways = [halves, halves.toReversed()]
  const judged = await ranks.sharedOut(ways.length, async (way) => {
    const [positions, others] = ways[way]
    const model = await trainer.train({ ...training, steps: firstSteps, averaging: 0.5 }, { positions })
    const hits = accuracy(trainer.probabilities(model, others), classes, labelsOf(others))
    const agreement = accuracy(trainer.probabilities(model, free), classes, freeLabels)
    const chance = (1 - hits) / (classes - 1)
    return { model, right: (agreement - chance) / Math.max(0.05, hits - chance) }
  })
  const [one, other] = judged
  const share = Math.min(shares.most, Math.max(shares.least, (one.right + other.right) / 2))
  let transition = trainer.backend.Transition.uniform(share, classes)
  const inner = await alternate(trainer, data, parts.anchors, one.model, settling, training, (p) => {
    transition = transition.estimate(p, freeLabels, slope)
    return transition.margins(p, freeLabels, slope)
  })
  const perClass = (value: number, last: number) => [...Array<number>(classes).fill(value), last]
  const outer = perClass(0, slope)
  const count = Math.min(priorSamples, parts.outer.length)
  const precision = perClass(1 / deviations.bias ** 2 / count, 1 / deviations.slope ** 2 / count)
  return { inner, outer, transition: transition.entries(), prior: { mean: outer, precision } }
}

/** Logits of the given weights, or of ½. */
export function perSampleStart({ weights }: Settings, { free }: Prepared): Start {
  if (!weights) return { outer: new Float64Array(free.length) }
  if (weights.length !== free.length) {
    const expected = `${free.length}, one per row that is not trusted`
    throw new NhgdError('ERR_SHAPE', `"weights" expected ${expected}, got ${weights.length}`)
  }
  const odd = Array.from(weights).findIndex((w) => !(w >= 0 && w <= 1))
  if (odd >= 0) {
    throw new NhgdError('ERR_RANGE', `"weights" expected 0 to 1, got ${weights[odd]} at index ${odd}`)
  }
  return { outer: Float64Array.from(weights, (w) => logit(Math.min(1 - 1e-6, Math.max(1e-6, w)))) }
}
