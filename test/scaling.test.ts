// The model by which `npm run experiment -- scaling` predicts runs on more ranks.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { at, fitLine, hidingBatch, type Model, predict, total } from '../bench/experiment/scaling/model.ts'
import { cluster, outlook } from '../bench/experiment/scaling/outlook.ts'

const test = suite('scaling')
const close = (got: number, expected: number) =>
  assert.ok(Math.abs(got - expected) < 1e-9 * Math.abs(expected), `${got}, not ${expected}`)

const line = { fixed: 1e-4, each: 2e-6 }
const oracles = {
  innerStep: line,
  outerGradient: line,
  curvatureProduct: line,
  crossProduct: line,
  observe: line,
}
const sums = { fixed: 5e-5, each: 1e-9 }
const model: Model = { oracles, reductions: new Map([[2, sums]]), rest: 0.01 }
const lengths = { inner: 7850, outer: 50_000, moments: 300_000 }

test('a line is found in its points, and has no negative part', () => {
  const counts = [10, 300, 7000]
  const found = fitLine(
    counts,
    counts.map((count) => at(line, count)),
  )
  close(found.fixed, line.fixed)
  close(found.each, line.each)
  assert.is(fitLine([1, 2], [1, 3]).fixed, 0)
  assert.is(fitLine([1, 2], [3, 1]).each, 0)
})

test('an outer step is its oracles on a share of the rows, their sums, and the rest', () => {
  const calls = [{ name: 'outerGradient', rows: 10_000, count: 3 }] as const
  close(total(predict(model, calls, lengths, 1)), 3 * at(line, 10_000) + 0.01)
  const two = predict(model, calls, lengths, 2)
  close(two.oracles, 3 * at(line, 5000))
  close(two.reductions, 3 * at(sums, 57_850))
})

test('the slowest rank has more than its share of a batch that is drawn', () => {
  const of = (name: 'innerStep' | 'crossProduct') =>
    predict(model, [{ name, rows: 1024, count: 1 }], lengths, 2).oracles
  close(of('crossProduct'), at(line, 512))
  assert.ok(of('innerStep') > at(line, 512 + 10) && of('innerStep') < at(line, 512 + 20))
})

test('from the hiding batch on, a gradient takes as long as its sum', () => {
  const samples = hidingBatch(model, { ...lengths, inner: 10 ** 7 }, 2)
  close(at(line, samples / 2), at(sums, 10 ** 7))
  assert.is(hidingBatch(model, lengths, 2), 0)
})

test('the outlook is that of a ring and of layers that are shared out', () => {
  const found = outlook(1e11)
  const bytes = 4 * cluster.layers * cluster.width ** 2
  const bandwidth = 25e9 / 8
  assert.ok(Math.abs(found.reduction - (2 * bytes) / bandwidth) < 0.03 * found.reduction)
  close(found.hidingBatch * 6 * found.parameters, found.reduction * 32e11)
  close(found.factors, 15 * found.factorsPerNode)
  assert.ok(found.solveByLayers < found.solve / 5)
})

test.run()
