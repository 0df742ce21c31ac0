import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type Matrix, matrix } from '../../ts/backend/matrix.ts'
import { groupFolds, holdOut, kFolds, timeFolds } from '../../ts/data/folds.ts'
import { penalty } from '../../ts/problems/blocks.ts'
import { Classifier } from '../../ts/tasks/classifier.ts'
import { coefficientColumns } from '../../ts/tasks/tuneRegularization/coefficientColumns.ts'
import { foldMaker } from '../../ts/tasks/tuneRegularization/folds.ts'
import { LeastSquares } from '../../ts/tasks/tuneRegularization/leastSquares.ts'
import { objective, type PenaltyShape } from '../../ts/tasks/tuneRegularization/objective.ts'
import {
  checked,
  type TuneRegularizationOptions,
  type TuneRegularizationResult,
} from '../../ts/tasks/tuneRegularization/options.ts'
import { PenaltyTerm } from '../../ts/tasks/tuneRegularization/penaltyTerm.ts'
import { prepare } from '../../ts/tasks/tuneRegularization/prepare.ts'
import { Regressor } from '../../ts/tasks/tuneRegularization/regressor.ts'
import { tune, tuneRegularization } from '../../ts/tasks/tuneRegularization/tuneRegularization.ts'
import { close, same } from '../support/close.ts'
import { denseSolve } from '../support/dense.ts'
import { refuses } from '../support/errors.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('tuneRegularization')

/** A few features of many that matter, noise, and classes by the same scores. */
function sparse(n: number, columns: number, relevant: number, seed: number, scale = 1) {
  const random = new Random(seed)
  const data = random.normals(n * columns).map((x) => scale * x)
  const noise = random.normals(n)
  const targets = Float64Array.from({ length: n }, (_, i) => {
    let z = 3 + 0.5 * noise[i]
    for (let j = 0; j < relevant; j++) z += (j % 2 === 0 ? 1 : -1) * (data[i * columns + j] / scale)
    return z
  })
  const labels = targets.map((z) => (z > 3.5 ? 2 : z > 2.5 ? 1 : 0))
  return { features: matrix(data, n, columns), targets, labels }
}

/** ∇_θ g by central differences. */
function slope(g: (theta: Float64Array) => number, theta: Float64Array): Float64Array {
  return theta.map((_, j) => {
    const at = (by: number) => {
      const moved = theta.slice()
      moved[j] += by
      return g(moved)
    }
    return (at(1e-6) - at(-1e-6)) / 2e-6
  })
}

test('penalised least squares ends where the gradient is 0, and solves with the Hessian there', async ({
  backend,
}) => {
  for (const [n, d] of [
    [30, 8],
    [12, 25],
  ]) {
    const random = new Random(n)
    const x = random.normals(n * d)
    const y = random.normals(n * 2)
    const solver = new LeastSquares(backend, x, y, n, 2)
    for (const [power, strength] of [
      [2, 0.1],
      [1, 0.05],
      [0.5, 0.02],
    ]) {
      const strengths = Float64Array.from({ length: (d + 1) * 2 }, (_, k) =>
        k < 2 * d ? strength * (1 + (k % 3)) : 0,
      )
      const term = new PenaltyTerm(strengths, power)
      const theta = new Float64Array((d + 1) * 2)
      await solver.minimize(theta, new PenaltyTerm(strengths, 2))
      await solver.minimize(theta, term)
      const g = (theta: Float64Array) => {
        let sum = 0
        for (let i = 0; i < n; i++) {
          for (let c = 0; c < 2; c++) {
            let z = theta[2 * d + c] - y[2 * i + c]
            for (let j = 0; j < d; j++) z += x[i * d + j] * theta[2 * j + c]
            sum += (z * z) / (2 * n)
          }
        }
        return sum + term.value(theta)
      }
      const left = slope(g, theta).reduce((most, s) => Math.max(most, Math.abs(s)), 0)
      assert.ok(left < 1e-4, `${n} × ${d}, q = ${power}: a slope of ${left} is left`)
      const second = term.second(theta)
      const size = theta.length
      const h = new Float64Array(size * size)
      for (let i = 0; i < n; i++) {
        for (let a = 0; a <= d; a++) {
          for (let b = 0; b <= d; b++) {
            const product = ((a < d ? x[i * d + a] : 1) * (b < d ? x[i * d + b] : 1)) / n
            for (let c = 0; c < 2; c++) h[(2 * a + c) * size + 2 * b + c] += product
          }
        }
      }
      for (let k = 0; k < size; k++) h[k * size + k] += second[k]
      const b = random.normals(size)
      const { u, indefinite } = await solver.direction(theta, term, b)
      assert.not(indefinite)
      close(u, denseSolve(h, b), 1e-6, `${n} × ${d}, q = ${power}`)
    }
  }
})

test('the hypergradient over folds is that of central differences', async ({ backend }) => {
  const { features, targets, labels } = sparse(40, 6, 3, 1)
  const folds = kFolds(40, 4, 2)
  const kinds = [{ targets }, { labels: labels.map((y) => Math.min(1, y)) }, { labels }]
  for (const given of kinds) {
    const data = prepare({
      backend,
      features,
      ...('targets' in given ? { targets: matrix(given.targets as Float64Array, 40, 1) } : given),
    })
    for (const power of ['learned', 2, 0.7] as const) {
      const groups = new Int32Array(7 * data.outputs).fill(-1).map((_, k) => (k < 6 * data.outputs ? 0 : -1))
      const shape: PenaltyShape = { groups, strengths: 1, power }
      const own = foldMaker(backend, data)(folds).penalised(penalty({ per: 'all', power }))
      const starts = folds.map(() => new Float64Array(7 * data.outputs))
      for (const [k, { solver }] of own.folds.entries())
        await solver.minimize(
          starts[k],
          new PenaltyTerm(
            Float64Array.from(groups, (g) => (g < 0 ? 0 : 0.05)),
            2,
          ),
        )
      const evaluate = objective(own, shape, starts)
      const v = Float64Array.from(power === 'learned' ? [-3, 0.3] : [-3])
      const at = await evaluate(v)
      const numeric: number[] = []
      for (let k = 0; k < v.length; k++) {
        const moved = async (by: number) => {
          const w = v.slice()
          w[k] += by
          return (await evaluate(w)).value
        }
        numeric.push(((await moved(1e-4)) - (await moved(-1e-4))) / 2e-4)
      }
      close(at.gradient, numeric, 2e-3, `${Object.keys(given)[0]} ${data.outputs} ${power}`)
    }
  }
})

test('a sparse model leaves out what does not matter, and predicts better than ridge', async ({
  backend,
}) => {
  const { features, targets } = sparse(60, 100, 3, 4)
  const result = await tuneRegularization({ backend, features, targets })
  assert.equal(
    result.coefficients
      .slice(0, 3)
      .map(({ feature }) => feature)
      .sort(),
    [0, 1, 2],
  )
  assert.ok(result.leftOut.length > 80 && !result.leftOut.some((j) => j < 3))
  assert.ok(result.penalty.power < 1.5)
  assert.ok(result.losses.chosen.value < 0.7 * result.losses.ridge.value)
  const test = sparse(500, 100, 3, 5)
  const predicted = (result.model as Regressor).predict(test.features)
  const error = predicted.reduce((sum, z, i) => sum + (z - test.targets[i]) ** 2, 0) / 500
  assert.ok(error < 1.3 * 0.25, `${error}, where the noise alone has 0.25`)
  close(result.intercepts, [3], 0.1)
})

test('a grid that is moved ends at the same loss, though other minima are near', async ({ backend }) => {
  const { features, targets } = sparse(50, 120, 6, 22)
  const options = checked({ backend, features, targets })
  const losses: number[] = []
  for (const shift of [0.75, 1, 1.3]) losses.push((await tune(options, { shift })).losses.chosen.value)
  assert.ok(Math.max(...losses) <= 1.01 * Math.min(...losses), losses.join())
})

test('coefficients are in the units of the user, and a saved model predicts the same', async ({
  backend,
}) => {
  const [plain, scaled] = [sparse(50, 5, 2, 6), sparse(50, 5, 2, 6, 1000)]
  const targets = plain.targets.map((y) => 10 * y - 7)
  const { features, targets: own } = plain
  const one = await tuneRegularization({ backend, features, targets: own })
  const other = await tuneRegularization({ backend, features: scaled.features, targets })
  const values = (result: typeof one) => result.coefficients.map(({ value }) => value)
  close(
    values(other).map((x) => 100 * x),
    values(one),
    1e-6,
  )
  const model = other.model as Regressor
  same(Regressor.load(model.save()).predict(scaled.features), model.predict(scaled.features))
  close(
    model.predict(scaled.features),
    (one.model as Regressor).predict(plain.features).map((y) => 10 * y - 7),
    1e-6,
  )
})

test('classes: logistic and softmax regression', async ({ backend }) => {
  const { features, labels } = sparse(120, 10, 2, 7)
  for (const given of [labels, labels.map((y) => Math.min(1, y))]) {
    const result = await tuneRegularization({ backend, features, labels: given })
    const right = result.heldOut.filter((y, i) => y === given[i]).length
    assert.ok(right > 84, `${right} of 120 are right`)
    assert.ok(result.losses.chosen.value <= result.losses.none.value)
    const model = result.model as { predict(x: typeof features): Int32Array }
    assert.ok(model.predict(features).filter((y, i) => y === given[i]).length > 90)
  }
})

test('coefficients as columns, by the names of features and classes', async ({ backend }) => {
  const { features, targets, labels } = sparse(60, 6, 2, 15)
  const columns = ['a', 'b', 'c', 'd', 'e', 'f']
  const one = await tuneRegularization({ backend, features, targets })
  const plain = coefficientColumns(one)
  assert.equal(Object.keys(plain), ['feature', 'coefficient', 'standardized', 'left_out'])
  const numbers = Array.from(plain.feature as Uint32Array)
  assert.equal(numbers.toSorted(), [0, 1, 2, 3, 4, 5])
  for (const [k, feature] of numbers.entries()) {
    assert.is(plain.coefficient[k], one.coefficients[k].value)
    assert.is(plain.left_out[k], one.leftOut.includes(feature))
  }
  const several = await tuneRegularization({ backend, features, labels, penalty: { power: 2 } })
  const named = coefficientColumns(several, { columns, classes: ['low', 'middle', 'high'] })
  assert.is(named.feature.length, 18)
  assert.is(named.feature[0], columns[several.coefficients[0].feature])
  assert.is(named.class?.[0], ['low', 'middle', 'high'][several.coefficients[0].output])
  assert.is(coefficientColumns(several).output?.[0], several.coefficients[0].output)
  await refuses('ERR_RANGE', 'result', () => coefficientColumns({} as never))
  await refuses('ERR_RANGE', 'columns', () => coefficientColumns(one, { columns: [1] } as never))
})

test('a ridge penalty is the closed form at the strength that was chosen', async ({ backend }) => {
  const { features, targets } = sparse(30, 4, 4, 8)
  const result = await tuneRegularization({ backend, features, targets, penalty: { power: 2 } })
  const data = prepare({ backend, features, targets: matrix(targets, 30, 1) })
  const theta = new Float64Array(5)
  const y = data.targets as Float64Array
  const strengths = Float64Array.from([0, 1, 2, 3, 4], (j) => (j < 4 ? result.penalty.strengths[0] : 0))
  await new LeastSquares(backend, data.features.data, y, 30, 1).minimize(theta, new PenaltyTerm(strengths, 2))
  const found = result.coefficients.toSorted((a, b) => a.feature - b.feature)
  close(
    found.map(({ standardized }) => standardized),
    theta.subarray(0, 4),
    1e-9,
  )
  assert.ok(result.losses.chosen.value <= result.losses.ridge.value * (1 + 1e-9))
})

/** Two rings of points, which no straight line parts, beside a column of noise. */
function rings(n: number, seed: number) {
  const random = new Random(seed)
  const labels = Array.from({ length: n }, (_, i) => i % 2)
  const data = labels.flatMap((label) => {
    const [x, y, width, noise] = random.normals(4)
    const factor = (1 + 1.5 * label + 0.2 * width) / Math.hypot(x, y)
    return [10 + 5 * factor * x, factor * y, noise]
  })
  return { features: matrix(Float64Array.from(data), n, 3), labels }
}

test('a perceptron has a ridge penalty, of all or per layer, and tells rings apart', async ({ backend }) => {
  const { features, labels } = rings(60, 3)
  const options = { backend, features, labels, model: 'perceptron', hidden: [5], folds: 3 } as const
  const one = await tuneRegularization(options)
  assert.equal([one.penalty.power, one.penalty.strengths.length, one.curvature], [2, 1, 'gauss-newton'])
  assert.ok(one.losses.chosen.value < 0.3 && one.losses.chosen.value < one.losses.none.value)
  assert.ok(one.path.length > 1 && one.path[one.bestStep].loss < one.path[0].loss)
  assert.equal([one.coefficients.length, one.leftOut.length, one.intercepts.length], [0, 0, 0])
  const right = (predicted: ArrayLike<number>, truth: readonly number[]) =>
    truth.filter((label, i) => predicted[i] === label).length / truth.length
  assert.ok(right(one.heldOut, labels) > 0.9)
  const fresh = rings(200, 4)
  const model = one.model as Classifier
  assert.ok(right(model.predict(fresh.features), fresh.labels) > 0.9)
  same(Classifier.load(backend, model.save()).predict(fresh.features), model.predict(fresh.features))
  const layers = await tuneRegularization({ ...options, penalty: { per: 'layer' } })
  assert.is(layers.penalty.strengths.length, 2)
  assert.ok(layers.losses.chosen.value < layers.losses.ridge.value)
  const linear = await tuneRegularization({ backend, features, labels })
  assert.is(linear.curvature, 'hessian')
  assert.ok(linear.losses.chosen.value > 2 * one.losses.chosen.value)
})

/** Two outputs, a wave and a bowl, of two columns beside noise. */
function curved(n: number, seed: number) {
  const random = new Random(seed)
  const data = random.normals(3 * n)
  const targets = Float64Array.from({ length: 2 * n }, (_, k) => {
    const [x, y] = data.subarray(3 * (k >> 1))
    return k % 2 === 0 ? 100 + 20 * Math.sin(2 * x) : x * x + y - 3
  })
  return {
    features: matrix(
      data.map((x) => 5 * x - 2),
      n,
      3,
    ),
    targets: matrix(targets, n, 2),
  }
}

test('a perceptron predicts numbers, in the units of the user, and better than a line', async ({
  backend,
}) => {
  const { features, targets } = curved(120, 2)
  const options = { backend, features, targets, folds: 3, penalty: { power: 2 } } as const
  const found = await tuneRegularization({ ...options, model: 'perceptron', hidden: [8] })
  const line = await tuneRegularization(options)
  assert.ok(found.losses.chosen.value < 0.5 * line.losses.chosen.value)
  assert.ok(found.losses.chosen.value < found.losses.none.value)
  const model = found.model as Regressor
  const fresh = curved(300, 3)
  const errors = (predicted: ArrayLike<number>, truth: Matrix) =>
    [0, 1].map((c) => {
      const own = Array.from(truth.data).filter((_, k) => k % 2 === c)
      const mean = own.reduce((sum, y) => sum + y, 0) / own.length
      const spread = own.reduce((sum, y) => sum + (y - mean) ** 2, 0)
      return own.reduce((sum, y, i) => sum + (y - predicted[2 * i + c]) ** 2, 0) / spread
    })
  for (const [predicted, truth] of [
    [found.heldOut, targets],
    [model.predict(fresh.features), fresh.targets],
  ] as const) {
    const shares = errors(predicted, truth)
    assert.ok(Math.max(...shares) < 0.3, `the shares of the variance that are left: ${shares}`)
  }
  for (const format of ['npz', 'safetensors'] as const) {
    const loaded = Regressor.load(model.save({ format }), backend)
    same(loaded.predict(fresh.features), model.predict(fresh.features))
  }
  await refuses('ERR_RANGE', 'backend', () => Regressor.load(model.save()))
  await refuses('ERR_SHAPE', 'features', () => model.predict([[1, 2]]))
})

test('the hypergradient of a perceptron is that of central differences where its curvature is exact', async ({
  backend,
}) => {
  const { features, labels } = sparse(40, 4, 3, 16)
  const data = prepare({ backend, features, labels, model: 'perceptron', hidden: [] })
  const folds = kFolds(40, 3, 2)
  const made = foldMaker(backend, data)(folds)
  const own = made.penalised(penalty({ per: 'all', power: 2 }))
  const groups = Int32Array.from({ length: 15 }, (_, k) => (k < 12 ? 0 : -1))
  const start = made.start(0)
  const evaluate = objective(
    own,
    { groups, strengths: 1, power: 2 },
    folds.map(() => start),
  )
  const at = async (v: number) => evaluate(Float64Array.of(v))
  const difference = ((await at(-2.95)).value - (await at(-3.05)).value) / 0.1
  close((await at(-3)).gradient, [difference], 5e-3)
  // With a learned exponent, from the ridge solutions.
  const starts = (await at(-3)).thetas
  const learned = made.penalised(penalty({ per: 'all', power: 'learned' }))
  const other = objective(learned, { groups, strengths: 1, power: 'learned' }, starts)
  const [v, q] = [-3.5, 0.5]
  const moved = async (by: readonly number[]) => (await other(Float64Array.of(v + by[0], q + by[1]))).value
  const slopes = [
    ((await moved([0.05, 0])) - (await moved([-0.05, 0]))) / 0.1,
    ((await moved([0, 0.05])) - (await moved([0, -0.05]))) / 0.1,
  ]
  const found = await other(Float64Array.of(v, q))
  assert.not(found.indefinite)
  close(found.gradient, slopes, 2e-2)
})

test('a perceptron under an exponent of one has fewer weights', async ({ backend }) => {
  const { features, labels } = sparse(60, 4, 2, 21)
  const two = labels.map((y) => Number(y > 0))
  const options = { backend, features, labels: two, model: 'perceptron', hidden: [4], folds: 2 } as const
  const small = ({ model }: TuneRegularizationResult) =>
    (model as Classifier).theta.subarray(0, 16).filter((w) => Math.abs(w) < 5e-3).length
  const [lasso, ridge] = [
    await tuneRegularization({ ...options, penalty: { power: 1 } }),
    await tuneRegularization(options),
  ]
  assert.is(lasso.penalty.power, 1)
  assert.ok(small(lasso) > small(ridge) + 3, `${small(lasso)} and ${small(ridge)}`)
  assert.ok(lasso.losses.chosen.value < 1.2 * ridge.losses.chosen.value)
})

test('groups, features, and folds of groups or of time', async ({ backend }) => {
  const { features, targets } = sparse(60, 12, 3, 9)
  const groups = Array.from({ length: 12 }, (_, j) => (j < 3 ? 0 : 1))
  const grouped = await tuneRegularization({ backend, features, targets, penalty: { per: 'group', groups } })
  assert.is(grouped.penalty.strengths.length, 2)
  assert.ok(grouped.penalty.strengths[1] > grouped.penalty.strengths[0])
  const each = await tuneRegularization({ backend, features, targets, penalty: { per: 'feature', power: 1 } })
  assert.is(each.penalty.strengths.length, 12)
  assert.ok(each.path.every(({ heldOutLoss }) => heldOutLoss !== undefined))
  const people = Array.from({ length: 60 }, (_, i) => i % 10)
  for (const folds of [groupFolds(people, 5), timeFolds(60, 4)]) {
    const { losses } = await tuneRegularization({ backend, features, targets, folds })
    assert.ok(losses.chosen.value < 1)
  }
})

test('a single hold-out judges, and its samples tell the standard error', async ({ backend }) => {
  const { features, targets, labels } = sparse(80, 12, 3, 18)
  const folds = holdOut(80, 0.25, 1)
  const [{ validation }] = folds
  const rows = Array.from(validation)
  const mean = (values: readonly number[]) => values.reduce((sum, x) => sum + x, 0) / values.length
  const numbers = await tuneRegularization({ backend, features, targets, folds })
  const squares = rows.map((i) => (numbers.heldOut[i] - targets[i]) ** 2)
  const { value, standardError } = numbers.losses.chosen
  close([value], [mean(squares)], 1e-9)
  const spread = mean(squares.map((x) => (x - value) ** 2)) * (rows.length / (rows.length - 1))
  close([standardError], [Math.sqrt(spread / rows.length)], 1e-9)
  assert.equal(
    Array.from(numbers.heldOut.keys()).filter((i) => Number.isFinite(numbers.heldOut[i])),
    rows,
  )
  for (const model of ['softmax', 'perceptron'] as const) {
    const own = { backend, features, labels, folds: holdOut(labels, 0.25), model, penalty: { power: 2 } }
    const { losses, path } = await tuneRegularization(model === 'softmax' ? own : { ...own, hidden: [2] })
    assert.ok(losses.chosen.standardError > 0 && losses.chosen.value < Math.log(3))
    if (model === 'softmax') close([losses.chosen.value], [Math.min(...path.map(({ loss }) => loss))], 1e-9)
  }
  // With many strengths one half of what is held out judges the other.
  const each = { backend, features, targets, folds, penalty: { per: 'feature', power: 1 } } as const
  const { heldOut, path } = await tuneRegularization(each)
  assert.is(Array.from(heldOut).filter(Number.isFinite).length, 10)
  assert.ok(path.every(({ heldOutLoss }) => heldOutLoss !== undefined))
})

test('what is held out further keeps groups together, and is the latest in time', async ({ backend }) => {
  const { features, targets } = sparse(60, 12, 3, 9)
  const options = { backend, features, targets, penalty: { per: 'feature', power: 1 } } as const
  const people = Array.from({ length: 60 }, (_, i) => i % 10)
  for (const folds of [groupFolds(people, 5), timeFolds(60, 4)]) {
    const { heldOut, path } = await tuneRegularization({ ...options, folds })
    assert.ok(path.every(({ heldOutLoss }) => heldOutLoss !== undefined))
    const judged = folds.slice(0, -1).flatMap(({ validation }) => Array.from(validation))
    const told = Array.from(heldOut.keys()).filter((i) => !Number.isNaN(heldOut[i]))
    assert.equal(
      told,
      judged.sort((a, b) => a - b),
    )
  }
  // Two folds leave no rows to train on beside a further part.
  const { heldOut, path } = await tuneRegularization({ ...options, folds: groupFolds(people, 2) })
  assert.ok(heldOut.every(Number.isFinite))
  assert.ok(path.every(({ heldOutLoss }) => heldOutLoss === undefined))
})

test('the same seed gives the same bits, and an aborted search ends', async ({ backend }) => {
  const { features, targets } = sparse(40, 8, 2, 10)
  const [one, other] = await Promise.all(
    [0, 1].map(() => tuneRegularization({ backend, features, targets, seed: 3 })),
  )
  same((one.model as Regressor).theta, (other.model as Regressor).theta)
  const controller = new AbortController()
  let steps = 0
  const run = tuneRegularization({
    backend,
    features,
    targets,
    signal: controller.signal,
    onProgress: () => ++steps && controller.abort(new Error('enough')),
  })
  try {
    await run
    assert.unreachable('not aborted')
  } catch (error) {
    assert.is((error as Error).message, 'enough')
  }
})

test('an interrupted search goes on from its checkpoint, to the same bits', async ({ backend }) => {
  const folder = mkdtempSync(join(tmpdir(), 'nhgd-tune-'))
  try {
    const { features, targets } = sparse(60, 12, 3, 12)
    const labels = Array.from(targets, (y) => Number(y > 0))
    for (const [at, options] of [
      { backend, features, targets },
      { backend, features, labels, penalty: { per: 'feature', power: 1 } },
    ].entries() as IterableIterator<[number, TuneRegularizationOptions]>) {
      const checkpoint = { file: join(folder, `run ${at}`), everySeconds: 0 }
      const controller = new AbortController()
      const stopping = {
        signal: controller.signal,
        onProgress: () => controller.abort(new Error('enough')),
      }
      const whole = await tuneRegularization(options)
      await tuneRegularization({ ...options, ...stopping, checkpoint }).then(
        () => assert.unreachable(),
        (error) => assert.is(error.message, 'enough'),
      )
      const resume = { ...checkpoint, resume: true }
      const bits = ({ path, heldOut, coefficients, penalty }: TuneRegularizationResult) =>
        JSON.stringify([
          path.map(({ seconds, ...point }) => point),
          Array.from(heldOut),
          coefficients,
          penalty,
        ])
      const again = await tuneRegularization({ ...options, checkpoint: resume })
      assert.is(again.resumed?.file, checkpoint.file)
      assert.is(bits(again), bits(whole))
      // Whatever is computed anew would meet the signal.
      const signal = AbortSignal.abort(new Error('computed'))
      assert.is(bits(await tuneRegularization({ ...options, signal, checkpoint: resume })), bits(whole))
      const other = { ...options, seed: 3, checkpoint: resume }
      await refuses('ERR_CHECKPOINT', 'checkpoint.seed', () => tuneRegularization(other))
      const moved = { ...options, standardize: false, checkpoint: resume }
      await refuses('ERR_CHECKPOINT', 'checkpoint.standardize', () => tuneRegularization(moved))
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('the event loop runs during a search, so that a signal from elsewhere ends it', async ({ backend }) => {
  const { features, targets } = sparse(80, 200, 3, 14)
  const controller = new AbortController()
  let steps = 0
  setImmediate(() => controller.abort(new Error('enough')))
  const options = { backend, features, targets, signal: controller.signal, onProgress: () => ++steps }
  try {
    await tuneRegularization(options)
    assert.unreachable('not aborted')
  } catch (error) {
    assert.is((error as Error).message, 'enough')
    assert.is(steps, 0)
  }
})

test('odd data: constant columns are named, and targets that nothing explains leave everything out', async ({
  backend,
}) => {
  const { features, targets } = sparse(40, 5, 2, 11)
  for (let i = 0; i < 40; i++) (features.data as Float64Array)[i * 5 + 4] = 2
  const result = await tuneRegularization({ backend, features, targets })
  assert.ok(result.leftOut.includes(4))
  assert.match(result.warnings.join(), 'the column 4 is constant')
  const columns = ['a', 'b', 'c', 'd', 'width']
  const { warnings } = await tuneRegularization({ backend, features, targets, columns })
  assert.match(warnings.join(), 'the column width is constant')
  const noise = new Random(12).normals(40)
  const mean = noise.reduce((sum, y) => sum + y / 40, 0)
  const variance = noise.reduce((sum, y) => sum + (y - mean) ** 2 / 40, 0)
  const nothing = await tuneRegularization({ backend, features, targets: noise })
  assert.ok(nothing.losses.chosen.value < 1.15 * variance, `${nothing.losses.chosen.value} of ${variance}`)
})

test('bad input is refused by name', async ({ backend }) => {
  const { features, targets, labels } = sparse(20, 3, 1, 13)
  const make = (options: object) => () =>
    tuneRegularization({ backend, features, targets, ...options } as TuneRegularizationOptions)
  await refuses('ERR_RANGE', 'options', make({ labels }))
  await refuses('ERR_RANGE', 'options', make({ targets: undefined }))
  await refuses('ERR_SHAPE', 'targets', make({ targets: targets.subarray(1) }))
  await refuses(
    'ERR_NOT_FINITE',
    'targets',
    make({ targets: targets.map((y, i) => (i === 4 ? Number.NaN : y)) }),
  )
  await refuses('ERR_RANGE', 'targets', make({ targets: new Float64Array(20) }))
  const holed = matrix(
    (features.data as Float64Array).map((x, k) => (k === 7 ? Number.POSITIVE_INFINITY : x)),
    20,
    3,
  )
  await refuses('ERR_NOT_FINITE', 'features', make({ features: holed }))
  await refuses('ERR_SHAPE', 'features', make({ features: matrix(new Float64Array(6), 2, 3) }))
  await refuses('ERR_RANGE', 'penalty.power', make({ penalty: { power: 3 } }))
  await refuses('ERR_RANGE', 'penalty.groups', make({ penalty: { per: 'group' } }))
  await refuses('ERR_SHAPE', 'penalty.groups', make({ penalty: { per: 'group', groups: [0] } }))
  await refuses('ERR_SHAPE', 'columns', make({ columns: ['a'] }))
  await refuses('ERR_RANGE', 'columns', make({ columns: [1, 2, 3] }))
  await refuses('ERR_RANGE', 'folds', make({ folds: 1 }))
  await refuses('ERR_RANGE', 'folds', make({ folds: [] }))
  await refuses(
    'ERR_RANGE',
    'folds.0..train',
    make({ folds: [{ train: [40], validation: [0] }, five(20)[1]] }),
  )
  await refuses('ERR_RANGE', 'options', make({ fold: 5 }))
  const classes = { targets: undefined, labels: labels.map((y) => Math.min(1, y)) }
  const perceptron = { ...classes, model: 'perceptron' }
  await refuses('ERR_RANGE', 'model', make({ model: 'softmax' }))
  await refuses('ERR_RANGE', 'hidden', make({ ...classes, hidden: [3] }))
  await refuses('ERR_RANGE', 'hidden.0.', make({ ...perceptron, hidden: [0] }))
  await refuses('ERR_RANGE', 'penalty.per', make({ ...perceptron, penalty: { per: 'feature' } }))
  await refuses('ERR_RANGE', 'penalty.per', make({ ...classes, penalty: { per: 'layer' } }))
  await refuses('ERR_RANGE', 'labels', make({ ...classes, labels: labels.map((y) => y + 0.5) }))
  await refuses('ERR_RANGE', 'labels', make({ ...classes, labels: labels.map(() => 1) }))
})

const five = (n: number) => kFolds(n, 5)

test.run()
