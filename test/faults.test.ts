// What `npm run soak` does for minutes, in small. Nothing here looks at the clock.
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { damageAtRandom } from '../bench/soak/damage.ts'
import { sameBits } from '../bench/soak/determinism.ts'
import { fillUp } from '../bench/soak/disks.ts'
import { endAtRandom } from '../bench/soak/exits.ts'
import { killAtRandom } from '../bench/soak/kills.ts'
import { manyAtOnce } from '../bench/soak/load.ts'
import { terminateAtRandom } from '../bench/soak/workers.ts'

const test = suite('faults')

test('a process that is killed at any moment leaves a whole checkpoint, and the run ends with the same bits', async () => {
  const { kills, runs } = await killAtRandom(24, 2)
  assert.ok(kills >= 24 && runs >= 1)
})

test('a small disk that is full leaves a whole checkpoint, where one may be mounted', async () => {
  const { disks, full } = await fillUp(6, 2)
  if (disks > 0) assert.ok(full > 0 && full < disks, `${full} of ${disks} were full`)
})

test('damage at random places of a checkpoint is refused', async () => {
  assert.equal(await damageAtRandom(3000, 2), { damaged: 3000, refused: 3000 })
})

test('a process ends while a thread of it has work', async () => {
  assert.is((await endAtRandom(6, 2)).exits, 6)
})

test('64 runs at once, and 8 in threads, have the bits that they have alone, and none is left behind', async () => {
  const { runs, slowest, steps } = await manyAtOnce(64, 8, 4)
  assert.is(runs, 64)
  assert.ok(slowest >= steps / 2, `the slowest run had taken ${slowest} steps when the first had ended`)
})

test('the bits are the same with one core and with two, beside other work, in line, resumed, and with 1, 2, 3 and 8 threads', async () => {
  assert.ok((await sameBits(1)).processes > 0)
})

test('threads that are terminated amid their work leave the process alive and right', async () => {
  assert.is((await terminateAtRandom(4, 3, 2)).terminated, 12)
})

test.run()
