import { assignFolds } from '../../data/split.ts'
import * as defaults from '../../defaults.ts'
import { Ranks } from '../../run/ranks.ts'
import { meanLoss } from '../metrics.ts'
import type { Theta, Trainer } from '../trainer.ts'
import { fit } from './candidates.ts'

const { checked: constants, perceptron } = defaults.cleanLabels

/**
 * The penalty with the least cross-validated loss of the labels themselves, from the largest down to where the loss
 * rises. Of many samples one fold is enough. The ranks share the folds out.
 */
export async function choosePenalty({
  make,
  training,
  classes,
  positions,
  rows,
  labels,
  ranks = new Ranks(),
}: {
  make: (regularization: number) => Trainer
  training: Parameters<typeof fit>[1]
  classes: number
  /** Positions of samples in the trainers, their rows of the features and their labels. */
  positions: Uint32Array
  rows: Uint32Array
  labels: Uint32Array
  ranks?: Ranks
}): Promise<number> {
  const folds = constants.folds.checked
  const fold = assignFolds(labels, folds, training.seed)
  const isPerceptron = make(0).model.kind === 'mlp'
  const { regularizations } = isPerceptron ? perceptron : constants
  const used = positions.length > 4000 ? 1 : folds
  let best: { loss: number; regularization: number } = {
    loss: Number.POSITIVE_INFINITY,
    regularization: regularizations[0],
  }
  /** Each is known to the rank that its fold falls to. */
  const thetas: (Theta | undefined)[] = []
  for (const regularization of regularizations) {
    const trainer = make(regularization)
    const losses = await ranks.sharedOut(used, async (f) => {
      const inside = positions.filter((_, i) => fold[i] !== f)
      // A perceptron that a large penalty brought to 0 would stay there.
      const start = isPerceptron ? undefined : thetas[f]
      const theta = await fit(trainer, training, start ? 'next' : 'first', inside, start)
      thetas[f] = theta
      const unseen = rows.filter((_, i) => fold[i] === f)
      const p = trainer.probabilities(theta, unseen)
      const truth = labels.filter((_, i) => fold[i] === f)
      return (meanLoss(p, classes, truth) * unseen.length) / positions.length
    })
    const loss = losses.reduce((sum, loss) => sum + loss, 0)
    if (loss < best.loss) best = { loss, regularization }
    else break
  }
  return best.regularization
}
