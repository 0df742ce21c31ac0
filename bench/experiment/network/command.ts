import { Command } from 'commander'
import { upload } from '../../../ts/backend/backend.ts'
import { loadBackend } from '../../../ts/backend/load.ts'
import { cleaningSplit, loadMnist } from '../../../ts/data/index.ts'
import { preconditionedConjugateGradients } from '../../../ts/methods/preconditionedConjugateGradients.ts'
import { multilayerPerceptron } from '../../../ts/problems/model.ts'
import { reweighting } from '../../../ts/problems/reweighting.ts'
import { solve } from '../../../ts/run/solve.ts'
import { accuracy, auc, detection, mostLikely } from '../../../ts/tasks/metrics.ts'
import { Trainer } from '../../../ts/tasks/trainer.ts'
import { write } from '../jobs.ts'

interface Options {
  readonly seed: number
  readonly seeds: number
  readonly outerSteps: number
  readonly quick: boolean
  readonly json?: string
}

/** Accuracies on the test set, shares from 0 to 1. */
export interface PublishedRun {
  readonly seed: number
  /** Of the inner variable at the end, which no trusted image trained. */
  readonly theta: number
  /** Trained from scratch on the noisy images whose weight is above ½ and on the trusted ones. */
  readonly retrained: number
  /** The same with the images that a model trained so far agrees with, three times, from the trusted ones on. */
  readonly filter: number
  /** The same with the images whose label is true. */
  readonly oracle: number
  readonly trustedOnly: number
  /** Of the weights, for images with a wrong label. */
  readonly auc: number
  readonly f1: number
  readonly seconds: number
}

/** The published protocol of hyper-data cleaning with a network. */
const protocol = { samples: 5000, trusted: 5000, noise: 0.5, hidden: [300] }
const regularization = 1e-5
const training = { steps: 2000, rate: 0.05, batchSize: 128, averaging: 0.2 }

/** `npm run experiment -- network`. */
export function networkCommand(): Command {
  return new Command('network')
    .description(
      'a perceptron 784-300-10, 5000 images of MNIST with half of the labels wrong, 5000 trusted ones',
    )
    .option('--seed <n>', 'the first seed', Number, 0)
    .option('--seeds <n>', 'how many', Number, 3)
    .option('--outer-steps <n>', 'outer steps', Number, 150)
    .option('--quick', 'a fifth of the images, 5 outer steps, short trainings', false)
    .option('--json <file>', 'the figures as JSON')
    .action(async ({ seed, seeds, outerSteps, quick, json }: Options) => {
      const runs: PublishedRun[] = []
      for (let i = 0; i < seeds; i++) {
        const run = await published(seed + i, quick ? 5 : outerSteps, quick ? 5 : 1)
        console.error(JSON.stringify(run))
        runs.push(run)
      }
      console.log(table(runs))
      if (json) await write(json, JSON.stringify({ protocol, runs }, null, 2))
    })
}

/** One run; `part` divides the images and the steps of trainings. */
export async function published(seed: number, outerSteps: number, part: number): Promise<PublishedRun> {
  const backend = await loadBackend()
  const mnist = await loadMnist()
  const truth = mnist.train.labels
  const { train, trusted, given } = cleaningSplit(truth, {
    classes: 10,
    trainSize: protocol.samples / part,
    trustedSize: protocol.trusted / part,
    noise: { kind: 'uniform', rate: protocol.noise },
    seed,
  })
  const model = multilayerPerceptron({ classes: 10, hidden: protocol.hidden })
  const rows = Uint32Array.from([...train, ...trusted])
  const labels = Int32Array.from([
    ...Array.from(train, (i) => given[i]),
    ...Array.from(trusted, (i) => truth[i]),
  ])
  const [features, test] = [mnist.train, mnist.test].map((set) => upload(backend, set.features))
  const trainer = new Trainer(backend, 10, { features, rows, labels }, regularization, model)
  const noisy = Array.from(train, (_, i) => i)
  const anchors = Array.from(trusted, (_, i) => train.length + i)
  const onTest = (theta: ArrayLike<number>) => trainer.classifier(theta as Float32Array).probabilities(test)
  const right = (theta: ArrayLike<number>) => accuracy(onTest(theta), 10, mnist.test.labels)
  const recipe = { ...training, steps: training.steps / part, seed }
  const trained = (kept: readonly number[]) =>
    trainer.train(recipe, { positions: Uint32Array.from([...kept, ...anchors]) })

  let judge = await trained([])
  const trustedOnly = right(judge)
  for (let round = 0; round < 3; round++) {
    const p = trainer.probabilities(judge, rows.subarray(0, train.length))
    judge = await trained(noisy.filter((i) => mostLikely(p, 10, i) === labels[i]))
  }
  const filter = right(judge)
  const wrong = noisy.map((i) => labels[i] !== truth[train[i]])
  const oracle = right(await trained(noisy.filter((i) => !wrong[i])))

  const problem = reweighting({
    backend,
    model,
    train: { features, rows: rows.slice(0, train.length), labels: labels.slice(0, train.length) },
    trusted: { features, rows: rows.slice(train.length), labels: labels.slice(train.length) },
    regularization,
  })
  const start = performance.now()
  const { inner, outer } = await solve(problem, {
    method: preconditionedConjugateGradients({
      innerSteps: 40,
      batchSize: 256,
      innerOptimizer: { kind: 'momentum', rate: 0.05 },
    }),
    outerOptimizer: { kind: 'adam', rate: 0.3 },
    outerSteps,
    seed,
  }).result
  const seconds = (performance.now() - start) / 1000
  const doubt = noisy.map((i) => 1 / (1 + Math.exp(outer[i])))
  const flagged = doubt.map((x) => x > 0.5)
  const retrained = right(await trained(noisy.filter((i) => !flagged[i])))
  const { f1 } = detection(flagged, wrong)
  return {
    seed,
    theta: right(inner),
    retrained,
    filter,
    oracle,
    trustedOnly,
    auc: auc(doubt, wrong),
    f1,
    seconds,
  }
}

function table(runs: readonly PublishedRun[]): string {
  const percent = (x: number) => (100 * x).toFixed(2).padStart(6)
  const keys = ['theta', 'retrained', 'filter', 'oracle', 'trustedOnly', 'auc', 'f1'] as const
  const line = (name: string, of: (key: (typeof keys)[number]) => number) =>
    `${name.padEnd(8)}${keys.map((key) => percent(of(key)).padStart(12)).join('')}`
  const mean = (key: (typeof keys)[number]) => runs.reduce((sum, run) => sum + run[key], 0) / runs.length
  const rows = runs.map((run) => line(`seed ${run.seed}`, (key) => run[key]))
  return [
    'per cent'.padEnd(8) + keys.map((key) => key.padStart(12)).join(''),
    ...rows,
    line('mean', mean),
  ].join('\n')
}
