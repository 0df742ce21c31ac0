import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { draw, half } from '../bench/experiment/influence/draw.ts'
import { correlation, datamodellingScore, meanCorrelation } from '../bench/experiment/influence/judge.ts'
import { convex, leaveOneOut, losses, network } from '../bench/experiment/influence/retrain.ts'
import { rival, tracIn } from '../bench/experiment/influence/rivals.ts'
import { Random } from '../bench/harness/random.ts'
import { loadBackend } from '../ts/backend/load.ts'
import { matrix } from '../ts/backend/matrix.ts'
import { bilevel } from '../ts/problems/bilevel.ts'
import { multilayerPerceptron, softmaxRegression } from '../ts/problems/model.ts'
import { close } from './support/close.ts'

const test = suite('experiment influence')
const [n, m, columns] = [40, 6, 3]

/** Ten classes in three columns, in the shape of MNIST. */
function digits() {
  const set = (rows: number, seed: number) => ({
    features: matrix(new Random(seed).floats(rows * columns, 2), rows, columns),
    labels: Int32Array.from({ length: rows }, (_, i) => i % 10),
  })
  return { train: set(200, 1), test: set(80, 2) }
}

test('correlations are those of closed forms', () => {
  assert.ok(Math.abs(correlation([1, 2, 3, 4], [3, 5, 7, 9]) - 1) < 1e-15)
  // By hand: means 2 and 2, products −1·0 + 0·1 + 1·(−1) = −1, squares 2 and 2.
  assert.ok(Math.abs(correlation([1, 2, 3], [2, 3, 1]) + 0.5) < 1e-15)
  // Two test samples: the first column agrees, the second one is opposite.
  assert.ok(Math.abs(meanCorrelation([1, 1, 2, 2, 3, 3], [2, 3, 4, 2, 6, 1], 2)) < 1e-15)
})

test('losses that are sums of effects have the datamodelling score 1, and −1 with the other sign', () => {
  const effects = new Random(3).doubles(n * m)
  const random = new Random(4)
  const retrained = Array.from({ length: 12 }, () => {
    const positions = Uint32Array.from({ length: n }, (_, i) => i).filter(() => random.whole(1, 2)[0] === 1)
    const kept = new Set(positions)
    const losses = Float64Array.from({ length: m }, (_, j) => {
      let sum = 0
      for (let i = 0; i < n; i++) if (!kept.has(i)) sum += effects[i * m + j]
      return Math.exp(sum) // ranks alone count
    })
    return { positions, losses }
  })
  assert.ok(Math.abs(datamodellingScore(effects, retrained) - 1) < 1e-12)
  assert.ok(
    Math.abs(
      datamodellingScore(
        effects.map((x) => -x),
        retrained,
      ) + 1,
    ) < 1e-12,
  )
})

test('a draw has the sizes and the share of wrong labels that it is asked for', async () => {
  const backend = await loadBackend()
  const set = digits()
  const { train, test, wrong } = draw(backend, set, [n, m], 5, 0.25)
  assert.is(train.labels.length, n)
  assert.is(test.labels.length, m)
  const truth = Array.from(train.rows as Uint32Array, (row) => set.train.labels[row])
  assert.equal(
    wrong,
    truth.map((y, i) => y !== train.labels[i]),
  )
  assert.is(wrong.filter(Boolean).length, 10)
  const some = half(backend, n, 1)
  assert.is(new Set(some).size, n / 2)
})

test('leaving one out is training without it', async () => {
  const backend = await loadBackend()
  const all = draw(backend, digits(), [n, m], 5)
  const model = softmaxRegression({ classes: 10 })
  const learner = convex(backend, all, model, 0.01)
  const theta = await learner.train()
  const changes = await leaveOneOut(backend, all, learner, theta, [3])
  const kept = Uint32Array.from({ length: n }, (_, i) => i).filter((i) => i !== 3)
  // A mean over n − 1 rows with this λ has the minimum of a mean over n of the same rows.
  const without = await convex(backend, all, model, (0.01 * n) / (n - 1)).train(kept)
  const before = losses(backend, model, all, theta)
  const expected = losses(backend, model, all, without).map((loss, j) => loss - before[j])
  close(changes, expected, 0.02)
})

test('products of gradients are those of the oracles, and rivals give an effect per pair', async () => {
  const backend = await loadBackend()
  const all = draw(backend, digits(), [n, m], 5)
  const model = multilayerPerceptron({ classes: 10, hidden: [4] }) as Parameters<typeof network>[2]
  const learner = network(backend, all, model, 0.01, 1, 30)
  const theta = await learner.train()
  const own = tracIn(backend, model, all, [theta])
  const gradientOf = (set: typeof all.train, i: number) => {
    const problem = bilevel({ backend, model, train: set, validation: set, hyperparameters: {} })
    const [direct, target] = [problem.zeros(0), problem.zeros(theta.length)]
    const point = problem.start(0, { inner: theta })
    problem.oracles.outerGradient(point, direct, target, backend.Batch.of(Uint32Array.of(i)))
    return target
  }
  for (const [i, j] of [
    [0, 0],
    [7, 3],
    [39, 5],
  ]) {
    const expected = gradientOf(all.train, i).dot(gradientOf(all.test, j))
    assert.ok(Math.abs(own[i * m + j] - expected) <= 1e-4 * (1 + Math.abs(expected)))
  }
  for (const [name, judge] of Object.entries(rival)) {
    const found = await judge({ backend, model, draw: all, learner, theta, steps: 30, seed: 1 })
    assert.is(found.length, n * m, name)
    assert.ok(found.every(Number.isFinite) && found.some((x) => x !== 0), name)
  }
})

test.run()
