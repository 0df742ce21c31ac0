import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { forwardCorrection, transition } from '../bench/experiment/noise/forward.ts'
import { kinds, noisyLabels } from '../bench/experiment/noise/labels.ts'
import type { Result } from '../bench/experiment/noise/run.ts'
import { average, paired, report, summaries } from '../bench/experiment/noise/table.ts'
import { Random } from '../bench/harness/random.ts'
import { loadBackend } from '../ts/backend/load.ts'
import { matrix } from '../ts/backend/matrix.ts'
import { writeNpy } from '../ts/data/index.ts'

const test = suite('experiment noise')

/** Three clouds of points in the plane. */
function clouds(n: number, seed: number) {
  const truth = Int32Array.from({ length: n }, (_, i) => i % 3)
  const drawn = new Random(seed).floats(2 * n)
  const at = (row: number, j: number) => 1.2 * Math.cos((2 * Math.PI * (truth[row] + j / 4)) / 3)
  const data = drawn.map((x, k) => at(k >> 1, k & 1) + x)
  return { features: matrix(data, n, 2), truth }
}

test('each kind of noise has its rate, its targets, and the bits of its seed', async () => {
  const backend = await loadBackend()
  const { features, truth } = clouds(3000, 1)
  for (const kind of kinds) {
    for (const rate of [0.1, 0.5]) {
      const given = await noisyLabels(backend, features, truth, 3, { kind, rate, seed: 4 })
      const wrong = Array.from(truth.keys()).filter((row) => given[row] !== truth[row])
      const near = kind === 'dependent' ? 0.03 : 1e-9
      assert.ok(Math.abs(wrong.length / truth.length - rate) <= near, `${kind} ${wrong.length}`)
      if (kind === 'next') assert.ok(wrong.every((row) => given[row] === (truth[row] + 1) % 3))
      if (kind === 'uniform') {
        const ahead = wrong.filter((row) => given[row] === (truth[row] + 1) % 3).length / wrong.length
        assert.ok(ahead > 0.4 && ahead < 0.6, `${ahead}`)
      }
      assert.equal(await noisyLabels(backend, features, truth, 3, { kind, rate, seed: 4 }), given)
      assert.not.equal(await noisyLabels(backend, features, truth, 3, { kind, rate, seed: 5 }), given)
    }
  }
})

test('noise that depends on the sample is likelier near the other classes', async () => {
  const backend = await loadBackend()
  const { features, truth } = clouds(3000, 2)
  const given = await noisyLabels(backend, features, truth, 3, { kind: 'dependent', rate: 0.2, seed: 0 })
  const norm = (row: number) => Math.hypot(features.data[2 * row], features.data[2 * row + 1])
  const rows = Array.from(truth.keys())
  const mean = (chosen: number[]) => chosen.reduce((sum, row) => sum + norm(row), 0) / chosen.length
  const right = mean(rows.filter((row) => given[row] === truth[row]))
  assert.ok(mean(rows.filter((row) => given[row] !== truth[row])) < right - 0.05)
})

test('the transition is counted by true class', () => {
  const counted = transition({ classes: 2, given: [0, 1, 1], known: [0, 1, 2], truth: [0, 0, 1] })
  // (2.3 + 1, 0.3 + 1) of 4.6 and (0.3, 2.3 + 1) of 3.6.
  const expected = [3.3 / 4.6, 1.3 / 4.6, 0.3 / 3.6, 3.3 / 3.6]
  for (const [k, value] of expected.entries()) assert.ok(Math.abs(counted[k] - value) < 1e-12)
})

test('forward correction sees through labels that went to the next class', () => {
  const { features, truth } = clouds(900, 3)
  const given = truth.map((label, row) => (Math.floor(row / 3) % 5 < 2 ? (label + 1) % 3 : label))
  const known = Uint32Array.from({ length: 150 }, (_, j) => j)
  const training = { steps: 200, rate: 0.1, batchSize: 128, regularization: 1e-4, seed: 0 }
  const data = { matrix: features, classes: 3, given, known, truth: truth.subarray(0, 150) }
  const { posteriors } = forwardCorrection(data, training)
  let [found, all] = [0, 0]
  for (let row = 150; row < 900; row++) {
    const own = Array.from(posteriors.subarray(3 * row, 3 * row + 3))
    assert.ok(Math.abs(own.reduce((sum, p) => sum + p) - 1) < 1e-9)
    if (given[row] === truth[row]) continue
    all++
    if (own.indexOf(Math.max(...own)) === truth[row]) found++
  }
  assert.ok(found > 0.7 * all, `${found} of ${all}`)
})

const even = (x: number) => ({ accuracy: x, auc: x, f1: x })
const draw = (seed: number, ours: number, start: number, a: number, b: number, checked = 200): Result => ({
  set: 's',
  kind: 'next',
  rate: 0.3,
  checked,
  seed,
  ours: even(ours),
  start: even(start),
  rivals: { a: even(a), b: even(b) },
  confirmed: seed === 0,
  seconds: 1,
})

test('differences are paired, with twice the standard error of their mean', () => {
  const { mean, interval } = paired([3, 5, 10], [1, 2, 6])
  assert.is(mean, 3)
  assert.ok(Math.abs(interval - 2 / Math.sqrt(3)) < 1e-12)
})

test('the best rival is the one with the best mean, and draws of a cell belong together', () => {
  const [first, second] = summaries([
    draw(0, 0.9, 0.8, 0.5, 0.7),
    draw(1, 0.7, 0.7, 0.9, 0.6),
    draw(0, 0.5, 0.5, 0.4, 0.1, 60),
  ])
  assert.is(first.best.auc.rival, 'a')
  assert.ok(Math.abs(first.best.auc.mean - 0.1) < 1e-12)
  assert.ok(Math.abs(first.start.f1.mean - 0.05) < 1e-12)
  assert.is(first.draws, 2)
  assert.is(first.confirmed, 1)
  assert.is(second.draws, 1)
  assert.ok(Math.abs(average([first, second], 'best', 'auc').mean - 0.1) < 1e-12)
})

test('says which cells and which averages miss, and nothing else', () => {
  const told = (...results: Result[]) => report(summaries(results))
  assert.match(told(draw(0, 0.9, 0.8, 0.7, 0.6), draw(1, 0.9, 0.8, 0.7, 0.6)), /Nothing is missed\.$/)
  const below = told(draw(0, 0.9, 0.91, 0.95, 0.6))
  assert.match(below, /- s next 30 % 200: auc is -0\.0500 ± 0\.0000 from a/)
  assert.match(below, /- s next 30 % 200: f1 is -0\.0100 ± 0\.0000 from its start/)
  assert.match(below, /- 200 and more checked rows: accuracy is on average -0\.0500 .* from the best rival/)
  const exactly = told(
    ...[0.771, 0.787, 0.789].map((start, k) => draw(k, [0.779, 0.775, 0.787][k], start, 0.7, 0.6)),
  )
  assert.match(exactly, /^s next 30 % 200 .* -0\.0020 ± /m)
  assert.not.match(exactly, /200: accuracy is .* from its start/)
  // Within the bar of the cell, but not above on average.
  const slightly = told(draw(0, 0.9, 0.8, 0.9005, 0.6))
  assert.not.match(slightly, /from a$/m)
  assert.match(slightly, /on average -0\.0005 ± 0\.0000 from the best rival/)
})

test('--quick runs one draw of one cell and writes its table', () => {
  const folder = mkdtempSync(join(tmpdir(), 'nhgd-noise-'))
  const set = join(folder, 'set')
  mkdirSync(set)
  for (const [prefix, size, seed] of [
    ['', 400, 6],
    ['test_', 90, 7],
  ] as const) {
    const { features, truth } = clouds(size, seed)
    const write = (name: string, data: Float32Array | Int32Array, shape: number[]) =>
      writeFileSync(join(set, `${prefix}${name}.npy`), writeNpy({ data, shape }))
    write('features', features.data as Float32Array, [size, 2])
    write('true', truth, [size])
  }
  const out = join(folder, 'table.json')
  const args = ['noise', '--quick', '--sets', '', '--set', `clouds=${set}`, '--json', out]
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--import', 'tsx', 'bench/experiment/main.ts', ...args, '--lines', join(folder, 'lines.jsonl')],
    { encoding: 'utf8' },
  )
  assert.is(status, 0, stderr)
  assert.match(stdout, /^clouds uniform 30 % 60 \| 1 \| /m)
  const [cell] = JSON.parse(readFileSync(out, 'utf8'))
  assert.is(cell.draws, 1)
  assert.ok(cell.ours.auc > 0.8 && cell.ours.auc <= 1)
  rmSync(folder, { recursive: true })
})

test.run()
