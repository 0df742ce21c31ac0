import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readNpz, writeNpy } from '../ts/data/index.ts'
import { auc } from '../ts/tasks/metrics.ts'
import { type Ending, nhgdWith } from './support/command.ts'
import { gaussians } from './support/gaussians.ts'

const test = suite('cli')
const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'nhgd-cli-'))
const inFolder = (name: string) => join(folder, name)
test.after(() => rmSync(folder, { recursive: true }))

const nhgd = (...args: string[]) => nhgdWith(args)

/** Commands that are refused, and what each is told. */
type Misuses = readonly (readonly [args: readonly string[], told: RegExp])[]

/** Each ends with one line on standard error and exit code 2; three run at a time. */
async function misuse(cases: Misuses): Promise<void> {
  const left = [...cases]
  const drain = async () => {
    for (let next = left.shift(); next; next = left.shift()) refused(await nhgd(...next[0]), next[1])
  }
  await Promise.all([drain(), drain(), drain()])
}

function refused({ code, out, error }: Ending, told: RegExp): void {
  assert.is(code, 2, error)
  assert.match(error, told)
  const lines = error.trim().split('\n')
  const complaints = lines.filter((line) => line.startsWith('nhgd: '))
  assert.is(complaints.length, 1, error)
  assert.is(lines.at(-1), complaints[0], error)
  assert.is(out, '')
}

function write(name: string, content: string | Uint8Array): string {
  writeFileSync(inFolder(name), content)
  return inFolder(name)
}

const names = ['cat', 'dog', 'hen']
const data = gaussians({ samples: 400, trusted: 60 })
const { columns } = data.features
const header = [...Array.from({ length: columns }, (_, j) => `x${j}`), 'kind']
const rowsOf = Array.from(data.labels, (label, i) => [
  ...Array.from(data.features.data.subarray(i * columns, (i + 1) * columns), (x) => x.toFixed(5)),
  names[label],
])
const csv = (rows: readonly (readonly string[])[]) => [header, ...rows].map((row) => row.join()).join('\n')
const table = write('table.csv', csv(rowsOf))
const trusted = write('trusted.npy', writeNpy({ data: data.trusted, shape: [60] }))
const usual = ['clean', '--features', table, '--label', 'kind']

test('--help and --version', async () => {
  const help = await nhgd('--help')
  assert.is(help.code, 0)
  assert.match(help.out, /Usage: nhgd/)
  for (const word of ['clean', 'info', '--version', '--help']) assert.match(help.out, word)
  const clean = await nhgd('clean', '--help')
  assert.is(clean.code, 0)
  for (const option of [
    '--features',
    '--trusted',
    '--demo',
    '--out',
    '--json',
    '--report',
    '--backend',
    '--seeds',
  ]) {
    assert.match(clean.out, option)
  }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  assert.equal(await nhgd('--version'), { code: 0, out: `${version}\n`, error: '' })
})

test('info tells the backend', async () => {
  const { code, out } = await nhgd('info')
  assert.is(code, 0)
  const info = JSON.parse(out)
  assert.ok(['native', 'wasm'].includes(info.backend))
  assert.ok(info.threads >= 1 && typeof info.simd === 'string')
  const { tuning } = JSON.parse((await nhgd('info', '--tune')).out)
  const sizes = Object.fromEntries(
    tuning.map(({ name, value }: { name: string; value: number }) => [name, value]),
  )
  if (info.backend === 'native') assert.ok(sizes.firstCache <= sizes.secondCache && sizes.tileRows >= 16)
  else assert.equal(tuning, [])
})

test('options that do not exist or make no sense', () =>
  misuse([
    [['clean', '--colour', 'red'], /--colour/],
    [['polish'], /polish/],
    [[...usual, '--trusted', trusted, '--seed', '1.5'], /--seed.*whole number/s],
    [[...usual, '--outer-steps', '0'], /--outer-steps.*from 1/s],
    [[...usual, '--backend', 'gpu'], /--backend.*native/s],
    [[...usual, '--weighting', 'other'], /--weighting.*margin/s],
    [[...usual, '--threads', '0'], /--threads.*from 1/s],
    [[...usual, '--image-shape', '28'], /--image-shape.*28x28/s],
    [['clean'], /"--features" expected a file/],
    [['clean', '--demo', 'other'], /"--demo" expected mnist, got other/],
  ]))

test('options that would be ignored', () =>
  misuse([
    [['clean', '--demo', 'mnist', '--features', table], /"--features" expected no "--demo" beside it/],
    [['clean', '--demo', 'mnist', '--trusted', trusted], /"--trusted" expected "--features" beside it/],
    [[...usual, '--trusted', trusted, '--seeds', '2'], /"--seeds" expected "--demo" beside it/],
    [[...usual, '--trusted', trusted, '--noise', '0.5'], /"--noise" expected "--demo" beside it/],
    [[...usual, '--trusted', trusted, '--no-rivals'], /"--no-rivals" expected "--demo" beside it/],
    [[...usual, '--trusted', trusted, '--checked', trusted], /"--checked" expected no "--trusted"/],
    [
      [...usual, '--trusted', trusted, '--model', 'perceptron'],
      /"--model" expected no "--trusted" beside it, got both/,
    ],
    [['clean', '--demo', 'mnist', '--model', 'softmax'], /"--model" expected "--features" beside it/],
    [['clean', '--demo', 'mnist', '--no-standardize'], /"--no-standardize" expected "--features" beside it/],
    [[...usual, '--weighting', 'margin'], /"--weighting" expected "--trusted" beside it/],
    [[...usual, '--outer-steps', '3'], /"--outer-steps" expected "--checked" or "--trusted" beside it/],
    [[...usual, '--trusted', trusted, '--quiet'], /"--quiet" expected "--out" or another output beside it/],
    [
      ['clean', '--features', trusted, '--labels', trusted, '--id', 'a'],
      /"--id" expected a CSV file of features/,
    ],
    [
      ['clean', '--features', trusted, '--labels', trusted, '--ignore', 'a'],
      /"--ignore" expected a CSV file/,
    ],
    [
      ['clean', '--features', trusted, '--labels', trusted, '--checked-column', 'a'],
      /"--checked-column" expected a CSV/,
    ],
    [
      ['clean', '--features', trusted, '--labels', trusted, '--no-header'],
      /"--no-header" expected a CSV file/,
    ],
    [[...usual, '--ignore', 'colour'], /"--features" expected a column "colour"/],
    [[...usual, '--no-holdout'], /"--no-holdout" expected "--trusted" beside it/],
    [
      [...usual, '--trusted', trusted, '--suggest-trusted', '9'],
      /"--suggest-trusted" expected no "--trusted"/,
    ],
    [
      ['clean', '--features', trusted, '--label', 'kind', '--labels', trusted],
      /"--label" expected a CSV file, another table or an NPZ file, got/,
    ],
  ]))

test('files that could not be written, before any work is done', () => {
  const run = [...usual, '--trusted', trusted]
  const nowhere = inFolder(join('nowhere', 'x'))
  return misuse([
    [[...run, '--out', nowhere], /"--out" expected a file that can be written, got .*nowhere/],
    [[...run, '--weights', nowhere], /"--weights" expected a file that can be written/],
    [[...run, '--report', nowhere], /"--report" expected a file that can be written/],
    [[...run, '--json', folder], /"--json" expected a file that can be written, got .*a folder/],
  ])
})

test('outputs that would overwrite an input or each other, before any work is done', async () => {
  const run = [...usual, '--trusted', trusted]
  const before = readFileSync(table)
  const again = inFolder('again.csv')
  symlinkSync(table, again)
  const twice = inFolder('twice.json')
  const detour = join(folder, '..', basename(folder), 'twice.json')
  await misuse([
    [[...run, '--out', table], /"--out" expected another file than "--features", got ".*" twice/],
    [[...run, '--out', again], /"--out" expected another file than "--features"/],
    [[...run, '--json', trusted], /"--json" expected another file than "--trusted"/],
    [[...run, '--out', twice, '--json', detour], /"--json" expected another file than "--out"/],
    [[...run, '--out', ''], /"--out" expected a file that can be written, got "" \(no name\)/],
  ])
  assert.equal(readFileSync(table), before)
})

test('a trusted file that holds no row is not taken for none', async () => {
  const none = write('no-rows.npy', writeNpy({ data: new Int32Array(0), shape: [0] }))
  const nobody = write('nobody.npy', writeNpy({ data: new Uint8Array(400), shape: [400], boolean: true }))
  const told = /"--trusted" expected at least 4 rows and fewer than all 400, got 0/
  await misuse([
    [[...usual, '--trusted', none, '--weights', inFolder('none.npz')], told],
    [[...usual, '--trusted', nobody], told],
  ])
})

test('labels that are not as many as the rows, with and without trusted rows', () => {
  const few = write(
    '399.npy',
    writeNpy({ data: Int32Array.from({ length: 399 }, (_, i) => i % 2), shape: [399] }),
  )
  const told = /"--labels" expected 400, one per row, got 399/
  return misuse([
    [[...usual, '--labels', few], told],
    [[...usual, '--labels', few, '--trusted', trusted], told],
  ])
})

test('classes without a trusted row are named', async () => {
  const some = Int32Array.from(data.trusted).filter((row) => data.labels[row] !== 2)
  const file = write('two-classes.npy', writeNpy({ data: some, shape: [some.length] }))
  const json = inFolder('two-classes.json')
  const { code, error } = await nhgd(
    ...usual,
    '--quiet',
    '--trusted',
    file,
    '--outer-steps',
    '2',
    '--json',
    json,
  )
  assert.is(code, 0, error)
  assert.match(error, /^nhgd: no trusted row is labelled hen: /)
  assert.equal(JSON.parse(readFileSync(json, 'utf8')).classesWithoutTrusted, ['hen'])
})

test('a column of another scale is named', async () => {
  const vast = csv(rowsOf.map((row) => row.with(1, '1000000')))
  const run = ['clean', '--label', 'kind', '--features', write('vast-column.csv', vast), '--trusted', trusted]
  const json = inFolder('vast-column.json')
  const quick = [...run, '--outer-steps', '2', '--quiet', '--json', json]
  assert.match((await nhgd(...quick)).error, /^nhgd: column "x1" is of another scale .* or has an outlier$/m)
  assert.match(JSON.parse(readFileSync(json, 'utf8')).warnings[0], /^column "x1" is of another scale/)
  const { error } = await nhgd(...quick, '--no-standardize')
  assert.match(error, /^nhgd: column "x1" is of another scale .*: leave "--no-standardize" out$/m)
})

test('interrupted before there is a result, it writes nothing and says so', async () => {
  const out = inFolder('interrupted.csv')
  const args = ['clean', '--features', table, '--label', 'kind', '--trusted', trusted, '--out', out]
  const { code, error } = await nhgdWith([...args, '--verbose'], { interrupt: / backend, .*\n/ })
  assert.is(code, 130, error)
  assert.match(error, /interrupted before there was a result: nothing was written$/m)
  assert.not.ok(existsSync(out))
})

test('files that are not there, truncated, foreign', () => {
  const short = write('short.npy', readFileSync(trusted).subarray(0, 40))
  return misuse([
    [['clean', '--features', inFolder('nowhere.csv')], /"--features" expected .*nowhere\.csv/],
    [[...usual, '--trusted', inFolder('nowhere.npy')], /"--trusted" expected .*nowhere\.npy/],
    [[...usual, '--trusted', short], /"--trusted" expected .*, got /],
    [['clean', '--features', write('foreign.npy', 'no array')], /"--features" expected .*, got /],
    [['clean', '--features', write('data.jpg', '1 2 3')], /"--features" expected .*data\.jpg/],
  ])
})

test('missing values, text and infinity are named by row and column', () => {
  const file = (name: string, row: number, column: number, value: string) => {
    const cells = rowsOf.with(row, rowsOf[row].with(column, value))
    return ['clean', '--label', 'kind', '--features', write(name, csv(cells))]
  }
  return misuse([
    [
      file('none.csv', 6, 2, ''),
      /"--features" expected a value in every cell, got none in row 6, column "x2"/,
    ],
    [
      file('nan.csv', 6, 2, 'NaN'),
      /"--features" expected a value in every cell, got NaN in row 6, column "x2"/,
    ],
    [file('wordy.csv', 0, 0, 'many'), /expected a number in every cell, got "many" in row 0, column "x0"/],
    [file('vast.csv', 3, 1, 'inf'), /finite numbers, got "inf" in row 3, column "x1"/],
    [file('unlabelled.csv', 9, columns, ''), /expected a value, got none in row 9, column "kind"/],
    [['clean', '--features', table, '--label', 'sort'], /expected a column "sort", got .*kind/],
    [
      ['clean', '--features', table],
      /"--labels" expected a file, or "--label" with a column of the features \(x0, x1, x2, x3, kind\)/,
    ],
    [['clean', '--features', trusted], /expected at least one sample and one feature/],
  ])
})

test('labels and trusted rows that do not fit', () => {
  const trusting = (name: string, ...rows: number[]) => {
    const file = write(name, writeNpy({ data: Int32Array.from(rows), shape: [rows.length] }))
    return [...usual, '--trusted', file]
  }
  const few = write('few.npy', writeNpy({ data: new Int32Array(399), shape: [399] }))
  const halves = write('halves.npy', writeNpy({ data: new Float64Array(400).fill(0.5), shape: [400] }))
  const cleaning = [...usual, '--trusted', trusted]
  return misuse([
    [trusting('outside.npy', 0, 1, 2, 3, 400), /"--trusted" expected rows below 400, got 400 at index 4/],
    [trusting('twice.npy', 0, 1, 2, 3, 3), /"--trusted" expected each row once, got 3 twice/],
    [trusting('negative.npy', 0, 1, 2, -3), /"--trusted" expected row numbers from 0, got -3 at 3/],
    [[...cleaning, '--labels', few], /"--labels" expected 400, one per row, got 399/],
    [[...cleaning, '--labels', halves], /"--labels" expected whole numbers or text, got 0.5/],
    [[...cleaning, '--image-shape', '3x3'], /"--image-shape" expected .*3x3 for 4 columns/],
  ])
})

test('a table with text labels is cleaned from end to end', async () => {
  const [out, weights, report, json] = ['issues.csv', 'w.npz', 'report.html', 'run.json'].map(inFolder)
  const files = ['--out', out, '--weights', weights, '--report', report, '--json', json]
  const args = [
    'clean',
    '--features',
    table,
    '--label',
    'kind',
    '--trusted',
    trusted,
    '--seed',
    '3',
    ...files,
  ]
  const { code, out: printed, error } = await nhgd(...args)
  assert.is(code, 0, error)
  assert.match(printed, /^\d+ of 340 labels look wrong, about \d+ of them really are\.\n/)
  assert.match(printed, /^row +given +suggested +score$/m)
  assert.not.match(printed, /outer|bilevel|hypergradient/)
  assert.match(error, /step \d+\/\d+ +loss /, 'plain lines of progress')
  assert.not.match(error, '\x1b[')

  const [head, ...lines] = readFileSync(out, 'utf8').trim().split('\n')
  assert.is(head, 'row,given,suggested,weight,score,rank,doubted')
  const issues = lines.map((line) => line.split(','))
  assert.is(issues.length, 340)
  const wrong = issues.map(([index]) => data.labels[Number(index)] !== data.truth[Number(index)])
  assert.ok(
    auc(
      issues.map((issue) => Number(issue[4])),
      wrong,
    ) > 0.97,
  )
  issues.forEach(([index, given, suggested, weight, score, rank, doubted], i) => {
    assert.is(doubted, String(Number(score) > 0.5))
    assert.is(given, names[data.labels[Number(index)]])
    assert.ok(names.includes(suggested))
    assert.ok([weight, score].every((x) => Number(x) >= 0 && Number(x) <= 1))
    assert.is(Number(rank), i + 1)
    assert.ok(i === 0 || Number(score) <= Number(issues[i - 1][4]))
  })
  const suggestions = issues.filter(([index, , suggested]) => suggested === names[data.truth[Number(index)]])
  assert.ok(suggestions.length > 0.95 * 340)

  const arrays = readNpz(readFileSync(weights))
  assert.equal(arrays.weights.shape, [400])
  assert.equal(arrays.theta.shape, [columns + 1, 3])
  const run = JSON.parse(readFileSync(json, 'utf8'))
  assert.is(run.seed, 3)
  assert.ok(run.doubted > 100 && run.doubted < 180, `${run.doubted}`)
  assert.ok(run.seconds.total > 0)
  const page = readFileSync(report, 'utf8')
  assert.match(page, /^<!doctype html>/i)
  assert.match(page, 'hen')
  assert.not.match(page, /(src|href)="https?:/)
})

test('--quiet prints nothing', async () => {
  const ending = await nhgd(
    ...usual,
    '--trusted',
    trusted,
    '--outer-steps',
    '3',
    '--quiet',
    '--json',
    '/dev/null',
  )
  assert.equal(ending, { code: 0, out: '', error: '' })
})

test('checked rows teach it, in a file and in a column', async () => {
  const rows = Array.from({ length: 60 }, (_, i) => 6 * i)
  const answer = (row: number) =>
    data.labels[row] === data.truth[row] ? 'right' : row % 4 ? names[data.truth[row]] : 'wrong'
  const file = write(
    'checked.csv',
    ['row,note,label', ...rows.map((row) => `${row},,${answer(row)}`), '7,,'].join('\n'),
  )
  const json = inFolder('checked.json')
  const { code, out, error } = await nhgd(...usual, '--checked', file, '--json', json)
  assert.is(code, 0, error)
  assert.match(
    out,
    /^\d+ of 340 labels look wrong, about \d+ of them really are\.\nOf all that nobody checked, about \d+ are wrong \(between \d+ and \d+, by your 60 checks/,
  )
  const { doubted, estimate, bilevel } = JSON.parse(readFileSync(json, 'utf8'))
  assert.ok(doubted > 90 && doubted < 180, `${doubted}`)
  assert.ok(estimate.wrong.low < estimate.wrong.count && bilevel.steps === 12)

  const truth = csv(rowsOf.map((row, i) => [...row, `u${i}`, rows.includes(i) ? names[data.truth[i]] : '']))
  const wide = write('wide.csv', truth.replace('kind\n', 'kind,name,true kind\n'))
  const out2 = inFolder('wide-issues.csv')
  const column = ['--checked-column', 'true kind', '--id', 'name', '--out', out2, '--outer-steps', '1']
  const again = await nhgd('clean', '--features', wide, '--label', 'kind', '--quiet', ...column)
  assert.equal(again, { code: 0, out: '', error: '' })
  const lines = readFileSync(out2, 'utf8').trim().split('\n')
  assert.is(lines[0], 'row,given,suggested,weight,score,rank,doubted,id')
  assert.is(lines.length, 341)
  assert.ok(lines.slice(1).every((line) => `u${line.split(',')[0]}` === line.split(',').at(-1)))

  await misuse([
    [
      [...usual, '--checked', write('c1.csv', 'row,label\n1,fox\n')],
      /"--checked" expected right, wrong or one of cat, dog, hen, got "fox" for row 1/,
    ],
    [
      [...usual, '--checked', write('c2.csv', 'row,label\n400,cat\n')],
      /"--checked" expected rows from 0 to 399, got 400/,
    ],
    [
      [...usual, '--checked', write('c3.csv', 'row,label\n4,cat\n4,cat\n')],
      /"--checked" expected each row once, got 4 twice/,
    ],
    [
      [...usual, '--checked', write('c4.csv', 'row,answer\n4,cat\n')],
      /"--checked" expected the columns "row" and "label" .*got row, answer/,
    ],
    [[...usual, '--checked', write('c5.csv', 'label\ncat\n')], /"--checked" expected .*"row"/],
    [
      [...usual, '--checked', write('c6.csv', 'row,label\n4,cat\n')],
      /"checked.rows" expected at least 10 rows/,
    ],
    [[...usual, '--checked-column', 'nothing'], /expected a column "nothing"/],
    [
      [...usual, '--trusted', write('mask.csv', `ok\n${'true\n'.repeat(300)}`)],
      /"--trusted" expected 400 truth values, one per row, got 300/,
    ],
  ])
})

test('without trusted rows it ranks by self-confidence, says so, and lists what to check', async () => {
  const out = inFolder('ranked.csv')
  const {
    code,
    out: printed,
    error,
  } = await nhgd(
    ...['clean', '--features', table, '--label', 'kind', '--suggest-trusted', '25', '--out', out],
  )
  assert.is(code, 0, error)
  assert.match(printed, /^\d+ of 400 labels disagree with models that never saw them\./)
  const listed = printed.trim().split('\n').at(-1)?.split(' ').map(Number) ?? []
  assert.is(new Set(listed).size, 25)
  assert.ok(listed.every((row) => row >= 0 && row < 400))
  const lines = readFileSync(out, 'utf8')
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',').map(Number))
  assert.is(lines.length, 400)
  const wrong = lines.map(([index]) => data.labels[index] !== data.truth[index])
  assert.ok(
    auc(
      lines.map((line) => line[4]),
      wrong,
    ) > 0.9,
  )
})

test.run()
