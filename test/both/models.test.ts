import * as assert from 'uvu/assert'
import { type Backend, upload } from '../../ts/backend/backend.ts'
import type { Samples } from '../../ts/backend/binding.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { close } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('models')
const [n, columns] = [30, 4]

function features(backend: Backend, random: Random) {
  return upload(backend, matrix(random.normals(n * columns), n, columns))
}

function problem(backend: Backend, model: object, samples: Samples) {
  const settings = {
    dtype: 'f64',
    model,
    regularization: 0.1,
    blocks: [{ kind: 'fixedWeights' }],
    outer: 'validation',
  }
  return backend.Problem.bilevel(JSON.stringify(settings), samples, samples, 1, new Float64Array(n).fill(1))
}

function vector(backend: Backend, values: Float64Array) {
  const out = new backend.Vector(values.length, 'f64')
  out.writeF64(values)
  return out
}

const none = (backend: Backend) => new backend.Vector(0, 'f64')

/** g, ∇g and Hu at θ. */
function oraclesAt(backend: Backend, model: object, samples: Samples, theta: Float64Array, u: Float64Array) {
  const oracles = problem(backend, model, samples)
  const point = new backend.Point(vector(backend, theta), none(backend), none(backend))
  const all = backend.Batch.all(n)
  const [gradient, product] = [theta, theta].map((x) => new backend.Vector(x.length, 'f64'))
  const loss = oracles.innerGradient(point, all, gradient)
  oracles.curvatureProduct(point, all, vector(backend, u), product)
  return { loss, gradient: gradient.readF64(), product: product.readF64(), curvature: oracles.curvature }
}

test('linear regression takes continuous targets: g, its gradient and its Hessian are those of least squares', ({
  backend,
}) => {
  const random = new Random(3)
  const x = random.normals(n * columns)
  const y = random.normals(n * 2)
  const uploaded = upload(backend, matrix(x, n, columns))
  const samples = backend.Samples.withTargets(uploaded, undefined, y, 2)
  assert.is(samples.length, n)
  const [theta, u] = [random.normals((columns + 1) * 2), random.normals((columns + 1) * 2)]
  const model = { kind: 'linear', outputs: 2, bias: true }
  const got = oraclesAt(backend, model, samples, theta, u)
  const a = (i: number, j: number) => (j < columns ? x[i * columns + j] : 1)
  const scores = (w: Float64Array, i: number, c: number) =>
    Array.from({ length: columns + 1 }, (_, j) => a(i, j) * w[j * 2 + c]).reduce((s, v) => s + v, 0)
  let loss = 0.1 * theta.reduce((s, t) => s + t * t, 0)
  const [gradient, product] = [theta.map((t) => 0.2 * t), u.map((t) => 0.2 * t)]
  for (let i = 0; i < n; i++) {
    for (let c = 0; c < 2; c++) {
      const error = scores(theta, i, c) - y[i * 2 + c]
      loss += (0.5 * error * error) / n
      for (let j = 0; j <= columns; j++) {
        gradient[j * 2 + c] += (a(i, j) * error) / n
        product[j * 2 + c] += (a(i, j) * scores(u, i, c)) / n
      }
    }
  }
  close([got.loss], [loss], 1e-12)
  close(got.gradient, gradient, 1e-12)
  close(got.product, product, 1e-12)
  assert.is(got.curvature, 'hessian')
})

test('logistic regression is softmax regression of two classes with half of θ for each', ({ backend }) => {
  const random = new Random(4)
  const samples = new backend.Samples(features(backend, random), undefined, random.labels(n, 2))
  const theta = random.normals(columns + 1)
  const both = Float64Array.from({ length: 2 * theta.length }, (_, i) => (i % 2 ? 0.5 : -0.5) * theta[i >> 1])
  const penalty = (w: Float64Array) => 0.1 * w.reduce((s, t) => s + t * t, 0)
  const one = oraclesAt(backend, { kind: 'logistic', bias: true }, samples, theta, theta)
  const two = oraclesAt(backend, { kind: 'softmax', classes: 2, bias: true }, samples, both, both)
  close([one.loss - penalty(theta)], [two.loss - penalty(both)], 1e-12)
  const half = theta.map((t, j) => (two.gradient[2 * j + 1] - two.gradient[2 * j] - 0.2 * t) / 2 + 0.2 * t)
  close(one.gradient, half, 1e-12)
})

test('a perceptron of one output: its gradient is that of differences, and its curvature that of its slopes', ({
  backend,
}) => {
  const random = new Random(8)
  const inputs = features(backend, random)
  const samples = backend.Samples.withTargets(inputs, undefined, random.normals(n), 1)
  const model = { kind: 'mlp', hidden: [3], classes: 1, activation: 'tanh', loss: 'squared' }
  const [theta, u] = [random.normals((columns + 1) * 3 + 4), random.normals((columns + 1) * 3 + 4)]
  const got = oraclesAt(backend, model, samples, theta, u)
  const moved = (x: Float64Array, by: number) =>
    oraclesAt(
      backend,
      model,
      samples,
      theta.map((t, j) => t + by * x[j]),
      u,
    ).loss
  const units = theta.map((_, j) => j)
  const slopes = units.map((j) => {
    const unit = theta.map((_, k) => Number(k === j))
    return (moved(unit, 1e-5) - moved(unit, -1e-5)) / 2e-5
  })
  close(got.gradient, slopes, 1e-8)
  // uᵀCu is the mean square of the slopes of the predictions along u, and the fixed term.
  const predict = new backend.Predictor(JSON.stringify(model), 1)
  const outputs = (by: number) => {
    const at = vector(
      backend,
      theta.map((t, j) => t + by * u[j]),
    )
    return predict.probabilities(at, inputs, backend.Batch.all(n)).readF64()
  }
  const [up, down] = [outputs(1e-5), outputs(-1e-5)]
  const squares = up.reduce((sum, z, i) => sum + ((z - down[i]) / 2e-5) ** 2 / n, 0)
  const along = got.product.reduce((sum, x, j) => sum + x * u[j], 0)
  close([along], [squares + 0.2 * u.reduce((sum, x) => sum + x * x, 0)], 1e-7)
})

test('targets that do not fit a model are refused', async ({ backend }) => {
  const random = new Random(5)
  const x = features(backend, random)
  const values = (columns: number) =>
    backend.Samples.withTargets(x, undefined, random.normals(n * columns), columns)
  const make = (model: object, samples: Samples) => () => problem(backend, model, samples)
  const linear = (outputs: number) => ({ kind: 'linear', outputs, bias: true })
  await refuses('ERR_RANGE', 'targets', make(linear(1), values(2)))
  await refuses('ERR_RANGE', 'labels', make({ kind: 'logistic', bias: true }, values(1)))
  await refuses('ERR_RANGE', 'labels', make({ kind: 'softmax', classes: 2, bias: true }, values(2)))
  await refuses('ERR_RANGE', 'outputs', make(linear(0), values(1)))
  const network = (classes: number, loss: string) => ({
    kind: 'mlp',
    hidden: [2],
    classes,
    activation: 'tanh',
    loss,
  })
  await refuses('ERR_RANGE', 'targets', make(network(1, 'squared'), values(2)))
  await refuses('ERR_RANGE', 'classes', make(network(0, 'squared'), values(1)))
  await refuses('ERR_RANGE', 'classes', make(network(1, 'crossEntropy'), values(1)))
  const classes = new backend.Samples(x, undefined, new Uint32Array(n).fill(1))
  await refuses('ERR_RANGE', 'labels', make(network(1, 'squared'), classes))
  const bad = (targets: Float64Array, columns: number) => () =>
    backend.Samples.withTargets(x, undefined, targets, columns)
  await refuses('ERR_SHAPE', 'targets', bad(new Float64Array(n), 0))
  await refuses('ERR_SHAPE', 'targets', bad(new Float64Array(n + 1), 1))
  await refuses('ERR_SHAPE', 'targets', bad(new Float64Array(2 * n - 1), 2))
  await refuses('ERR_NOT_FINITE', 'targets', bad(new Float64Array(n).fill(Number.NaN), 1))
})

test('a model for which memory is too small is refused before anything is computed', async ({ backend }) => {
  const random = new Random(7)
  const samples = new backend.Samples(features(backend, random), undefined, random.labels(n, 2))
  const model = {
    kind: 'mlp',
    hidden: [2 ** 31],
    classes: 2 ** 31,
    activation: 'relu',
    loss: 'crossEntropy',
  }
  await refuses('ERR_MEMORY', 'model', () => problem(backend, model, samples))
})

test('samples of a Fisher for which memory is too small are refused before anything is computed', async ({
  backend,
}) => {
  const random = new Random(6)
  const classes = 20_000
  const samples = new backend.Samples(features(backend, random), undefined, random.labels(n, classes))
  const oracles = problem(backend, { kind: 'softmax', classes, bias: true }, samples)
  const point = new backend.Point(oracles.initial(0), none(backend), none(backend))
  const settings = { form: 'diagonal', statistic: 'expected', rows: 'perSample', damping: 1 }
  const fisher = new backend.Fisher(
    oracles.innerLength,
    oracles.layers,
    oracles.regularizer(point),
    JSON.stringify(settings),
    true,
  )
  const step = new backend.Step(oracles.innerLength, 'f64')
  // samples · classes · d numbers are more bytes than addresses reach.
  const batch = backend.Batch.of(Uint32Array.from({ length: 300 * n }, (_, i) => i % n))
  const name = 'samples of the Fisher'
  await refuses('ERR_MEMORY', name, () => oracles.observe(point, batch, step, fisher, 0))
  await refuses('ERR_MEMORY', name, () => oracles.innerStepFor(point, batch, step, fisher, 0))
})
test.run()
