import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { nhgdWith } from './support/command.ts'

const test = suite('cli, checkpoint')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-cli-checkpoint-'))
const inFolder = (name: string) => join(folder, name)
test.after(() => rmSync(folder, { recursive: true }))

function write(name: string, content: string): string {
  writeFileSync(inFolder(name), content)
  return inFolder(name)
}

// Two far groups of 60 rows; every tenth label is wrong.
const group = (row: number) => row % 2
const rows = Array.from({ length: 120 }, (_, row) => row)
const word = (row: number) => (row % 10 === 3 ? 1 - group(row) : group(row) ? 'hen' : 'cat')
const line = (row: number) =>
  `${((group(row) ? 3 : -3) + ((row * 7) % 11)).toFixed(3)},${row % 5},${word(row)}`
const table = write('table.csv', ['a,b,kind', ...rows.map(line)].join('\n'))
const other = write(
  'other.csv',
  ['a,b,kind', ...rows.map((row) => line(row).replace(',0,', ',7,'))].join('\n'),
)
const checks = rows.filter((row) => row % 6 === 0).map((row) => `${row},${group(row) ? 'hen' : 'cat'}`)
const checked = write('checked.csv', ['row,label', ...checks].join('\n'))
const clean = (features: string, ...own: string[]) => [
  ...['clean', '--features', features, '--label', 'kind', '--checked', checked, '--outer-steps', '30'],
  ...own,
]

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${signal} leaves a checkpoint, and the command goes on from there to the same output`, async () => {
    const [file, out, whole] = ['run', 'out.csv', 'whole.csv'].map((name) => inFolder(`${signal} ${name}`))
    const kept = ['--checkpoint', file, '--out', out]
    const interrupted = await nhgdWith(clean(table, ...kept), { interrupt: /^step \d/m, signal })
    assert.is(interrupted.code, code, interrupted.error)
    assert.match(
      interrupted.error,
      /^nhgd: interrupted: what was computed is in .*run: run .* with --resume$/m,
    )
    assert.ok(existsSync(file) && !existsSync(out))
    const again = await nhgdWith(clean(table, ...kept))
    assert.is(again.code, 2)
    assert.match(again.error, /"--checkpoint" expected a new file, or "--resume" beside it/)
    const foreign = await nhgdWith(clean(other, ...kept, '--resume'))
    assert.is(foreign.code, 2)
    assert.match(foreign.error, /"checkpoint\.data" expected .+ in the archive \(ERR_CHECKPOINT\)$/m)
    const resumed = await nhgdWith(clean(table, ...kept, '--resume'))
    assert.is(resumed.code, 0, resumed.error)
    assert.match(resumed.error, /^went on from .*run$/m)
    await nhgdWith(clean(table, '--out', whole))
    assert.is(readFileSync(out, 'utf8'), readFileSync(whole, 'utf8'))
    assert.not.ok(
      readdirSync(folder).some((name) => name.startsWith(`${signal} run`)),
      'it is removed once all is written',
    )
  })
}

test('with --resume and no file it starts anew', async () => {
  const kept = ['--checkpoint', inFolder('none'), '--resume', '--out', inFolder('anew.csv')]
  const { code, error } = await nhgdWith(clean(table, ...kept))
  assert.is(code, 0, error)
  assert.not.match(error, /went on/)
})

test('a review goes on from its checkpoint to the same rows', async () => {
  const [file, out, whole] = ['review', 'review.csv', 'review whole.csv'].map(inFolder)
  const review = ['review', '--features', table, '--label', 'kind', '--checked', checked, '--count', '9']
  const kept = ['--checkpoint', file, '--resume', '--out', out]
  const ended = await nhgdWith([...review, ...kept], { interrupt: /looking/ })
  assert.is(ended.code, 130, ended.error)
  const resumed = await nhgdWith([...review, ...kept])
  assert.is(resumed.code, 0, resumed.error)
  await nhgdWith([...review, '--out', whole])
  assert.is(readFileSync(out, 'utf8'), readFileSync(whole, 'utf8'))
  assert.not.ok(existsSync(file))
})

test('options that make no sense', async () => {
  const refused = async (pattern: RegExp, ...args: string[]) => {
    const { code, error } = await nhgdWith(args)
    assert.is(code, 2)
    assert.match(error, pattern)
  }
  await refused(/"--resume" expected "--checkpoint" beside it/, ...clean(table, '--resume'))
  await refused(/"--checkpoint" expected a file, got the pipe/, ...clean(table, '--checkpoint', '-'))
  const nowhere = inFolder('nowhere/run')
  await refused(
    /"--checkpoint" expected a file that can be written/,
    ...clean(table, '--checkpoint', nowhere),
  )
  await refused(
    /"--checkpoint" expected another file than "--features"/,
    ...clean(table, '--checkpoint', table),
  )
  const seeds = ['clean', '--demo', 'mnist', '--seeds', '2', '--checkpoint', inFolder('x')]
  await refused(/"--checkpoint" expected no "--seeds" beside it/, ...seeds)
})

test('a disk that takes no more ends it with 1, and every file is the old one or the new one', async () => {
  if (process.platform === 'win32') return
  const names = ['out.csv', 'weights.npz', 'report.html', 'figures.json']
  const files = names.map((name) => write(`small ${name}`, 'old'))
  const [out, weights, report, json] = files
  const outputs = ['--out', out, '--weights', weights, '--report', report, '--json', json]
  const { code, error } = await nhgdWith(clean(table, ...outputs), { limit: 4 })
  assert.is(code, 1, error)
  assert.match(error, /^nhgd: EFBIG[^\n]*$/m)
  assert.not.match(error, /^ +at /m)
  assert.is(readFileSync(report, 'utf8'), 'old')
  for (const file of [out, json]) assert.match(readFileSync(file, 'utf8'), /^row,|^\{|^old$/)
  assert.not.ok(readdirSync(folder).some((name) => name.endsWith('.part')))
})

test('an output that nobody reads on is no reason to leave the others', async () => {
  const weights = inFolder('deaf.npz')
  const args = clean(table, '--out', '-', '--weights', weights)
  const { code, error } = await nhgdWith(args, { deaf: true })
  assert.is(code, 0, error)
  assert.ok(existsSync(weights))
})

test('standard output that can not be written ends with 1, without a stack', async () => {
  if (!existsSync('/dev/full')) return
  const { code, error } = await nhgdWith(clean(table), { full: true })
  assert.is(code, 1, error)
  assert.match(error, /^nhgd: ENOSPC[^\n]*$/m)
  assert.not.match(error, /^ +at /m)
})

test.run()
