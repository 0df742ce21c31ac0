import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { tableFromArrays, tableToIPC } from 'apache-arrow'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { writeAll, writeWhole } from '../ts/cli/write.ts'
import { readSafetensors, writeNpz } from '../ts/data/index.ts'
import { nhgdWith } from './support/command.ts'

const test = suite('cli files')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-files-'))
const inFolder = (name: string) => join(folder, name)
test.after(() => rmSync(folder, { recursive: true }))

function write(name: string, content: string | Uint8Array): string {
  writeFileSync(inFolder(name), content)
  return inFolder(name)
}

// Two far groups of 30 rows; every tenth label is wrong.
const group = (row: number) => row % 2
const given = (row: number) => (row % 10 === 3 ? 1 - group(row) : group(row))
const rows = Array.from({ length: 60 }, (_, row) => row)
const value = (row: number) => ((group(row) ? 3 : -3) + ((row * 7) % 11) / 11).toFixed(3)
const lines = (kind: (row: number) => string) => rows.map((row) => `${value(row)},${row % 5},${kind(row)}`)
const word = (row: number) => (given(row) ? 'hen' : 'cat')
const table = ['a,b,kind', ...lines(word)].join('\n')
const trusted = write('trusted.txt', '0\n1\n2\n4\n5\n6\n7\n8\n9\n10\n')
const quick = ['--trusted', trusted, '--outer-steps', '1']

test('a file is written whole or left as it was', async () => {
  const path = write('kept.txt', 'old')
  await writeWhole(path, 'new')
  assert.is(readFileSync(path, 'utf8'), 'new')
  const before = readdirSync(folder).sort()
  await writeWhole(path, { length: 3 } as never).then(
    () => assert.unreachable('no content was written'),
    () => {},
  )
  assert.is(readFileSync(path, 'utf8'), 'new')
  assert.equal(readdirSync(folder).sort(), before, 'nothing is left beside it')
})

test('an output that fails leaves the others', async () => {
  const path = inFolder('other.txt')
  const failing = async () => {
    throw new Error('full')
  }
  await writeAll([failing, () => writeWhole(path, 'there')]).then(
    () => assert.unreachable('no failure was told'),
    (error: Error) => assert.is(error.message, 'full'),
  )
  assert.is(readFileSync(path, 'utf8'), 'there')
})

test('a full disk is told in one line, ends with 1 and leaves the other outputs', async () => {
  if (!existsSync('/dev/full')) return
  const file = write('table.csv', table)
  const out = inFolder('left.csv')
  const outputs = ['--out', out, '--json', '/dev/full', '--quiet']
  const { code, error } = await nhgdWith([
    'clean',
    '--features',
    file,
    '--label',
    'kind',
    ...quick,
    ...outputs,
  ])
  assert.is(code, 1, error)
  assert.match(error, /^nhgd: ENOSPC[^\n]*\n$/)
  assert.is(readFileSync(out, 'utf8').trim().split('\n').length, 51)
})

test('Arrow and JSON lines give what CSV gives, and models are safetensors where the name says so', async () => {
  const number = (row: number) => Number(value(row))
  const columns = { a: rows.map(number), b: rows.map((row) => row % 5), kind: rows.map(word) }
  const records = rows.map((row) => JSON.stringify({ a: number(row), b: row % 5, kind: word(row) }))
  const answers = rows.slice(0, 12).map((row) => ({ row, label: row % 10 === 3 ? 'wrong' : 'right' }))
  const files = [
    write('table.csv', table),
    write('table.jsonl', records.join('\n')),
    write('table.arrow', tableToIPC(tableFromArrays(columns), 'file')),
  ]
  const checked = [
    write('checked.csv', `row,label\n${answers.map(({ row, label }) => `${row},${label}`).join('\n')}\n`),
    write('checked.jsonl', answers.map((answer) => JSON.stringify(answer)).join('\n')),
    write(
      'checked.arrow',
      tableToIPC(
        tableFromArrays({ row: answers.map(({ row }) => row), label: answers.map(({ label }) => label) }),
      ),
    ),
  ]
  const found: string[] = []
  for (const [i, file] of files.entries()) {
    const [out, model, predictions] = ['i.csv', 'm.safetensors', 'p.csv'].map(inFolder)
    const data = ['--features', file, '--label', 'kind', '--checked', checked[i], '--outer-steps', '1']
    const cleaned = await nhgdWith(['clean', ...data, '--out', out, '--weights', model, '--quiet'])
    assert.is(cleaned.code, 0, cleaned.error)
    assert.equal(readSafetensors(readFileSync(model)).metadata, {
      classes: '["cat","hen"]',
      columns: '["a","b"]',
    })
    const fresh = ['--features', file, '--ignore', 'kind', '--out', predictions]
    const predicted = await nhgdWith(['predict', '--model', model, ...fresh])
    assert.is(predicted.code, 0, predicted.error)
    found.push(readFileSync(out, 'utf8') + readFileSync(predictions, 'utf8'))
  }
  assert.is(found[1], found[0])
  assert.is(found[2], found[0])
  const untold = await nhgdWith(['clean', '--features', files[2]])
  assert.is(untold.code, 2)
  assert.match(untold.error, 'a column of the features (a, b, kind)')
})

test('features come and results go through a pipe, which has nothing else', async () => {
  const args = ['clean', '--features', '-', '--label', 'kind', ...quick]
  const { code, out, error } = await nhgdWith([...args, '--out', '-'], { input: table })
  assert.is(code, 0, error)
  assert.match(out, /^row,given,suggested,weight,score,rank,doubted\n/)
  assert.is(out.trim().split('\n').length, 51)
  assert.match(error, /labels look wrong/)
  const json = await nhgdWith([...args, '--json', '-'], { input: table })
  assert.is(JSON.parse(json.out).judged, 50)
  const archive = writeNpz({
    X: { data: Float32Array.from(rows, (row) => Number(value(row))), shape: [60, 1] },
    y: { data: Int32Array.from(rows, given), shape: [60] },
  })
  const npz = await nhgdWith(['clean', '--features', '-', ...quick, '--json', '-'], { input: archive })
  assert.is(JSON.parse(npz.out).judged, 50)
  const both = await nhgdWith([...args, '--out', '-', '--json', '-'], { input: table })
  assert.is(both.code, 2)
  assert.match(both.error, /"--json" expected another file than "--out"/)
  const twice = await nhgdWith(['clean', '--features', '-', '--labels', '-'], { input: table })
  assert.match(twice.error, /"--labels" expected another file than "--features"/)
})

test("class probabilities of the user's own model join in, if they fit", async () => {
  const share = (row: number, c: number) => (group(row) === c ? 0.9 : 0.1)
  const csv = (of: readonly number[]) =>
    ['cat,hen', ...of.map((row) => `${share(row, 0)},${share(row, 1)}`)].join('\n')
  const data = ['clean', '--features', write('own.csv', table), '--label', 'kind', '--out', '-', '--quiet']
  const { code, out, error } = await nhgdWith([...data, '--pred-probs', write('own-probs.csv', csv(rows))])
  assert.is(code, 0, error)
  const first = out.split('\n').slice(1, 7)
  assert.equal(
    first.map((line) => Number(line.split(',')[0])).sort((a, b) => a - b),
    rows.filter((row) => given(row) !== group(row)),
  )
  const few = await nhgdWith([...data, '--pred-probs', write('few-probs.csv', csv(rows.slice(1)))])
  assert.is(few.code, 2)
  assert.match(
    few.error,
    /"--pred-probs" expected 60 rows and 2 columns, one per class \(cat, hen\), got 59 × 2/,
  )
})

test('whoever stops reading gets no stack trace', async () => {
  const file = write('stopped.csv', table)
  const args = ['clean', '--features', file, '--label', 'kind', ...quick, '--out', '-', '--quiet']
  const { code, error } = await nhgdWith(args, { deaf: true })
  assert.equal({ code, error }, { code: 0, error: '' })
})

test('a file without a header is taken as one where that is said', async () => {
  const file = write('bare.csv', lines(word).join('\n'))
  const args = ['clean', '--features', file, '--label', 'x2', ...quick, '--json', '-']
  const { code, error } = await nhgdWith(args)
  assert.is(code, 2)
  assert.match(error, /"--features" expected a header, got what looks like data.*--no-header/)
  const taken = await nhgdWith([...args, '--no-header'])
  assert.is(JSON.parse(taken.out).judged, 50)
})

test.run()
