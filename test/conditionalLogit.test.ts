// Fits of logistic regressions under priors, against closed forms and integrals.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { conditionalLogit, likeliestLogit } from '../ts/tasks/cleanLabels/conditionalLogit.ts'

/** Logistic regressions on an intercept alone: `ones` of `count` chose the first alternative. */
const counted = (ones: number, count: number) => ({
  alternatives: 2,
  columns: 1,
  features: Float64Array.from({ length: 2 * count }, (_, i) => (i % 2 === 0 ? 1 : 0)),
  chosen: Array.from({ length: count }, (_, i) => (i < ones ? 0 : 1)),
})

const prior = (precision: number) => ({ mean: new Float64Array(1), precision: Float64Array.of(precision) })

test('a logistic regression of an intercept gives the log-odds of the counts', () => {
  const [a] = conditionalLogit(counted(30, 40), prior(1e-9))
  assert.ok(Math.abs(a - Math.log(3)) < 1e-5, `${a}`)
})

test('the prior that is taken makes the choices likeliest, by an integral over the coefficient', () => {
  const precisions = [0.1, 1, 10, 100]
  const evidence = (ones: number, count: number, precision: number) => {
    let sum = 0
    for (let a = -12; a <= 12; a += 1e-3) {
      const likelihood = -ones * Math.log1p(Math.exp(-a)) - (count - ones) * Math.log1p(Math.exp(a))
      sum += Math.exp(likelihood - 0.5 * precision * a ** 2) * Math.sqrt(precision / (2 * Math.PI)) * 1e-3
    }
    return sum
  }
  const taken = new Set<number>()
  for (const ones of [20, 24, 30, 39]) {
    const all = precisions.map((precision) => evidence(ones, 40, precision))
    const best = precisions[all.indexOf(Math.max(...all))]
    taken.add(best)
    assert.equal(
      likeliestLogit(counted(ones, 40), precisions.map(prior)),
      conditionalLogit(counted(ones, 40), prior(best)),
    )
  }
  assert.ok(taken.size > 2, [...taken].join())
})

test.run()
