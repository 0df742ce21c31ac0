import * as assert from 'uvu/assert'
import { type Backend, upload } from '../../ts/backend/backend.ts'
import { Fisher } from '../../ts/backend/fisher.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import type { FisherSettings } from '../../ts/backend/settings.ts'
import { bilevel } from '../../ts/problems/bilevel.ts'
import { type Block, learnedInputs, penalty, sampleWeights } from '../../ts/problems/blocks.ts'
import { type ConvolutionalOptions, convolutionalNetwork, predictor } from '../../ts/problems/model.ts'
import { Classifier } from '../../ts/tasks/classifier.ts'
import { close } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { fixture } from '../support/fixtures.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('convolutional networks')

/** What test/fixtures/convolutional.py calls cases. */
const cases: Record<string, ConvolutionalOptions> = {
  convolutional_max: {
    classes: 3,
    image: { channels: 2, height: 5, width: 6 },
    convolutions: [
      { channels: 3, kernel: 3, padding: 1, pool: 2 },
      { channels: 2, kernel: 2 },
    ],
    hidden: [4],
    activation: 'tanh',
  },
  convolutional_average: {
    classes: 3,
    image: { height: 8, width: 7 },
    convolutions: [
      { channels: 2, kernel: 3, stride: 2, padding: 2, pool: 2 },
      { channels: 3, kernel: 2, padding: 1 },
    ],
    pooling: 'average',
    activation: 'gelu',
  },
}

function problemOf(backend: Backend, name: string, hyperparameters: Record<string, Block>) {
  const { scalars, arrays } = fixture(name)
  const set = (x: Float64Array, y: Float64Array) => ({
    features: matrix(x, y.length, x.length / y.length),
    labels: y,
  })
  const problem = bilevel({
    backend,
    model: convolutionalNetwork(cases[name]),
    train: set(arrays.X, arrays.y),
    validation: set(arrays.Xval, arrays.yval),
    hyperparameters,
    regularization: scalars.reg,
    dtype: 'f64',
  })
  return { problem, scalars, arrays }
}

for (const name of Object.keys(cases)) {
  test(`${name}: every oracle agrees with JAX`, ({ backend }) => {
    const { problem, scalars, arrays } = problemOf(backend, name, { weights: sampleWeights() })
    const { oracles } = problem
    const [all, n] = [backend.Batch.all(arrays.y.length), arrays.y.length]
    assert.is(oracles.innerLength, arrays.theta.length)
    const point = problem.start(0, { inner: arrays.theta, outer: arrays.v })
    const u = problem.vector(arrays.u)
    const written = (length: number, write: (out: ReturnType<typeof problem.zeros>) => unknown) => {
      const out = problem.zeros(length)
      write(out)
      return out.readF64()
    }
    const d = arrays.theta.length
    close([oracles.innerLoss(point)], [scalars.g], 1e-12, 'g')
    close([oracles.outerLoss(point)], [scalars.f], 1e-12, 'f')
    close(
      written(d, (out) => oracles.innerGradient(point, all, out)),
      arrays.grad_g,
      1e-10,
      '∇g',
    )
    const target = written(d, (out) => oracles.outerGradient(point, problem.zeros(n), out))
    close(target, arrays.grad_f, 1e-10, '∇f')
    const product = written(d, (out) => oracles.curvatureProduct(point, all, u, out))
    close(product, arrays.gauss_newton_u, 1e-10, 'Gu')
    close(
      written(d, (out) => oracles.hessianProduct(point, all, u, out)),
      arrays.hessian_u,
      1e-10,
      'Hu',
    )
    close(
      written(n, (out) => oracles.crossProduct(point, all, u, 1, out)),
      arrays.cross_weights_u,
      1e-10,
      'Lᵀu',
    )
    for (let j = 0; j < d; j += 7) {
      const unit = problem.vector(Float64Array.from({ length: d }, (_, k) => (k === j ? 1 : 0)))
      const column = Float64Array.from({ length: n }, (_, i) => arrays.per_sample_grads[i * d + j])
      close(oracles.sensitivities(point, all, unit).readF64(), column, 1e-10, `entry ${j} of ∇ℓ_i`)
    }
    const features = upload(backend, matrix(arrays.Xval, arrays.yval.length, arrays.X.length / n))
    const model = predictor(backend, convolutionalNetwork(cases[name]))
    const p = model.probabilities(point.inner, features, backend.Batch.all(arrays.yval.length))
    close(p.readF64(), arrays.probabilities, 1e-12, 'probabilities')
  })

  test(`${name}: learned inputs move as JAX says`, ({ backend }) => {
    const hyperparameters = { weights: sampleWeights(), inputs: learnedInputs() }
    const { problem, arrays } = problemOf(backend, name, hyperparameters)
    const outer = Float64Array.of(...arrays.v, ...arrays.X)
    const point = problem.start(0, { inner: arrays.theta, outer })
    const out = problem.zeros(outer.length)
    const all = backend.Batch.all(arrays.y.length)
    problem.oracles.crossProduct(point, all, problem.vector(arrays.u), 1, out)
    const expected = Float64Array.of(...arrays.cross_weights_u, ...arrays.cross_inputs_u)
    close(out.readF64(), expected, 1e-10, 'Lᵀu')
  })

  test(`${name}: Fishers of samples and of rows are the Gauss–Newton matrix, Kronecker factors those of JAX`, async ({
    backend,
  }) => {
    const { problem, scalars, arrays } = problemOf(backend, name, { weights: sampleWeights() })
    const { oracles } = problem
    const all = backend.Batch.all(arrays.y.length)
    const point = problem.start(0, { inner: arrays.theta, outer: arrays.v })
    const solved = async (settings: FisherSettings) => {
      const fisher = new Fisher(backend, oracles, point, { ...settings, concurrent: false })
      const step = new backend.Step(oracles.innerLength, 'f64')
      oracles.observe(point, all, step, fisher.handle, 1)
      await fisher.observe(step)
      const out = problem.zeros(oracles.innerLength)
      await fisher.solve(problem.vector(arrays.grad_f), out)
      return out
    }
    const { damping } = scalars
    const statistic = 'expected'
    const usual = { statistic, damping, smoothing: 'average' } as const
    const dense = await solved({ form: 'dense', rows: 'perSample', ...usual })
    const back = problem.zeros(oracles.innerLength)
    oracles.curvatureProduct(point, all, dense, back)
    back.axpy(damping, dense)
    close(back.readF64(), arrays.grad_f, 1e-8, 'the damped system')
    const samples = await solved({ form: 'samples', statistic, damping, samples: 12, tolerance: 1e-12 })
    close(samples.readF64(), dense.readF64(), 1e-8, 'samples')
    for (const sharing of ['expand', 'reduce'] as const) {
      const got = await solved({ form: 'kronecker', sharing, ...usual })
      close(got.readF64(), arrays[`kronecker_${sharing}`], 1e-8, `kronecker, ${sharing}`)
    }
  })
}

test('a classifier with convolutions is saved, loaded and scaled', ({ backend }) => {
  const { arrays } = fixture('convolutional_max')
  const model = convolutionalNetwork(cases.convolutional_max)
  const classifier = new Classifier(backend, 3, 60, arrays.theta, model)
  const features = matrix(arrays.Xval, arrays.yval.length, 60)
  close(classifier.probabilities(features), arrays.probabilities, 1e-12)
  for (const format of ['npz', 'safetensors'] as const) {
    const loaded = Classifier.load(backend, classifier.save({ format }))
    assert.equal([loaded.columns, loaded.classes, loaded.model], [60, 3, model])
    close(loaded.probabilities(features), arrays.probabilities, 1e-12)
  }
  const halves = matrix(
    arrays.Xval.map((x) => x / 2),
    arrays.yval.length,
    60,
  )
  close(classifier.forScale(2).probabilities(halves), arrays.probabilities, 1e-12)
})

test('images, windows and penalties that do not fit are refused', async ({ backend }) => {
  const model = convolutionalNetwork(cases.convolutional_max)
  const set = { features: matrix(new Float64Array(60), 2, 30), labels: [0, 1] }
  const build = (given: object, hyperparameters: Record<string, Block> = {}, features = set.features) => {
    const train = { ...set, features }
    const options = { backend, model: given as typeof model, train, validation: train, hyperparameters }
    return () => bilevel(options).oracles
  }
  await refuses('ERR_SHAPE', 'features', build(model))
  const images = matrix(new Float64Array(120), 2, 60)
  await refuses('ERR_RANGE', 'per', build(model, { penalty: penalty({ per: 'feature' }) }, images))
  // What crosses to the engine unchecked.
  const { image, convolutions } = model as Extract<typeof model, { kind: 'convolutional' }>
  const first = (change: object) => ({ ...model, convolutions: [{ ...convolutions[0], ...change }] })
  for (const change of [
    { kernel: 9 },
    { kernel: 0 },
    { stride: 0 },
    { pool: 0 },
    { pool: 7 },
    { channels: 0 },
  ]) {
    await refuses('ERR_RANGE', 'convolutions\\[0\\]', build(first(change), {}, images))
  }
  await refuses('ERR_RANGE', 'image', build({ ...model, image: { ...image, width: 0 } }, {}, images))
  await refuses('ERR_MEMORY', 'model', build(first({ padding: 2 ** 24 }), {}, images))
  await refuses('ERR_MEMORY', 'model', build(first({ channels: 2 ** 32 - 1, kernel: 1 }), {}, images))
})

test.run()
