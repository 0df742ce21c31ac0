import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { changes, readBefore } from '../ts/cli/changes.ts'
import { type Answers, dialogue } from '../ts/cli/dialogue.ts'
import { parseChecked } from '../ts/data/checked.ts'
import type { CleanLabelsResult } from '../ts/tasks/cleanLabels/cleanLabels.ts'
import { disagreement } from '../ts/tasks/cleanLabels/disagreement.ts'
import { estimateWrong } from '../ts/tasks/cleanLabels/estimate.ts'
import { relabelNext } from '../ts/tasks/review/relabelNext.ts'
import { refuses } from './support/errors.ts'
import { gaussians } from './support/gaussians.ts'
import { Random } from './support/random.ts'

const test = suite('review')
const root = fileURLToPath(new URL('..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'nhgd-review-'))
const inFolder = (name: string) => join(folder, name)
test.after(() => rmSync(folder, { recursive: true }))

const names = ['cat', 'dog', 'hen']

/** What a dialogue says and saves when it is answered so. */
async function talk(answers: readonly string[], before: Answers = new Map()) {
  const left = [...answers]
  const said: string[] = []
  const saved: [number, string][][] = []
  const count = await dialogue(Uint32Array.of(7, 3, 5), before, {
    names,
    show: (row) => `row ${row}`,
    ask: async () => left.shift(),
    say: (text) => said.push(text),
    save: async (all) => {
      saved.push([...all])
    },
  })
  return { count, said, saved }
}

test('each answer is saved at once, as a class or as right or wrong', async () => {
  const { count, saved } = await talk(['right', 'HEN', 'w'], new Map([[1, 'dog']]))
  assert.is(count, 4)
  assert.equal(saved, [
    [
      [1, 'dog'],
      [7, 'right'],
    ],
    [
      [1, 'dog'],
      [7, 'right'],
      [3, 'hen'],
    ],
    [
      [1, 'dog'],
      [7, 'right'],
      [3, 'hen'],
      [5, 'wrong'],
    ],
  ])
})

test('undo takes the last answer back, skip leaves a row out, quit keeps the rest', async () => {
  const { count, said, saved } = await talk(['undo', 'cat', 'undo', 'dog', 'skip', 'quit'])
  assert.is(count, 1)
  assert.ok(said.includes('there is nothing to undo'))
  assert.equal(saved, [[[7, 'cat']], [], [[7, 'dog']]])
})

test('what is no answer is told, and the end of the input quits', async () => {
  const { count, said } = await talk(['fox'])
  assert.is(count, 0)
  assert.ok(said.some((text) => text === '"fox" is no answer: the classes are cat, dog, hen'))
})

/** Of each hundred rows thirty are in doubt. */
const scores = Float64Array.from({ length: 200 }, (_, row) => {
  const x = (row % 100) / 100
  return x < 0.35 ? x / 7 : x > 0.65 ? 1 - (1 - x) / 7 : x
})
const result = {
  rows: Uint32Array.from({ length: 190 }, (_, i) => i + 10),
  scores,
  suggested: Int32Array.from({ length: 200 }, (_, row) => row % 2),
  checked: { rows: Uint32Array.from({ length: 10 }, (_, i) => i), right: Array<boolean>(10).fill(true) },
}
const labels = Int32Array.from({ length: 200 }, (_, row) => row % 2)

test('rows to check next: mostly doubtful ones, some at random, each once', async () => {
  const { rows, random } = relabelNext({ result, labels, count: 50, seed: 3 })
  assert.is(new Set(rows).size, 50)
  assert.ok(rows.every((row) => row >= 10 && row < 200))
  const doubtful = Array.from(rows).filter((row) => Math.abs(scores[row] - 0.5) < 0.25).length
  assert.ok(doubtful >= 40 && doubtful < 50, `${doubtful} are doubtful`)
  assert.is(random.filter(Boolean).length, 10)
  assert.equal(relabelNext({ result, labels, count: 50, seed: 3 }), { rows, random })
  assert.not.equal(relabelNext({ result, labels, count: 50, seed: 4 }).rows, rows)
  assert.is(relabelNext({ result, labels, count: 1000 }).rows.length, 190)
  const none = { result, labels, count: 0 }
  await refuses('ERR_RANGE', 'count', () => relabelNext(none))
  await refuses('ERR_SHAPE', 'labels', () => relabelNext({ result, labels: [1] }))
})

test('nobody checked a row: half of the rows are drawn at random', () => {
  const checked = { rows: new Uint32Array(0), right: [] }
  const { rows, random } = relabelNext({ result: { ...result, checked }, labels, count: 40 })
  assert.is(rows.length, 40)
  assert.is(random.filter(Boolean).length, 20)
})

test('rows on which the models differ are likelier among equals', () => {
  const sure = Float64Array.from({ length: 200 }, () => 0.1)
  const differ = Float64Array.from({ length: 200 }, (_, row) => (row >= 150 ? 0.9 : 0))
  const found = { ...result, scores: sure, disagreement: differ }
  const { rows, random } = relabelNext({ result: found, labels, count: 30 })
  const agreed = rows.filter((row, i) => !random[i] && row < 150)
  assert.ok(agreed.length <= 6, `the models agree on ${agreed.length} of 24`)
})

test('models that agree differ by 0, models that are sure of different classes by 1', () => {
  const log = (...p: number[]) => Float64Array.from(p, (x) => Math.log(Math.max(1e-12, x)))
  const [same, opposite, half] = disagreement(
    [log(0.7, 0.3, 1, 0, 0.9, 0.1), log(0.7, 0.3, 0, 1, 0.5, 0.5)],
    2,
  )
  assert.ok(Math.abs(same) < 1e-12)
  assert.ok(Math.abs(opposite - 1) < 1e-9)
  // log 2 of the entropy of (0.7, 0.3) minus the mean of those of (0.9, 0.1) and (½, ½).
  const entropy = (p: number) => -(p * Math.log2(p) + (1 - p) * Math.log2(1 - p))
  assert.ok(Math.abs(half - (entropy(0.7) - (entropy(0.9) + 1) / 2)) < 1e-12)
  assert.equal(disagreement([log(0.7, 0.3)], 2), new Float64Array(1))
})

test('classes with few checks are likelier among equals', () => {
  const even = Float64Array.from({ length: 200 }, () => 0.5)
  const checked = {
    rows: Uint32Array.from({ length: 12 }, (_, i) => 2 * i),
    right: Array<boolean>(12).fill(true),
  }
  const found = { ...result, scores: even, checked }
  const draws = Array.from({ length: 200 }, (_, seed) =>
    relabelNext({ result: found, labels, count: 2, seed }),
  )
  const odd = draws.flatMap(({ rows }) => Array.from(rows)).filter((row) => labels[row] === 1).length
  assert.ok(odd > 220, `${odd} of 400 have the class without checks`)
})

/** Rounds of checks that the proposed rows of each go to. Doubted labels are wrong more often than their scores say. */
function reviewed(seed: number) {
  const random = new Random(seed)
  const n = 2000
  const scores = Float64Array.from({ length: n }, () => random.uniform() ** 3)
  const wrong = Array.from(scores, (score) => random.uniform() < (score > 0.2 ? 0.9 : 0.05))
  const labels = new Int32Array(n)
  const suggested = Int32Array.from(scores, (score) => (score > 0.5 ? 1 : 0))
  const checked = { rows: [] as number[], right: [] as boolean[], random: [] as boolean[] }
  for (let round = 0; round < 3; round++) {
    const known = { ...checked, rows: Uint32Array.from(checked.rows) }
    const rows = Uint32Array.from({ length: n }, (_, row) => row).filter((row) => !known.rows.includes(row))
    const result = { rows, scores, suggested, checked: known }
    const next = relabelNext({ result, labels, count: 100, seed: 10 * seed + round })
    checked.rows.push(...next.rows)
    checked.random.push(...next.random)
  }
  const free = [...wrong.keys()].filter((row) => !checked.rows.includes(row))
  const estimate = (random?: readonly boolean[]) =>
    estimateWrong(
      free.map((row) => scores[row]),
      {
        scores: checked.rows.map((row) => scores[row]),
        wrong: checked.rows.map((row) => wrong[row]),
        random,
      },
    )
  const truth = free.filter((row) => wrong[row]).length
  const holds = (found = estimate()) => !!found && found.wrong.low <= truth && truth <= found.wrong.high
  const proposed = checked.rows.filter((_, i) => !checked.random[i])
  return {
    share: proposed.filter((row) => wrong[row]).length / proposed.length,
    byRandom: holds(estimate(checked.random)),
    byAll: holds(estimate()),
  }
}

test('rows drawn at random tell how many labels are wrong, though the proposed ones are mostly wrong', () => {
  const draws = Array.from({ length: 100 }, (_, seed) => reviewed(seed))
  assert.ok(draws.every(({ share }) => share > 0.7))
  const [byRandom, byAll] = (['byRandom', 'byAll'] as const).map((how) => draws.filter((d) => d[how]).length)
  assert.ok(byRandom >= 88, `the interval of 95 % holds the truth in ${byRandom} of 100 draws`)
  assert.ok(byAll < 30, `with the proposed rows as a sample in ${byAll}`)
})

test('the count of wrong labels, by hand', () => {
  // The sample missed 1 − 0.5 and 0 − 0.3, the third row 1 − 0.9.
  const checked = { scores: [0.5, 0.3, 0.9], wrong: [true, false, true], random: [true, true, false] }
  const found = estimateWrong([0.2, 0.8, 0.6, 0.1, 0.4, 0.1, 0.2], checked)
  const [mean, square] = [0.1, (2 * 0.4 ** 2 + 0.5) / 2]
  const count = 2.4 + 10 * mean - 0.3
  const half = 1.96 * Math.sqrt((10 * 8 * square) / 2)
  assert.ok(Math.abs((found?.wrong.count ?? 0) - count) < 1e-12)
  assert.ok(Math.abs((found?.wrong.high ?? 0) - Math.min(7, count + half)) < 1e-12)
  assert.equal(found?.sample, { rows: 2, random: true })
  assert.is(found?.precision, undefined)
  assert.is(estimateWrong([0.5], { ...checked, random: [false, false, false] }), undefined)
  const all = estimateWrong([0.5], { scores: [0.5, 0.3, 0.9], wrong: checked.wrong })
  assert.equal(all?.sample, { rows: 3, random: false })
  assert.is(all?.precision?.value, 1)
})

const data = gaussians({ samples: 200, trusted: 8 })
const { columns } = data.features
const lines = Array.from(data.labels, (label, i) =>
  [...data.features.data.subarray(i * columns, (i + 1) * columns), names[label]].join(),
)
const table = inFolder('table.csv')
writeFileSync(table, `a,b,c,d,kind\n${lines.join('\n')}\n`)
const review = ['--import', 'tsx', 'ts/cli/main.ts', 'review', '--features', table, '--label', 'kind']

test('a file to fill in, which clean takes', () => {
  const out = inFolder('review.csv')
  const more = ['--model', 'perceptron', '--count', '12', '--out', out]
  const asked = spawnSync(process.execPath, [...review, ...more], {
    cwd: root,
    encoding: 'utf8',
  })
  assert.is(asked.status, 0, asked.stderr)
  assert.match(asked.stdout, /12 rows are in .*review\.csv/)
  const [head, ...rows] = readFileSync(out, 'utf8').trim().split('\n')
  assert.is(head, 'row,given,suggested,score,random,label')
  const filled = rows.map((line, i) =>
    i < 11 ? `${line}${i % 2 ? 'right' : names[data.truth[Number(line.split(',')[0])]]}` : line,
  )
  const bytes = new TextEncoder().encode([head, ...filled].join('\n'))
  const read = parseChecked({ name: 'review.csv', bytes }, { names, labels: data.labels })
  assert.is(read.rows.length, 11)
  assert.equal(
    read.random,
    rows.slice(0, 11).map((line) => line.split(',')[4] === 'true'),
  )
  assert.ok(read.random?.includes(true))
})

test('without a terminal it says what to do', () => {
  const { status, stderr } = spawnSync(process.execPath, review, { cwd: root, encoding: 'utf8', input: '' })
  assert.is(status, 2)
  assert.match(stderr, /"--out" expected a file where no terminal can ask/)
})

test('what the last checks changed is told', async () => {
  const path = inFolder('before.csv')
  const write = (...rows: string[]) => writeFileSync(path, `row,suggested,doubted\n${rows.join('\n')}\n`)
  write('0,dog,true', '1,dog,true', '2,cat,false', '3,cat,false', '4,dog,true', '5,dog,true')
  const result = {
    rows: Uint32Array.of(2, 3, 4, 5),
    checked: { rows: Uint32Array.of(0, 1, 6), right: [true, false, false] },
    scores: Float64Array.of(0, 1, 0.45, 0.2, 0.1, 0.8, 1),
    threshold: 0.4,
    suggested: Int32Array.of(0, 1, 1, 0, 0, 2, 2),
  } as unknown as CleanLabelsResult
  const told = changes(await readBefore(path, 7), result, names)
  assert.match(told, /2 of its rows were checked: 1 labels are wrong, 1 of them among the 2 that it doubted/)
  assert.match(told, /1 are doubted no more, 1 are doubted now, and 1 have another suggestion/)
  const refused = async (message: RegExp, ...rows: string[]) => {
    write(...rows)
    await refuses('ERR_DATA', '--before', () => readBefore(path, 7))
    await readBefore(path, 7).catch((error: Error) => assert.match(error.message, message))
  }
  await refused(/rows from 0 to 6, got "7" at 0/, '7,dog,true')
  await refused(/each row once, got 1 twice/, '1,dog,true', '1,dog,true')
  await refused(/true or false in the column "doubted", got "maybe"/, '1,dog,maybe')
  writeFileSync(path, 'row,label\n1,dog\n')
  await refuses('ERR_DATA', '--before', () => readBefore(path, 7))
})

test('new rows are predicted by name with the model that clean wrote, and other columns are refused', () => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ['--import', 'tsx', 'ts/cli/main.ts', ...args], {
      cwd: root,
      encoding: 'utf8',
    })
  const [fresh, out] = ['fresh.csv', 'predictions.csv'].map(inFolder)
  const given = (model: string) => ['predict', '--model', model, '--out', out, '--features', fresh]
  const [model, perceptron] = ['model.npz', 'perceptron.safetensors'].map(inFolder)
  for (const [kind, file] of [
    ['perceptron', perceptron],
    ['softmax', model],
  ]) {
    const written = ['--weights', file, '--quiet', '--model', kind]
    const cleaned = run('clean', '--features', table, '--label', 'kind', ...written)
    assert.is(cleaned.status, 0, cleaned.stderr)
    writeFileSync(fresh, `a,b,c,d,kind\n${lines.join('\n')}\n`)
    const predicted = run(...given(file), '--ignore', 'kind')
    assert.is(predicted.status, 0, predicted.stderr)
    const [head, ...rows] = readFileSync(out, 'utf8').trim().split('\n')
    assert.is(head, 'row,label,probability')
    assert.is(rows.length, 200)
    const right = rows.filter((line, i) => line.split(',')[1] === names[data.truth[i]]).length
    assert.ok(right > 170, `${kind}: ${right} of 200 are predicted as they truly are`)
  }
  const numbers = lines.map((line) => line.split(',').slice(0, columns))
  const refused = (header: string, cells: string[][], message: RegExp) => {
    writeFileSync(fresh, `${header}\n${cells.join('\n')}\n`)
    const { status, stderr } = run(...given(model))
    assert.is(status, 2, stderr)
    assert.match(stderr, message)
  }
  refused('a,b,c,e', numbers, /expected the columns of training, got none called "?d.*also "?e/)
  refused('b,a,c,d', numbers, /expected the columns in the order of training/)
})

/** Types lines into the command at a pseudo-terminal, each when it asks. */
const typing = `
import os, pty, select, sys
answers = sys.argv[1].split(',')
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
seen = b''
while True:
    ready = select.select([fd], [], [], 120)[0]
    try:
        part = os.read(fd, 65536) if ready else b''
    except OSError:
        break
    if not part:
        break
    seen += part
    if seen.count(b'or quit? ') > 0 and answers:
        seen = b''
        os.write(fd, (answers.pop(0) + chr(10)).encode())
    sys.stdout.write(part.decode(errors='replace'))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`

test('in a terminal: right, wrong, undo, quit, and on where it stopped', () => {
  if (spawnSync('python3', ['-c', 'import pty']).status !== 0) return // no pseudo-terminal to be had
  const checked = inFolder('typed.csv')
  const type = (answers: string) =>
    spawnSync('python3', ['-c', typing, answers, process.execPath, ...review, '--checked', checked], {
      cwd: root,
      encoding: 'utf8',
      timeout: 240_000,
    })
  const first = type('right,wrong,undo,dog,quit')
  assert.is(first.status, 0, first.stdout + first.stderr)
  assert.match(first.stdout, /2 answers are in .*typed\.csv/)
  const before = readFileSync(checked, 'utf8').trim().split('\n')
  assert.is(before.length, 3)
  assert.is(before[0], 'row,label,random')
  assert.match(before[1], /^\d+,right,(true|false)$/)
  assert.match(before[2], /^\d+,dog,(true|false)$/)
  const second = type('w,q')
  assert.match(second.stdout, /3 answers are in/)
  const after = readFileSync(checked, 'utf8').trim().split('\n')
  assert.is(new Set(after.map((line) => line.split(',')[0])).size, 4)
  // A right label is written by its name from then on.
  assert.equal(after[2], before[2])
  assert.match(after[3], /^\d+,wrong,(true|false)$/)
  assert.not.ok(existsSync(`${checked}.part`))
})

test.run()
