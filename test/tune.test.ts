import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadBackend } from '../ts/backend/load.ts'
import { groupFolds, holdOut, readSet, timeFolds } from '../ts/data/index.ts'
import { tuneRegularization } from '../ts/tasks/tuneRegularization/tuneRegularization.ts'
import { nhgdWith } from './support/command.ts'
import { Random } from './support/random.ts'

const test = suite('tune')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-tune-'))
const file = (name: string) => join(folder, name)
const tune = (...args: string[]) => nhgdWith(['tune', ...args])

test.before(() => {
  const random = new Random(1)
  const lines = ['age,size,colour,price,grade']
  for (let i = 0; i < 60; i++) {
    const [age, size, noise] = random.normals(3)
    const colour = i % 3 === 0 ? 'red' : 'blue'
    const price = 100 + 20 * size - 5 * age + noise
    lines.push(`${age},${size},${colour},${price},${price > 100 ? 'good' : 'bad'}`)
  }
  writeFileSync(file('things.csv'), `${lines.join('\n')}\n`)
  writeFileSync(file('holed.csv'), `${lines.slice(0, 30).join('\n')}\n1,2,red,,good\n`)
})

test.after(() => rmSync(folder, { recursive: true, force: true }))

test('numbers: says what matters, and writes coefficients, model, figures and report', async () => {
  const outputs = [
    '--out',
    file('c.csv'),
    '--weights',
    file('m.npz'),
    '--json',
    file('f.json'),
    '--report',
    file('r.html'),
  ]
  const { code, out, error } = await tune(
    '--features',
    file('things.csv'),
    '--target',
    'price',
    '--ignore',
    'grade',
    ...outputs,
  )
  assert.is(code, 0, error)
  assert.match(out, /^price from 4 columns of 60 rows, by linear regression\./)
  assert.match(out, /mean squared error on rows that were held out is .* ± .*With one ridge penalty it is/)
  assert.match(out, /size +(19|20|21)\./)
  assert.match(out, /left out/)
  const lines = readFileSync(file('c.csv'), 'utf8').trim().split('\n')
  assert.is(lines[0], 'feature,coefficient,standardized,left_out')
  assert.is(lines.length, 5)
  assert.match(lines[1], /^size,/)
  const figures = JSON.parse(readFileSync(file('f.json'), 'utf8'))
  assert.is(figures.model, 'linear')
  assert.ok(figures.losses.chosen.value < 0.1 * 400 && figures.path.length > 0)
  const page = readFileSync(file('r.html'), 'utf8')
  assert.match(page, /Predicted against true/)
  assert.match(page, /<circle/)
})

test('words: classes, by logistic regression', async () => {
  const { code, out, error } = await tune(
    '--features',
    file('things.csv'),
    '--target',
    'grade',
    '--ignore',
    'price',
    '--report',
    file('g.html'),
  )
  assert.is(code, 0, error)
  assert.match(out, /grade from 4 columns of 60 rows, by logistic regression/)
  assert.match(out, /log loss/)
  assert.match(readFileSync(file('g.html'), 'utf8'), /by their true class/)
})

test('a perceptron, whose model predicts new rows', async () => {
  const random = new Random(5)
  const lines = Array.from({ length: 60 }, (_, i) => {
    const [x, y] = random.normals(2)
    const size = (1 + 2 * (i % 2)) / Math.hypot(x, y)
    return `${size * x},${size * y},${i % 2 ? 'outer' : 'inner'}`
  })
  writeFileSync(file('rings.csv'), `x,y,ring\n${lines.join('\n')}\n`)
  const common = ['--features', file('rings.csv'), '--target', 'ring']
  const asked = [...common, '--model', 'perceptron', '--per', 'layer', '--hidden', '5', '--folds', '3']
  const written = ['--weights', file('p.npz'), '--report', file('p.html'), '--json', file('p.json')]
  const { code, out, error } = await tune(...asked, ...written)
  assert.is(code, 0, error)
  assert.match(out, /by a perceptron\./)
  assert.match(out, /took the Gauss–Newton matrix for the curvature/)
  const figures = JSON.parse(readFileSync(file('p.json'), 'utf8'))
  assert.equal([figures.model, figures.curvature, figures.penalty.power], ['perceptron', 'gauss-newton', 2])
  assert.not(readFileSync(file('p.html'), 'utf8').includes('largest coefficients'))
  const given = ['--model', file('p.npz'), '--features', file('rings.csv'), '--ignore', 'ring', '--out', '-']
  const rows = (await nhgdWith(['predict', ...given])).out.trim().split('\n').slice(1)
  assert.ok(rows.filter((row, i) => row.includes(i % 2 ? 'outer' : 'inner')).length > 54)
  const refused: [string[], RegExp][] = [
    [['--hidden', '5'], /"--hidden" expected "--model perceptron" beside it/],
    [['--per', 'layer'], /"--per layer" expected "--model perceptron" beside it/],
    [['--model', 'perceptron', '--out', file('never.csv')], /"--out" expected a model with coefficients/],
    [['--model', 'perceptron', '--hidden', '0'], /whole numbers above 0/],
  ]
  for (const [args, expected] of refused) {
    const { code, error } = await tune(...common, ...args)
    assert.is(code, 2, error)
    assert.match(error, expected)
  }
})

test('a model that was written predicts new rows, numbers and classes', async () => {
  for (const [target, other, model] of [
    ['price', 'grade', 'm.npz'],
    ['grade', 'price', 'm.safetensors'],
  ]) {
    const features = ['--features', file('things.csv')]
    const tuned = await tune(
      ...features,
      '--target',
      target,
      '--ignore',
      other,
      '--weights',
      file(model),
      '--quiet',
    )
    assert.is(tuned.code, 0, tuned.error)
    const given = ['--model', file(model), ...features, '--ignore', 'price,grade', '--out', '-']
    const { code, out, error } = await nhgdWith(['predict', ...given])
    assert.is(code, 0, error)
    const [head, ...rows] = out.trim().split('\n')
    assert.is(head, target === 'price' ? 'row,prediction' : 'row,label,probability')
    assert.is(rows.length, 60)
    const truth = readFileSync(file('things.csv'), 'utf8')
      .trim()
      .split('\n')
      .slice(1)
      .map((line) => line.split(','))
    const right = rows.filter((row, i) =>
      target === 'price'
        ? Math.abs(Number(row.split(',')[1]) - Number(truth[i][3])) < 5
        : row.includes(truth[i][4]),
    )
    assert.ok(right.length > 55, `${right.length} of 60`)
    const odd = await nhgdWith(['predict', '--model', file(model), ...features, '--out', '-'])
    assert.is(odd.code, 2)
    assert.match(odd.error, /columns of training/)
  }
})

test('a perceptron predicts numbers, which may be whole', async () => {
  const random = new Random(6)
  const lines = Array.from({ length: 60 }, () => {
    const [x, noise] = random.normals(2)
    const y = 100 * Math.cos(x) + noise
    return `${x},${y},${Math.round(y)}`
  })
  writeFileSync(file('waves.csv'), `x,y,whole\n${lines.join('\n')}\n`)
  const common = ['--features', file('waves.csv'), '--model', 'perceptron', '--hidden', '4', '--folds', '2']
  const own = ['--target', 'y', '--ignore', 'whole', '--weights', file('waves.safetensors')]
  const { code, out, error } = await tune(...common, ...own)
  assert.is(code, 0, error)
  assert.match(out, /by a perceptron\.\nThe mean squared error on rows/)
  const rest = ['--features', file('waves.csv'), '--ignore', 'y,whole', '--out', '-']
  const rows = (await nhgdWith(['predict', '--model', file('waves.safetensors'), ...rest])).out
  const predicted = rows.trim().split('\n').slice(1)
  const off = predicted.map((row, i) => Math.abs(Number(row.split(',')[1]) - Number(lines[i].split(',')[1])))
  assert.ok(off.filter((x) => x < 20).length > 50, off.join())
  const asked = ['--target', 'whole', '--ignore', 'y', '--task', 'regression', '--power', '1']
  const whole = await tune(...common, ...asked)
  assert.match(whole.out, /by a perceptron\.\nThe mean squared error on rows/)
  assert.match(whole.out, /The penalty has the exponent 1 and/)
  const refused: [string[], RegExp][] = [
    [['--model', 'linear', '--task', 'classification'], /"--task" expected regression, or another model/],
    [['--model', 'softmax', '--task', 'regression'], /"--task" expected classification, or another model/],
  ]
  for (const [args, expected] of refused) {
    const { code, error } = await tune('--features', file('waves.csv'), '--target', 'y', ...args)
    assert.is(code, 2, error)
    assert.match(error, expected)
  }
})

test('several targets at once', async () => {
  const common = ['--features', file('things.csv'), '--target', 'price,size', '--ignore', 'grade']
  const written = ['--out', file('two.csv'), '--report', file('two.html'), '--json', file('two.json')]
  const { code, out, error } = await tune(...common, ...written)
  assert.is(code, 0, error)
  assert.match(out, /^price and size from 3 columns of 60 rows/)
  assert.match(out, /mean share of the variance that is left on rows that were held out/)
  assert.match(out, / for (price|size) \(/)
  const lines = readFileSync(file('two.csv'), 'utf8').trim().split('\n')
  assert.is(lines[0], 'feature,output,coefficient,standardized,left_out')
  assert.is(lines.filter((line) => line.includes(',price,')).length, 3)
  const page = readFileSync(file('two.html'), 'utf8')
  assert.match(page, /Predicted against true: price[\s\S]*Predicted against true: size/)
  const figures = JSON.parse(readFileSync(file('two.json'), 'utf8'))
  assert.equal([figures.targets, figures.intercepts.length], [['price', 'size'], 2])
  // As the library has it.
  const { features, texts } = await readSet(file('things.csv'), {
    ignore: ['grade'],
    texts: ['price', 'size'],
  })
  const pairs = Array.from({ length: 60 }, (_, i) => [Number(texts?.price[i]), Number(texts?.size[i])])
  const backend = await loadBackend()
  const { losses } = await tuneRegularization({ backend, features, targets: pairs })
  assert.is(figures.losses.chosen.value, losses.chosen.value)
  const words = await tune('--features', file('things.csv'), '--target', 'price,grade')
  assert.equal([words.code, /"--target" expected numbers/.test(words.error)], [2, true], words.error)
  const classes = await tune(...common, '--model', 'softmax')
  assert.equal([classes.code, /one column of classes/.test(classes.error)], [2, true], classes.error)
})

test('targets and groups in files of one value per line', async () => {
  const lines = readFileSync(file('things.csv'), 'utf8').trim().split('\n').slice(1)
  writeFileSync(file('prices.txt'), `${lines.map((line) => line.split(',')[3]).join('\n')}\n`)
  writeFileSync(file('groups.txt'), 'body\nbody\npaint\npaint\n')
  const features = ['--features', file('things.csv'), '--ignore', 'price,grade']
  const { code, out, error } = await tune(
    ...features,
    '--targets',
    file('prices.txt'),
    '--groups',
    file('groups.txt'),
  )
  assert.is(code, 0, error)
  assert.match(out, /and 2 strengths/)
  writeFileSync(file('few.txt'), '1\n2\n')
  const few = await tune(...features, '--targets', file('few.txt'))
  assert.match(few.error, /"--targets" expected 60, one per row, got 2/)
  const less = await tune(...features, '--targets', file('prices.txt'), '--groups', file('few.txt'))
  assert.match(less.error, /"--groups" expected 4 groups, one per feature, got 2/)
})

test('rows of a group stay together, and folds of time are judged on what comes after', async () => {
  const lines = readFileSync(file('things.csv'), 'utf8').trim().split('\n')
  const day = (i: number) => new Date(Date.UTC(2026, 0, 1 + ((7 * i) % 60))).toISOString().slice(0, 10)
  const rows = lines.map((line, i) => `${line},${i === 0 ? 'person,day' : `p${i % 4},${day(i)}`}`)
  writeFileSync(file('visits.csv'), `${rows.join('\n')}\n`)
  const common = ['--features', file('visits.csv'), '--target', 'price', '--ignore', 'grade']
  const figures = async (name: string, ...args: string[]) => {
    const { code, error } = await tune(...common, ...args, '--json', file(name), '--quiet')
    assert.is(code, 0, error)
    return JSON.parse(readFileSync(file(name), 'utf8'))
  }
  const grouped = ['--group-column', 'person', '--ignore', 'grade,day', '--folds', '4']
  const timed = ['--time-column', 'day', '--ignore', 'grade,person', '--folds', '3']
  const [groups, times] = [await figures('g.json', ...grouped), await figures('t.json', ...timed)]
  assert.equal([groups.features, times.features], [4, 4])
  // The same folds by hand.
  const { features, values } = await thePrices()
  const backend = await loadBackend()
  const people = Array.from(values.keys(), (i) => `p${(i + 1) % 4}`)
  const byHand = await tuneRegularization({
    backend,
    features,
    targets: values,
    folds: groupFolds(people, 4),
  })
  assert.is(groups.losses.chosen.value, byHand.losses.chosen.value)
  const order = Array.from(values.keys()).sort((a, b) => day(a + 1).localeCompare(day(b + 1)))
  const inOrder = timeFolds(60, 3).map(({ train, validation }) => ({
    train: train.map((i) => order[i]),
    validation: validation.map((i) => order[i]),
  }))
  const later = await tuneRegularization({ backend, features, targets: values, folds: inOrder })
  assert.is(times.losses.chosen.value, later.losses.chosen.value)
  const latest = [...timed.slice(0, -2), '--hold-out', '0.25']
  const out = [{ train: order.slice(0, 45), validation: order.slice(45) }]
  const onLatest = await tuneRegularization({ backend, features, targets: values, folds: out })
  assert.is((await figures('h.json', ...latest)).losses.chosen.value, onLatest.losses.chosen.value)
  const group = [groupFolds(people, 4)[0]]
  const onGroup = await tuneRegularization({ backend, features, targets: values, folds: group })
  const once = [...grouped.slice(0, -2), '--hold-out', '0.25']
  assert.is((await figures('i.json', ...once)).losses.chosen.value, onGroup.losses.chosen.value)
  const random = await tuneRegularization({ backend, features, targets: values, folds: holdOut(60, 0.3) })
  const plain = ['--ignore', 'grade,day,person', '--hold-out', '0.3']
  assert.is((await figures('j.json', ...plain)).losses.chosen.value, random.losses.chosen.value)
  const refused: [string[], RegExp][] = [
    [['--hold-out', '0.3', '--folds', '5'], /"--hold-out" expected no "--folds" beside it/],
    [['--hold-out', '1'], /between 0 and 1/],
    [
      ['--hold-out', '0.01', '--ignore', 'grade,day,person'],
      /"--hold-out" expected at least one of the 60 rows, got 0.01 of them/,
    ],
    [['--group-column', 'person', '--time-column', 'day'], /no "--time-column" beside it/],
    [
      ['--group-column', 'person', '--ignore', 'grade,day'],
      /"--group-column" expected at least 5 groups, one per fold, got 4/,
    ],
    [['--group-column', 'nobody'], /nobody/],
    [
      ['--time-column', 'person', '--ignore', 'grade,day'],
      /"--time-column" expected numbers, or dates .* got "p1" in the row 0/,
    ],
    [['--time-column', 'day', '--folds', '60'], /"--folds" expected fewer than 60 rows, got 60/],
  ]
  for (const [args, expected] of refused) {
    const { code, error } = await tune(...common, ...args)
    assert.is(code, 2, error)
    assert.match(error, expected)
  }
})

/** Features and prices of the things, as the command reads them. */
async function thePrices() {
  const { features, texts } = await readSet(file('things.csv'), { ignore: ['grade'], texts: ['price'] })
  return { features, values: Float64Array.from(texts?.price ?? [], Number) }
}

test('numbers that may be classes are told', async () => {
  const lines = readFileSync(file('things.csv'), 'utf8').trim().split('\n')
  const two = lines.map((line, i) => `${line.split(',').slice(0, 3).join()},${i === 0 ? 'sold' : i % 2}`)
  writeFileSync(file('sold.csv'), `${two.join('\n')}\n`)
  const { error } = await tune('--features', file('sold.csv'), '--target', 'sold')
  assert.match(error, /"--model softmax" takes them for classes/)
})

test('the coefficients go through the pipe, and the sentences beside it', async () => {
  const { out, error } = await tune(
    '--features',
    file('things.csv'),
    '--target',
    'price',
    '--ignore',
    'grade',
    '--out',
    '-',
  )
  assert.match(out, /^feature,coefficient/)
  assert.match(error, /price from 4 columns/)
})

test('bad input is told in one line', async () => {
  const features = ['--features', file('things.csv')]
  const refused: [string[], RegExp][] = [
    [['--target', 'price'], /"--features" expected/],
    [features, /"--target" expected a column/],
    [[...features, '--target', 'nope'], /nope/],
    [[...features, '--target', 'age,size,colour,price,grade'], /at least one column of features, got none/],
    [[...features, '--target', 'price', '--targets', file('things.csv')], /got both/],
    [[...features, '--target', 'grade', '--model', 'linear'], /"--target" expected numbers/],
    [[...features, '--target', 'price', '--power', '3'], /above 0 and at most 2/],
    [[...features, '--target', 'price', '--folds', '1'], /from 2/],
    [['--features', file('holed.csv'), '--target', 'price', '--ignore', 'grade'], /none in the row 29/],
    [[...features, '--target', 'price', '--out', file('things.csv')], /things\.csv/],
  ]
  for (const [args, expected] of refused) {
    const { code, error } = await tune(...args)
    assert.is(code, 2, `${args.join(' ')}: ${error}`)
    assert.match(error, expected)
    assert.is(error.trim().split('\n').length, 1, error)
  }
})

test('a checkpoint is removed once all is written, and one that is there is left alone', async () => {
  const things = ['--features', file('things.csv'), '--target', 'price', '--ignore', 'grade', '--quiet']
  const kept = [...things, '--out', file('kept.csv'), '--checkpoint', file('run')]
  const whole = await tune(...kept)
  assert.is(whole.code, 0, whole.error)
  assert.not(existsSync(file('run')))
  writeFileSync(file('run'), 'something else')
  for (const [own, expected] of [
    [[], '"--checkpoint" expected a new file, or "--resume" beside it'],
    [['--resume'], 'ERR_CHECKPOINT'],
  ] as const) {
    const { code, error } = await tune(...kept, ...own)
    assert.is(code, 2, error)
    assert.ok(error.includes(expected), error)
  }
  assert.is(readFileSync(file('run'), 'utf8'), 'something else')
})

test.run()
