import * as assert from 'uvu/assert'
import { type Backend, upload } from '../../ts/backend/backend.ts'
import type { Point } from '../../ts/backend/binding.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { checkHypergradient } from '../../ts/methods/checkHypergradient.ts'
import { conjugateGradients } from '../../ts/methods/conjugateGradients.ts'
import { exact } from '../../ts/methods/exact.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { unrolled } from '../../ts/methods/unrolled.ts'
import { bilevel } from '../../ts/problems/bilevel.ts'
import { type Block, learnedInputs, learnedTargets, sampleWeights } from '../../ts/problems/blocks.ts'
import { type DistillationOptions, distillation } from '../../ts/problems/distillation.ts'
import {
  convolutionalNetwork,
  linearRegression,
  logisticRegression,
  type Model,
  multilayerPerceptron,
  softmaxRegression,
} from '../../ts/problems/model.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { hypergradient } from '../../ts/run/hypergradient.ts'
import { solve } from '../../ts/run/solve.ts'
import { close } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('distillation')
const [n, columns, classes] = [6, 3, 3]

/** Random samples, of as many classes as the model has, or with random targets. */
function setOf(random: Random, count: number, model: Model) {
  const features = matrix(random.normals(count * columns), count, columns)
  if (model.kind === 'linear') {
    return { features, targets: matrix(random.normals(2 * count), count, 2) }
  }
  return { features, labels: random.labels(count, model.kind === 'logistic' ? 2 : classes) }
}

function problemOf(backend: Backend, model: Model, hyperparameters: Record<string, Block>): Problem {
  const random = new Random(3)
  const [train, validation] = [setOf(random, n, model), setOf(random, 9, model)]
  return bilevel({ backend, model, train, validation, hyperparameters, regularization: 0.05, dtype: 'f64' })
}

const models: Record<string, Model> = {
  'softmax regression': softmaxRegression({ classes }),
  'softmax regression without a bias': softmaxRegression({ classes, bias: false }),
  'logistic regression': logisticRegression(),
  'linear regression of two outputs': linearRegression({ outputs: 2 }),
  'a perceptron': multilayerPerceptron({ classes, hidden: [4], activation: 'tanh' }),
  'a deep perceptron with the squared loss': multilayerPerceptron({
    classes,
    hidden: [4, 3],
    activation: 'gelu',
    loss: 'squared',
  }),
  'a convolutional network': convolutionalNetwork({
    classes,
    image: { height: 1, width: columns },
    convolutions: [{ channels: 3, kernel: 1, pool: 1 }],
    activation: 'tanh',
  }),
  'a perceptron without hidden layers': multilayerPerceptron({ classes, hidden: [] }),
}
const blocks: Record<string, () => Record<string, Block>> = {
  inputs: () => ({ inputs: learnedInputs() }),
  targets: () => ({ targets: learnedTargets() }),
  'inputs, targets and weights': () => ({
    weights: sampleWeights({ anchors: 2 }),
    inputs: learnedInputs(),
    targets: learnedTargets(),
  }),
}
const h = 1e-6

for (const [name, model] of Object.entries(models)) {
  for (const [learned, hyperparameters] of Object.entries(blocks)) {
    test(`${name}, learned ${learned}: ∇_θ g, Hu and Lᵀu on a batch are differences`, ({ backend }) => {
      const problem = problemOf(backend, model, hyperparameters())
      const { oracles } = problem
      const random = new Random(5)
      const theta = random.normals(oracles.innerLength, 0.5)
      const start = problem.start().outer.readF64()
      const v = start.map((x) => x + random.normals(1, 0.3)[0])
      const at = (inner: ArrayLike<number>, outer: ArrayLike<number>) => problem.start(0, { inner, outer })
      const along = (x: Float64Array, u: Float64Array, by: number) => x.map((value, i) => value + by * u[i])
      // Sample 4 counts twice.
      for (const batch of [backend.Batch.all(n), backend.Batch.of(Uint32Array.of(4, 1, 4, 0))]) {
        const of = (where: Point) => {
          const gradient = problem.zeros(theta.length)
          const loss = oracles.innerGradient(where, batch, gradient)
          return { loss, gradient }
        }
        const u = random.normals(theta.length)
        const direction = problem.vector(u)
        const point = at(theta, v)
        const [up, down] = [h, -h].map((by) => of(at(along(theta, u, by), v)))
        close([of(point).gradient.dot(direction)], [(up.loss - down.loss) / (2 * h)], 1e-7)
        const product = problem.zeros(theta.length)
        oracles.hessianProduct(point, batch, direction, product)
        up.gradient.axpy(-1, down.gradient)
        const expected = up.gradient.readF64().map((x) => x / (2 * h))
        close(product.readF64(), expected, 1e-6, 'Hu')
        const cross = problem.zeros(v.length)
        oracles.crossProduct(point, batch, direction, 1, cross)
        const differences = v.map((_, j) => {
          const [more, less] = [h, -h].map((by) => {
            const moved = v.slice()
            moved[j] += by
            return of(at(theta, moved)).gradient.dot(direction)
          })
          return (more - less) / (2 * h)
        })
        close(cross.readF64(), differences, 1e-6, 'Lᵀu')
      }
    })
  }
}

for (const name of ['softmax regression', 'logistic regression', 'linear regression of two outputs']) {
  test(`${name}: the hypergradient of learned samples is that of the value function`, async ({ backend }) => {
    const problem = problemOf(backend, models[name], {
      inputs: learnedInputs(),
      targets: learnedTargets(),
    })
    const { verdict, worst } = await checkHypergradient(problem, { method: exact(), directions: 4 })
    assert.ok(worst < 1e-5, verdict)
  })
}

test('at one point, conjugate gradients, nhgd and unrolling agree with exact differentiation', async ({
  backend,
}) => {
  const problem = problemOf(backend, models['softmax regression'], {
    inputs: learnedInputs(),
    targets: learnedTargets(),
  })
  const at = {
    inner: new Random(4).normals(problem.oracles.innerLength, 0.5),
    outer: problem.start().outer.readF64(),
  }
  const estimates = [
    exact({ innerSteps: 0 }),
    conjugateGradients({ innerSteps: 0, steps: 40, tolerance: 1e-12, curvatureSamples: n }),
    nhgd({ innerSteps: 1, batchSize: n, refine: 40, refineSamples: n, refineDamping: 0, cross: 'all' }),
    unrolled({ innerSteps: 2000, depth: 2000, batchSize: n, rate: 0.3 }),
  ].map((method) => hypergradient(problem, { method, ...at }))
  const [one, ...others] = await Promise.all(estimates)
  for (const other of others) close(other.hypergradient, one.hypergradient, 1e-6)
})

test('unrolled is the derivative of f after the inner steps, for learned samples', async ({ backend }) => {
  const problem = problemOf(backend, models['softmax regression'], {
    inputs: learnedInputs(),
    targets: learnedTargets(),
  })
  const v = problem.start().outer.readF64()
  const after = async (outer: Float64Array) => {
    const found = { loss: 0, hypergradient: v }
    await solve(problem, {
      method: unrolled({ innerSteps: 5, depth: 5, batchSize: n, rate: 0.5 }),
      outer,
      outerSteps: 1,
      onStep({ outerLoss, estimate }) {
        Object.assign(found, { loss: outerLoss, hypergradient: estimate.hypergradient.readF64() })
      },
    }).result
    return found
  }
  const differences = await Promise.all(
    Array.from(v.keys(), async (j) => {
      const [up, down] = await Promise.all([h, -h].map((by) => after(v.with(j, v[j] + by))))
      return (up.loss - down.loss) / (2 * h)
    }),
  )
  close((await after(v)).hypergradient, differences, 1e-6)
})

/** θ of the least of g for fixed samples, by Newton’s method. */
async function minimum(problem: Problem, outer: ArrayLike<number>): Promise<Float64Array> {
  const { backend, oracles } = problem
  const point = problem.start(0, { outer })
  const [gradient, step] = [problem.zeros(oracles.innerLength), problem.zeros(oracles.innerLength)]
  for (let k = 0; k < 20; k++) {
    oracles.innerGradient(point, backend.Batch.all(oracles.samples), gradient)
    oracles.exactDirection(point, gradient, step, true)
    point.inner.axpy(-1, step)
  }
  return point.inner.readF64()
}

// Chen et al. (NeurIPS 2024): one sample per class can hold a whole linear model.
test('one sample per class X = aθᵀ with its soft labels holds all of a softmax regression', async ({
  backend,
}) => {
  const random = new Random(8)
  const regularization = 1e-3
  const count = 60
  const data = setOf(random, count, models['softmax regression'])
  const model = softmaxRegression({ classes })
  const full = bilevel({
    backend,
    model,
    train: data,
    validation: data,
    hyperparameters: {},
    regularization,
    dtype: 'f64',
  })
  const theta = await minimum(full, [])
  const w = (j: number, c: number) => theta[j * classes + c]
  // ∇g = X̄ᵀ(P − Y) / C + 2 reg θ vanishes at θ for Y = P + (K/a)(I − 11ᵀ/C) + (K/C) 1 bᵀ with K = 2 reg C.
  const [a, k] = [0.5, 2 * regularization * classes]
  const inputs = Array.from(
    { length: classes * columns },
    (_, i) => a * w(i % columns, Math.floor(i / columns)),
  )
  const logits: number[] = []
  for (let i = 0; i < classes; i++) {
    const z = Array.from({ length: classes }, (_, c) => {
      const own = Array.from({ length: columns }, (_, j) => inputs[i * columns + j] * w(j, c))
      return own.reduce((sum, x) => sum + x, w(columns, c))
    })
    const sum = z.reduce((sum, z) => sum + Math.exp(z), 0)
    for (const [c, z_c] of z.entries()) {
      const y =
        Math.exp(z_c) / sum + (k / a) * (Number(i === c) - 1 / classes) + (k / classes) * w(columns, c)
      assert.ok(y > 0)
      logits.push(Math.log(y))
    }
  }
  const problem = distillation({
    backend,
    model,
    data: data as DistillationOptions['data'],
    perClass: 1,
    learnTargets: true,
    regularization,
    dtype: 'f64',
  })
  close(await minimum(problem, [...inputs, ...logits]), theta, 1e-8)
})

test('the samples of a distillation start at real ones of each class, and are named', async ({ backend }) => {
  const random = new Random(1)
  const features = matrix(
    Uint8Array.from(random.normals(30 * columns), (x) => 100 + 20 * x),
    30,
    columns,
    0.01,
  )
  const labels = Int32Array.from({ length: 30 }, (_, i) => (i * 7) % classes)
  const options = { backend, model: softmaxRegression({ classes }), data: { features, labels }, perClass: 2 }
  const problem = distillation({ ...options, learnTargets: true, dtype: 'f64', seed: 4 })
  const { inputs, targets } = problem.hyperparameters(problem.start())
  for (let i = 0; i < 2 * classes; i++) {
    const own = Array.from(inputs.subarray(i * columns, (i + 1) * columns))
    const row = labels.findIndex((label, r) => {
      const there = own.every((x, j) => Math.abs(x - 0.01 * features.data[r * columns + j]) < 1e-12)
      return there && label === Math.floor(i / 2)
    })
    assert.ok(row >= 0, `sample ${i}`)
    close(
      targets.subarray(i * classes, (i + 1) * classes),
      Array.from({ length: classes }, (_, c) => (c === Math.floor(i / 2) ? 0.9 : 0.05)),
      1e-12,
    )
  }
  const starts = [4, 5].map((seed) =>
    distillation({ ...options, seed })
      .start()
      .outer.readF32(),
  )
  assert.not.equal(starts[0], starts[1])
  const { hyperparameters, outerLoss } = await solve(problem, { outerSteps: 30, seed: 2 }).result
  assert.is(hyperparameters.inputs.length, 2 * classes * columns)
  assert.ok(outerLoss < problem.oracles.outerLoss(problem.start()))
})

test('a distillation that cannot be is refused by name', async ({ backend }) => {
  const random = new Random(1)
  const features = matrix(random.normals(12), 4, 3)
  const labels = [0, 1, 0, 1]
  const model = softmaxRegression({ classes: 2 })
  const make = (options: object) =>
    distillation({
      backend,
      model,
      data: { features, labels },
      perClass: 1,
      ...options,
    } as DistillationOptions)
  assert.is(make({}).oracles.outerLength, 6)
  await refuses('ERR_RANGE', 'perClass', () => make({ perClass: 3 }))
  await refuses('ERR_RANGE', 'perClass', () => make({ perClass: 0 }))
  await refuses('ERR_RANGE', 'perClass', () => make({ data: { features, labels: [0, 0, 2, 2] } }))
  await refuses('ERR_RANGE', 'options', () => make({ train: {} }))
  await refuses('ERR_RANGE', 'data', () => make({ data: { features, targets: [1, 2, 3, 4] } }))
  await refuses('ERR_RANGE', 'data.features', () =>
    make({ data: { features: upload(backend, features), labels } }),
  )
  await refuses('ERR_RANGE', 'learnTargets', () => make({ learnTargets: 1 }))
  await refuses('ERR_RANGE', 'seed', () => make({ seed: -1 }))
  const set = { features, labels }
  const both = (hyperparameters: Record<string, Block>) =>
    bilevel({ backend, model, train: set, validation: set, hyperparameters }).oracles
  await refuses('ERR_RANGE', 'learnedInputs', () => both({ a: learnedInputs(), b: learnedInputs() }))
  await refuses('ERR_RANGE', 'learnedTargets', () => both({ a: learnedTargets(), b: learnedTargets() }))
  await refuses('ERR_SHAPE', 'prior mean', () =>
    both({ a: learnedInputs({ prior: { mean: [1], precision: [1] } }) }),
  )
  await refuses('ERR_RANGE', 'confidence', () => learnedTargets({ confidence: 1 }))
  await refuses('ERR_RANGE', 'confidence', () => learnedTargets({ confidence: 0 }))
})

test.run()
