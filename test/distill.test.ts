import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { writeNpy } from '../ts/data/npy.ts'
import { readNpz } from '../ts/data/npz.ts'
import { nhgdWith } from './support/command.ts'
import { Random } from './support/random.ts'

const test = suite('distill')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-distill-'))
const file = (name: string) => join(folder, name)
const few = ['--steps', '5', '--trainings', '1']
const distill = (...args: string[]) => nhgdWith(['distill', ...args, ...few])

test.before(() => {
  const random = new Random(1)
  const kinds = ['apple', 'pear', 'plum']
  const rows = Array.from({ length: 90 }, (_, i) => {
    const sizes = kinds.map((_, j) => (random.normal() + (i % 3 === j ? 3 : 0)).toFixed(3))
    return [...sizes, kinds[i % 3]].join()
  })
  writeFileSync(file('fruit.csv'), `width,height,weight,fruit\n${rows.join('\n')}\n`)
  const bytes = Uint8Array.from({ length: 60 * 16 }, (_, k) =>
    k % 16 === (k >> 4) % 2 ? 250 : random.below(90),
  )
  writeFileSync(file('images.npy'), writeNpy({ data: bytes, shape: [60, 4, 4] }))
  writeFileSync(file('labels.txt'), Array.from({ length: 60 }, (_, i) => `${i % 2}`).join('\n'))
})

test.after(() => rmSync(folder, { recursive: true, force: true }))

test('a table: a small set as CSV with the names of columns and classes, a model and figures', async () => {
  const outputs = ['--out', file('small.csv'), '--weights', file('m.npz'), '--json', file('f.json')]
  const fruit = ['--features', file('fruit.csv'), '--label', 'fruit', '--per-class', '2', '--learn-targets']
  const { code, out, error } = await distill(...fruit, ...outputs)
  assert.is(code, 0, error)
  assert.match(out, /^6 samples of 3 classes stand for 81 after 5 outer steps\.\n/)
  assert.match(
    out,
    /A model is right on .* % if trained on the small set, .* \(of the 9 rows that the run did not see\)/,
  )
  assert.match(out, /\nrandom samples +6 /)
  const lines = readFileSync(file('small.csv'), 'utf8').trim().split('\n')
  assert.is(lines[0], 'width,height,weight,label,share of apple,share of pear,share of plum')
  assert.equal(
    lines.slice(1).map((line) => line.split(',')[3]),
    ['apple', 'apple', 'pear', 'pear', 'plum', 'plum'],
  )
  const { judged, curves, classes, settings } = JSON.parse(readFileSync(file('f.json'), 'utf8'))
  assert.equal(classes, ['apple', 'pear', 'plum'])
  assert.is(judged.distilled.samples, 6)
  assert.is(curves.length, 5)
  assert.is(settings.method, 'conjugateGradients')
  const predicted = await nhgdWith([
    'predict',
    '--model',
    file('m.npz'),
    '--features',
    file('fruit.csv'),
    '--ignore',
    'fruit',
    '--out',
    '-',
  ])
  assert.is(predicted.code, 0, predicted.error)
  assert.match(predicted.out, /apple/)
})

test('images: a set that can be read again, and a report that shows it', async () => {
  const images = ['--features', file('images.npy'), '--labels', file('labels.txt')]
  const perceptron = ['--model', 'perceptron', '--hidden', '5']
  const outputs = ['--out', file('small.npz'), '--report', file('r.html')]
  const { code, error } = await distill(...images, ...perceptron, ...outputs)
  assert.is(code, 0, error)
  const { features, labels } = readNpz(readFileSync(file('small.npz')))
  assert.equal(
    [features.shape, [...labels.data].map(Number)],
    [
      [2, 16],
      [0, 1],
    ],
  )
  const page = readFileSync(file('r.html'), 'utf8')
  assert.is(page.match(/<canvas data-picture="\d" width="4" height="4"/g)?.length, 2)
  assert.match(page, /Models trained from scratch/)
  assert.match(page, /"pictures":\["[A-Za-z0-9+/]{22}==","[A-Za-z0-9+/]{22}=="\]/)
  const again = await distill(
    '--features',
    file('small.npz'),
    '--test-share',
    '0',
    '--no-compare',
    '--quiet',
    '--json',
    file('g.json'),
  )
  assert.is(again.code, 0, again.error)
  assert.is(again.out, '')
  assert.equal(Object.keys(JSON.parse(readFileSync(file('g.json'), 'utf8')).judged), ['distilled'])
})

test('an interrupted run says how to go on', async () => {
  const fruit = ['--features', file('fruit.csv'), '--label', 'fruit', '--steps', '10000']
  const kept = ['--checkpoint', file('run'), '--out', file('never.npz')]
  const { code, error } = await nhgdWith(['distill', ...fruit, ...kept], { interrupt: /step \d+/ })
  assert.is(code, 130, error)
  assert.match(error, /what was computed is in .*run: run the same command with --resume/)
  assert.ok(existsSync(file('run')))
  assert.not(existsSync(file('never.npz')))
})

test('what makes no sense ends with 2 and the name of the option', async () => {
  const fruit = ['--features', file('fruit.csv'), '--label', 'fruit']
  for (const [args, name] of [
    [[], '--features'],
    [[...fruit, '--hidden', '3'], '--hidden'],
    [[...fruit, '--per-class', '0'], '--per-class'],
    [
      [...fruit, '--per-class', '50'],
      '"--per-class" expected at most 26, the number of rows with the label "pear"',
    ],
    [[...fruit, '--image-shape', '2x2'], '--image-shape'],
    [[...fruit, '--test-share', '2'], '--test-share'],
    [[...fruit, '--seconds', 'soon'], '--seconds'],
    [[...fruit, '--resume'], '--checkpoint'],
  ] as const) {
    const { code, error } = await distill(...args)
    assert.is(code, 2, error)
    assert.ok(error.includes(name), error)
  }
})

test.run()
