// What confirms the outer steps of label cleaning.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { gains } from '../ts/tasks/cleanLabels/confirmation.ts'
import { Random } from './support/random.ts'

/** Rows of three classes whose log-odds favour the true one by `knowledge`, times how sure the model is. */
function rows(knowledge: number, sure: number) {
  const random = new Random(5)
  return Array.from({ length: 200 }, () => {
    const label = random.below(3)
    const odds = Array.from(random.normals(3), (x, c) => sure * (x + (c === label ? knowledge : 0)))
    const total = Math.log(odds.reduce((sum, x) => sum + Math.exp(x), 0))
    return { logs: odds.map((x) => x - total), label, scoreLoss: 1 - knowledge / 10 }
  })
}

test('a model that is only surer of the same classes gains nothing, one that knows more does', () => {
  const [weaker, surer] = [gains(rows(1, 0.2), rows(1, 1)), gains(rows(1, 1), rows(1, 0.2))]
  for (const { weights } of [weaker, surer]) {
    assert.ok(Math.abs(weights.endLoss - weights.startLoss) < 0.01)
  }
  const better = gains(rows(1, 1), rows(2, 0.5))
  assert.ok(better.weights.confirmed && better.scores.confirmed)
  const worse = gains(rows(2, 1), rows(1, 1))
  assert.not(worse.weights.confirmed || worse.scores.confirmed)
})

test('a gain within its standard error is not confirmed', () => {
  const same = rows(1, 1)
  assert.not(gains(same, same).weights.confirmed)
  // One row in four gains, and one loses almost as much.
  const end = same.map((row, i) => ({ ...row, scoreLoss: row.scoreLoss + [-0.12, 0, 0.1, 0][i % 4] }))
  const { scores } = gains(same, end)
  assert.ok(scores.endLoss < scores.startLoss && scores.error > 0.005)
  assert.not(scores.confirmed)
})

test.run()
