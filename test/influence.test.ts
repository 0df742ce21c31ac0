import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadBackend } from '../ts/backend/load.ts'
import { matrix } from '../ts/backend/matrix.ts'
import { softmaxRegression } from '../ts/problems/model.ts'
import { InfluenceModel } from '../ts/tasks/influence/influenceModel.ts'
import { nhgdWith } from './support/command.ts'
import { Random } from './support/random.ts'

const test = suite('influence command')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-influence-'))
const file = (name: string) => join(folder, name)
const influence = (...args: string[]) => nhgdWith(['influence', ...args])
const both = ['--train', file('train.csv'), '--test', file('test.csv'), '--label', 'kind']
/** Training rows whose label is wrong. */
const wrong = [4, 33]

test.before(() => {
  const random = new Random(1)
  const rows = (count: number, swapped: readonly number[] = []) => {
    const lines = ['name,size,weight,kind']
    for (let i = 0; i < count; i++) {
      const [x, y] = random.normals(2, 0.5)
      const large = i % 2 === 0
      lines.push(`n${i},${x + (large ? 5 : 0)},${y},${large !== swapped.includes(i) ? 'large' : 'small'}`)
    }
    return lines
  }
  writeFileSync(file('train.csv'), `${rows(60, wrong).join('\n')}\n`)
  const tests = rows(12)
  writeFileSync(file('test.csv'), `${tests.join('\n')}\n`)
  writeFileSync(file('other.csv'), `${tests.join('\n').replace('small', 'tiny')}\n`)
  writeFileSync(file('columns.csv'), `${tests.join('\n').replace('size', 'length')}\n`)
  writeFileSync(file('holes.csv'), `${tests.join('\n').replace(/,[^,]*,small/, ',,small')}\n`)
  writeFileSync(file('empty.csv'), `${tests[0]}\n`)
})

test.after(() => rmSync(folder, { recursive: true, force: true }))

test('tells which rows help and harm, and writes effects, values, model and figures', async () => {
  const outputs = [
    '--out',
    file('o.csv'),
    '--values',
    file('v.csv'),
    '--json',
    file('f.json'),
    '--weights',
    file('m'),
  ]
  const { code, out, error } = await influence(...both, '--id', 'name', '--top', '2', '--self', ...outputs)
  assert.is(code, 0, error)
  assert.match(out, /^A model of 60 training rows has the mean loss .* on 12 test rows\./)
  const harmful = /harm most.*\n {2}row (\d+) \((n\d+)\), labelled \w+: -.*\n {2}row (\d+) /.exec(out)
  assert.equal([harmful?.[1], harmful?.[3]].map(Number).sort(), [33, 4].map(Number).sort())
  assert.is(harmful?.[2], `n${harmful?.[1]}`)
  assert.match(out, /explain least.*\n {2}row (4|33) .*\n {2}row (4|33) /)
  const effects = readFileSync(file('o.csv'), 'utf8').trim().split('\n')
  assert.is(effects[0], 'test,test_id,test_label,effect,rank,row,id,label,change')
  assert.is(effects.length, 1 + 12 * 4)
  const values = readFileSync(file('v.csv'), 'utf8').trim().split('\n')
  assert.is(values[0], 'row,id,label,value,self_influence,loss_without')
  assert.is(values.length, 61)
  const figures = JSON.parse(readFileSync(file('f.json'), 'utf8'))
  assert.equal(figures.classes, ['large', 'small'])
  assert.is(figures.status, 'done')
  assert.is(figures.tests.length, 12)
  const [, , , value, self, without] = values[1 + 4].split(',').map(Number)
  assert.equal(
    [value, self, without],
    [figures.values[4], figures.self[4], figures.losses[4] + figures.self[4]],
  )
  assert.ok(readFileSync(file('m')).length > 100)
})

test('a perceptron, and outputs on the pipe alone', async () => {
  const { code, out, error } = await influence(
    ...both,
    '--ignore',
    'name',
    '--model',
    'perceptron',
    '--values',
    '-',
  )
  assert.is(code, 0, error)
  assert.match(out, /^row,label,value\n0,large,/)
  assert.match(error, /A model of 60 training rows/)
})

test('what makes no sense is refused by its option', async () => {
  const cases: [RegExp, string[]][] = [
    [/"--label" expected a column of the labels, or "--labels" with a file, got none/, both.slice(0, 4)],
    [
      /"--test" expected one of large, small, got tiny/,
      [...both.slice(0, 3), file('other.csv'), ...both.slice(4)],
    ],
    [
      /"--test" expected the columns of training/,
      [...both.slice(0, 3), file('columns.csv'), ...both.slice(4)],
    ],
    [/"--test" expected/, [...both.slice(0, 3), file('holes.csv'), ...both.slice(4)]],
    [/"--test" expected/, [...both.slice(0, 3), file('empty.csv'), ...both.slice(4)]],
    [/"--out" expected another file/, [...both, '--out', file('train.csv')]],
    [/top/, [...both, '--top', '0']],
    [/regularization/, [...both, '--regularization', '-1']],
    [/"--quiet" expected/, [...both, '--quiet']],
    [/--test/, both.slice(0, 2)],
  ]
  for (const [message, args] of cases) {
    const { code, error, out } = await influence(...args, '--ignore', 'name')
    assert.is(code, 2, `${args}: ${error}`)
    assert.match(error, message)
    assert.is(out, '')
  }
})

test('a checkpoint is made for this command alone, and removed once all is written', async () => {
  const kept = ['--id', 'name', '--checkpoint', file('run'), '--values', file('kept.csv')]
  const ended = await influence(...both, ...kept, '--resume')
  assert.is(ended.code, 0, ended.error)
  assert.not(existsSync(file('run')))
  const train = { features: matrix(Float64Array.of(1, 2, 3, 4), 2, 2), labels: [0, 1] }
  const checkpoint = { file: file('run'), everySeconds: 0 }
  const backend = await loadBackend()
  await InfluenceModel.fit({ backend, model: softmaxRegression({ classes: 2 }), train, checkpoint })
  for (const [own, expected] of [
    [[], '"--checkpoint" expected a new file, or "--resume" beside it'],
    [['--resume'], 'ERR_CHECKPOINT'],
  ] as const) {
    const { code, error } = await influence(...both, ...kept, ...own)
    assert.is(code, 2, error)
    assert.ok(error.includes(expected), error)
  }
  assert.ok(existsSync(file('run')))
})

test.run()
