import type { Backend } from '../../../ts/backend/backend.ts'
import type { FisherSettings } from '../../../ts/backend/fisher.ts'
import type { Mnist } from '../../../ts/data/index.ts'
import { multilayerPerceptron, softmaxRegression } from '../../../ts/problems/model.ts'
import { selfInfluence } from '../../../ts/tasks/influence/influence.ts'
import { InfluenceModel } from '../../../ts/tasks/influence/influenceModel.ts'
import type { SelfInfluenceResult } from '../../../ts/tasks/influence/options.ts'
import { auc } from '../../../ts/tasks/metrics.ts'
import { type Draw, draw, half } from './draw.ts'
import { effectsOf } from './effects.ts'
import { datamodellingScore, meanCorrelation, type Retrained } from './judge.ts'
import { convex, type Learner, leaveOneOut, losses, network } from './retrain.ts'
import { rival } from './rivals.ts'

/** How one method fares. */
export interface Row {
  readonly model: 'softmax' | 'perceptron'
  readonly seed: number
  readonly method: string
  /** Mean over test samples of the correlation with leaving one out. */
  readonly leaveOneOut?: number
  /** Linear datamodelling score. */
  readonly lds?: number
  /** Area under the curve by which self-influence finds wrong labels. */
  readonly auc?: number
  /** The same by self-influence and loss together, which are about the loss when the sample is left out. */
  readonly leftOutAuc?: number
  /** Training samples that it is taken from: as many as 10 seconds are enough for. */
  readonly judged?: number
  /** CPU time of all effects once θ is there: of the inverse, and of further trainings where the method wants such. */
  readonly cpuSeconds: number
}

/** Training and test samples. */
export type Sizes = readonly [number, number]

interface Form {
  readonly fisher: FisherSettings
  readonly refine?: number
}

const average = { smoothing: 'average', damping: 0 } as const
const factors = { statistic: 'expected', ...average } as const
const rows = { statistic: 'sampled', rows: 'perSample', ...average } as const

/** Every form of the inverse Fisher. A linear model is damped by its penalty alone. */
const forms: Readonly<Record<string, Form>> = {
  kronecker: { fisher: { form: 'kronecker', ...factors } },
  'kronecker, split': { fisher: { form: 'kronecker', kroneckerDamping: 'split', ...factors } },
  eigenkronecker: { fisher: { form: 'eigenkronecker', ...factors } },
  diagonal: { fisher: { form: 'diagonal', ...rows } },
  'kronecker, split, 5 corrections': {
    fisher: { form: 'kronecker', kroneckerDamping: 'split', ...factors },
    refine: 5,
  },
  'kronecker, 15 corrections': { fisher: { form: 'kronecker', ...factors }, refine: 15 },
  window: { fisher: { form: 'window', length: 512, ...rows } },
  sketch: { fisher: { form: 'sketch', rank: 256, ...rows } },
  samples: { fisher: { form: 'samples', samples: 1024, statistic: 'expected', damping: 0, tolerance: 1e-2 } },
  dense: { fisher: { form: 'dense', ...rows } },
}

/** Seconds of CPU time. */
async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const before = process.cpuUsage()
  const result = await work()
  const { user, system } = process.cpuUsage(before)
  return [result, (user + system) / 1e6]
}

async function retrainings(
  backend: Backend,
  draw: Draw,
  learner: Learner,
  count: number,
): Promise<Retrained[]> {
  const all: Retrained[] = []
  for (let k = 0; k < count; k++) {
    const positions = half(backend, draw.train.labels.length, 5000 + k)
    const theta = await learner.train(positions)
    all.push({ positions, losses: losses(backend, learner.model, draw, theta) })
  }
  return all
}

/** MNIST by softmax regression: every form against leaving out one, retraining on halves, and a tenth of wrong labels. */
export async function* softmaxCase(
  backend: Backend,
  mnist: Mnist,
  seed: number,
  sizes: Sizes,
  quick: boolean,
): AsyncGenerator<Row> {
  const model = softmaxRegression({ classes: 10 })
  const regularization = 1e-3
  const clean = draw(backend, mnist, sizes, seed)
  const noisy = draw(backend, mnist, sizes, seed, 0.1)
  const learner = convex(backend, clean, model, regularization)
  const theta = await learner.train()
  const noisyTheta = await convex(backend, noisy, model, regularization).train()
  const removed = Array.from({ length: quick ? 10 : 20 }, (_, i) => i)
  const changes = await leaveOneOut(backend, clean, learner, theta, removed)
  const retrained = await retrainings(backend, clean, learner, quick ? 10 : 30)
  for (const [method, form] of Object.entries(forms)) {
    const base = { backend, model, regularization, refine: 0, ...form }
    const [found, cpuSeconds] = await timed(async () => {
      const fitted = await InfluenceModel.fit({ ...base, train: clean.train, theta })
      return effectsOf(fitted, clean.test, sizes[0])
    })
    const fitted = await InfluenceModel.fit({ ...base, train: noisy.train, theta: noisyTheta })
    const self = await fitted.selfInfluence({ seconds: 10 })
    yield {
      model: 'softmax',
      seed,
      method,
      leaveOneOut: meanCorrelation(found.subarray(0, changes.length), changes, sizes[1]),
      lds: datamodellingScore(found, retrained),
      ...findingLabels(self, noisy.wrong),
      cpuSeconds,
    }
    fitted.dispose()
  }
}

/** How well a tenth of wrong labels is found, of the samples that were judged. */
function findingLabels({ values, losses }: SelfInfluenceResult, wrong: readonly boolean[]) {
  const judged = values.filter((value) => !Number.isNaN(value)).length
  const area = (scores: Float64Array) => auc(scores.subarray(0, judged), wrong.slice(0, judged))
  return { judged, auc: area(values), leftOutAuc: area(values.map((value, i) => value + losses[i])) }
}

/** The wrong labels alone, by `selfInfluence` with its own defaults. */
export async function labelsCase(backend: Backend, mnist: Mnist, seed: number, [count]: Sizes): Promise<Row> {
  const { train, wrong } = draw(backend, mnist, [count, 1], seed, 0.1)
  const model = softmaxRegression({ classes: 10 })
  const [found, cpuSeconds] = await timed(() => selfInfluence({ backend, model, train }))
  found.model.dispose()
  return { model: 'softmax', seed, method: 'wrong labels', ...findingLabels(found, wrong), cpuSeconds }
}

/** MNIST by a perceptron 784-128-10: each form and two rivals against retraining on halves. */
export async function* perceptronCase(
  backend: Backend,
  mnist: Mnist,
  seed: number,
  sizes: Sizes,
  quick: boolean,
): AsyncGenerator<Row> {
  const model = multilayerPerceptron({ classes: 10, hidden: [128] }) as Parameters<typeof network>[2]
  const regularization = 1e-3
  const all = draw(backend, mnist, sizes, seed)
  const steps = quick ? 40 : 400
  const learner = network(backend, all, model, regularization, seed, steps)
  const theta = await learner.train()
  const retrained = await retrainings(backend, all, learner, quick ? 6 : 24)
  const row = (method: string, lds: number, cpuSeconds: number): Row => ({
    model: 'perceptron',
    seed,
    method,
    lds,
    cpuSeconds,
  })
  for (const [method, { fisher, refine }] of Object.entries(networkForms)) {
    const [found, cpuSeconds] = await timed(async () => {
      const fitted = await InfluenceModel.fit({
        backend,
        model,
        train: all.train,
        regularization,
        theta,
        fisher,
        refine,
      })
      return effectsOf(fitted, all.test, sizes[0])
    })
    yield row(method, datamodellingScore(found, retrained), cpuSeconds)
  }
  for (const [method, judge] of Object.entries(rival)) {
    const [found, cpuSeconds] = await timed(() =>
      judge({ backend, model, draw: all, learner, theta, steps, seed }),
    )
    yield row(method, datamodellingScore(found, retrained), cpuSeconds)
  }
}

const damped = { statistic: 'expected', smoothing: 'average', damping: 1e-3 } as const
const networkForms: Readonly<Record<string, Form>> = {
  kronecker: { fisher: { form: 'kronecker', ...damped } },
  'kronecker, split': { fisher: { form: 'kronecker', kroneckerDamping: 'split', ...damped } },
  eigenkronecker: { fisher: { form: 'eigenkronecker', ...damped } },
  diagonal: { fisher: { form: 'diagonal', ...damped, statistic: 'sampled', rows: 'perSample' } },
  'kronecker, 5 corrections': { fisher: { form: 'kronecker', ...damped }, refine: 5 },
}
