import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { groupFolds, holdOut, kFolds, timeFolds } from '../../ts/data/folds.ts'
import { conjugateGradients } from '../../ts/methods/conjugateGradients.ts'
import { exact } from '../../ts/methods/exact.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { bilevel } from '../../ts/problems/bilevel.ts'
import { type Block, penalty, sampleWeights } from '../../ts/problems/blocks.ts'
import { crossValidation, type FoldRows } from '../../ts/problems/crossValidation.ts'
import { linearRegression, logisticRegression, softmaxRegression } from '../../ts/problems/model.ts'
import { hypergradient } from '../../ts/run/hypergradient.ts'
import { resume, save, solve } from '../../ts/run/solve.ts'
import { close, same } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('folds')
const [n, columns] = [23, 3]
const random = new Random(3)
const features = matrix(random.normals(n * columns), n, columns)
const targets = random.normals(2 * n)
const labels = random.labels(n, 3)
const five = kFolds(n, 5, 1)

const sets = {
  linear: {
    model: linearRegression({ outputs: 2 }),
    set: { targets: { data: targets, rows: n, columns: 2 } },
  },
  logistic: { model: logisticRegression(), set: { labels: labels.map((y) => Math.min(1, y)) } },
  softmax: { model: softmaxRegression({ classes: 3 }), set: { labels } },
}
const blocks: Record<string, () => Record<string, Block>> = {
  ridge: () => ({ penalty: penalty({ per: 'feature', bias: true }) }),
  power: () => ({ penalty: penalty({ per: 'all', bias: true, power: 'learned' }) }),
  both: () => ({ all: penalty({ per: 'all', bias: true, power: 1.5 }), each: penalty({ per: 'feature' }) }),
}

type Kind = keyof typeof sets

function together(
  backend: Backend,
  kind: Kind,
  hyperparameters: Record<string, Block>,
  folds: readonly FoldRows[] = five,
) {
  const { model, set } = sets[kind]
  return crossValidation({
    backend,
    model,
    samples: { features, ...set },
    folds,
    hyperparameters,
    dtype: 'f64',
  })
}

/** The same fold by itself. */
function alone(backend: Backend, kind: Kind, hyperparameters: Record<string, Block>, fold: FoldRows) {
  const { model, set } = sets[kind]
  const pick = (rows: ArrayLike<number>) => {
    const at = Array.from(rows)
    if (!('targets' in set)) return { features, rows: at, labels: at.map((i) => set.labels[i]) }
    const data = Float64Array.from(at.flatMap((i) => [targets[2 * i], targets[2 * i + 1]]))
    return { features, rows: at, targets: { data, rows: at.length, columns: 2 } }
  }
  const [train, validation] = [pick(fold.train), pick(fold.validation)]
  return bilevel({ backend, model, train, validation, hyperparameters, dtype: 'f64' })
}

test('the hypergradient of folds is the mean of their own', async ({ backend }) => {
  for (const kind of Object.keys(sets) as Kind[]) {
    for (const [name, make] of Object.entries(blocks)) {
      const problem = together(backend, kind, make())
      const { innerLength, outerLength } = problem.oracles
      const inner = new Random(5).normals(innerLength).map((x) => 0.3 * x)
      const outer = new Random(6).normals(outerLength).map((x) => 0.3 * x)
      const all = await hypergradient(problem, { inner, outer, method: exact() })
      const d = innerLength / 5
      const mean = new Float64Array(outerLength)
      let loss = 0
      for (const [k, fold] of five.entries()) {
        const single = alone(backend, kind, make(), fold)
        const theta = inner.slice(k * d, (k + 1) * d)
        const own = await hypergradient(single, { inner: theta, outer, method: exact() })
        for (const [j, x] of own.hypergradient.entries()) mean[j] += x / 5
        loss += own.outerLoss / 5
      }
      close(all.hypergradient, mean, 1e-10, `${kind} ${name}`)
      close([all.outerLoss], [loss], 1e-12)
    }
  }
})

test('folds are a problem for methods with a Fisher, and for products alone', async ({ backend }) => {
  const problem = together(backend, 'logistic', blocks.ridge())
  const inner = { innerSteps: 50, innerOptimizer: { kind: 'sgd', rate: 0.3 } } as const
  const outer = new Float64Array(problem.oracles.outerLength)
  const start = await solve(problem, { method: exact(inner), outerSteps: 1, seed: 2 }).result
  const at = { inner: start.inner, outer }
  const expected = await hypergradient(problem, { ...at, method: exact() })
  for (const method of [nhgd({ ...inner, batchSize: 92 }), conjugateGradients(inner)]) {
    const own = await hypergradient(problem, { ...at, method })
    close(own.hypergradient, expected.hypergradient, 0.05, method.name)
    const options = { method, outerSteps: 15, outerOptimizer: { kind: 'adam', rate: 0.05 }, seed: 2 } as const
    const result = await solve(problem, options).result
    assert.is(result.status, 'outerSteps')
    assert.ok(result.outerLoss < start.outerLoss, `${method.name}: ${result.outerLoss}`)
  }
})

test('a batch estimates the sum of the folds without bias', ({ backend }) => {
  const problem = together(backend, 'softmax', blocks.power(), timeFolds(n, 3))
  const { oracles } = problem
  const point = problem.start()
  point.inner.writeF64(new Random(8).normals(oracles.innerLength))
  const all = problem.zeros(oracles.innerLength)
  oracles.innerGradient(point, backend.Batch.all(oracles.samples), all)
  const mean = new Float64Array(oracles.innerLength)
  const own = problem.zeros(oracles.innerLength)
  for (let i = 0; i < oracles.samples; i++) {
    oracles.innerGradient(point, backend.Batch.of(Uint32Array.of(i)), own)
    for (const [j, x] of own.readF64().entries()) mean[j] += x / oracles.samples
  }
  close(all.readF64(), mean, 1e-12)
})

test('a run over folds that was saved goes on with the same bits', async ({ backend }) => {
  const options = { method: nhgd({ innerSteps: 5, batchSize: 8 }), outerSteps: 6, seed: 4 }
  const make = () => together(backend, 'linear', blocks.power())
  const whole = await solve(make(), options).result
  const run = solve(make(), options)
  for await (const { step } of run) if (step === 3) break
  const rest = await resume(make(), await save(run), options).result
  same(rest.outer, whole.outer)
})

test('folds keep groups together, and the order of time', () => {
  const groups = ['a', 'b', 'a', 'c', 'd', 'b', 'c', 'a']
  for (const { train, validation } of groupFolds(groups, 3, 1)) {
    const held = new Set(Array.from(validation, (i) => groups[i]))
    assert.ok(held.size > 0 && Array.from(train).every((i) => !held.has(groups[i])))
    assert.is(train.length + validation.length, groups.length)
  }
  const folds = timeFolds(10, 4)
  assert.equal(
    folds.map(({ train }) => train.length),
    [2, 4, 6, 8],
  )
  assert.ok(
    folds.every(
      ({ train, validation }) => Math.max(...Array.from(train)) < Math.min(...Array.from(validation)),
    ),
  )
  const left = kFolds(labels, 4, 2).flatMap(({ validation }) => Array.from(validation))
  assert.equal(
    left.sort((a, b) => a - b),
    Array.from(labels.keys()),
  )
})

test('a hold-out takes its share of each class', async () => {
  const classes = Array.from({ length: 40 }, (_, i) => Number(i % 4 === 0))
  for (const [samples, share, expected] of [
    [classes, 0.3, 12],
    [40, 0.3, 12],
    [41, 0.1, 4],
  ] as const) {
    const [{ train, validation }, ...more] = holdOut(samples, share, 7)
    assert.is(more.length, 0)
    assert.is(validation.length, expected)
    const all = [...train, ...validation].sort((a, b) => a - b)
    assert.equal(all, Array.from(all.keys()))
    if (typeof samples === 'object') assert.is(validation.filter((i) => samples[i] === 1).length, 3)
    assert.not.equal(holdOut(samples, share, 8)[0].validation, validation)
  }
  for (const share of [0, 1, 0.01, Number.NaN, -1, 2])
    await refuses('ERR_RANGE', 'share', () => holdOut(20, share))
  await refuses('ERR_RANGE', 'share', () => holdOut(1, 0.5))
})

test('bad folds are refused', async ({ backend }) => {
  await refuses('ERR_RANGE', 'folds', () => kFolds(3, 4))
  await refuses('ERR_RANGE', 'folds', () => groupFolds([1, 1, 2], 3))
  await refuses('ERR_RANGE', 'folds', () => timeFolds(3, 3))
  await refuses('ERR_RANGE', 'folds', () => together(backend, 'linear', blocks.ridge(), five.slice(0, 1)))
  const beyond = [{ train: [0, n], validation: [1] }, five[0]]
  await refuses('ERR_RANGE', 'folds.0..train', () => together(backend, 'linear', blocks.ridge(), beyond))
  const weighed = together(backend, 'softmax', { weights: sampleWeights() }, timeFolds(n, 3))
  await refuses('ERR_SHAPE', 'outer', () => weighed.oracles)
})

test.run()
