// Which labels are doubted, by a search through all thresholds.

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { thresholdOf } from '../ts/tasks/cleanLabels/issues.ts'
import { Random } from './support/random.ts'

/** F1 where the labels whose score is above the threshold are doubted, and as many are wrong as the scores expect. */
function expectedF1(scores: readonly number[], threshold: number): number {
  const sum = (all: readonly number[]) => all.reduce((sum, score) => sum + score, 0)
  const doubted = scores.filter((score) => score > threshold)
  return (2 * sum(doubted)) / (doubted.length + sum(scores))
}

test('no threshold between its bounds has a larger expected F1, unless that is below a half', () => {
  let bounded = 0
  for (let seed = 0; seed < 20; seed++) {
    const random = new Random(seed)
    const scores = Array.from(
      { length: 80 },
      () => (seed % 5 ? 1 : 0.4) * random.uniform() ** (1 + (seed % 4)),
    )
    const threshold = thresholdOf(scores)
    assert.ok(threshold >= 1 / 3 && threshold <= 0.5)
    if (Math.max(...scores.map((score) => expectedF1(scores, score - 1e-12))) < 0.5) {
      assert.is(threshold, 0.5)
      continue
    }
    bounded++
    for (const other of [1 / 3, 0.5, ...scores.filter((score) => score > 1 / 3 && score < 0.5)]) {
      assert.ok(expectedF1(scores, threshold) >= expectedF1(scores, other) - 1e-12, `${seed}, ${other}`)
    }
  }
  assert.ok(bounded > 5 && bounded < 20, `${bounded}`)
})

test('labels that are all likely right are not doubted, nor are there doubts of none', () => {
  assert.ok(thresholdOf(Array(50).fill(0.02)) >= 1 / 3)
  assert.is(thresholdOf([]), 0.5)
})

test.run()
