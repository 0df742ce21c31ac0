// Runs of several ranks against those of one process. They need an MPI: see scripts/setup/mpi.mjs.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadBackend } from '../ts/backend/load.ts'
import { writeNpy } from '../ts/data/index.ts'
import { writeCsv } from '../ts/data/writeCsv.ts'
import { oneRank, resume, rowsOfRank, solve } from '../ts/library.ts'
import { close } from './support/close.ts'
import { gaussians } from './support/gaussians.ts'
import { makeHosts } from './support/hosts.ts'
import { bundled, mpiFolder, mpirun, mpirunOn, nhgdOnRanks } from './support/mpirun.ts'
import { options, runs } from './support/rankRuns.ts'

interface End {
  readonly inner: number[]
  readonly outer: number[]
  readonly outerLoss: number
}
type Ends = Readonly<Record<string, End>>

const test = suite('several ranks')
const onRanks = suite('several ranks, by MPI')

/** How far two runs are apart, relative to the larger numbers of one. */
function apart(a: End, b: End): number {
  const all = ({ inner, outer, outerLoss }: End) => [...inner, ...outer, outerLoss]
  const [x, y] = [all(a), all(b)]
  assert.is(x.length, y.length)
  const size = Math.max(...y.map(Math.abs))
  return Math.max(...x.map((entry, i) => Math.abs(entry - y[i]))) / size
}

async function alone(): Promise<Ends> {
  const backend = await loadBackend()
  const ends: Record<string, End> = {}
  for (const dtype of ['f64', 'f32'] as const) {
    for (const [name, { problem, method }] of Object.entries(runs)) {
      const run = solve(problem(backend, oneRank, dtype), { ...options, method: method() })
      const { inner, outer, outerLoss } = await run.result
      ends[`${name}, ${dtype}`] = { inner: [...inner], outer: [...outer], outerLoss }
    }
  }
  return ends
}

const solved = async (ranks: number): Promise<Ends> => {
  const { status, output, errors } = await mpirun(ranks, 'solve')
  assert.is(status, 0, errors)
  return JSON.parse(output)
}

test('one rank changes no bit', async () => {
  const backend = await loadBackend()
  const { problem, method } = runs.conjugateGradients
  const given = { ...options, method: method() }
  const plain = await solve(problem(backend, oneRank, 'f64'), given).result
  const ranked = await solve(problem(backend, oneRank, 'f64'), { ...given, communicator: oneRank }).result
  assert.equal(ranked.inner, plain.inner)
  assert.equal(ranked.outer, plain.outer)
  assert.is(ranked.outerLoss, plain.outerLoss)
})

test('ranks take rows one after the other, as many as possible alike', () => {
  const all = [0, 1, 2, 3].map((rank) => rowsOfRank(10, { rank, size: 4 }))
  assert.equal(
    all.map(({ from, to }) => [from, to]),
    [
      [0, 2],
      [2, 5],
      [5, 7],
      [7, 10],
    ],
  )
})

test('ranks of a command that do not find each other are refused, by rank 0 alone', () => {
  for (const [rank, told] of [
    ['0', /^nhgd: .*"(mpirun|@nhgd\/mpi)" expected/],
    ['3', /^$/],
  ] as const) {
    const env = { ...process.env, OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_RANK: rank }
    const args = ['--import', 'tsx', 'ts/cli/main.ts', 'info']
    const { status, stderr, stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
    assert.is(status, 1)
    assert.is(stdout, '')
    assert.match(stderr, told)
  }
})

test.run()

const scratch = mkdtempSync(join(tmpdir(), 'nhgd-mpi-'))
onRanks.after(() => rmSync(scratch, { recursive: true }))

onRanks('2 to 4 ranks give what a single process does', async () => {
  const expected = await alone()
  for (const ranks of [2, 3, 4]) {
    const ends = await solved(ranks)
    assert.equal(Object.keys(ends), Object.keys(expected))
    for (const [name, end] of Object.entries(expected)) {
      const distance = apart(ends[name], end)
      const bound = name.endsWith('f64') ? 1e-10 : 1e-4
      assert.ok(distance < bound, `${name} on ${ranks} ranks: ${distance}`)
    }
  }
})

onRanks('as many ranks give the same bits again', async () => {
  assert.equal(await solved(3), await solved(3))
})

onRanks('an error of one rank is told once, with the rank, and ends the job', async () => {
  for (const [task, rank, message] of [
    ['throws', 2, 'the disk is full, on rank 2 of 3'],
    ['leaves', 2, 'lost'],
    ['refuses', 0, '"seed" expected'],
    ['drift', 1, 'others after outer step 10'],
  ] as const) {
    const { status, errors } = await mpirun(3, task)
    assert.ok(status, `${task}: ${status}`)
    assert.is(errors.split(message).length, 2, errors)
    assert.match(errors, `rank ${rank}: `)
  }
})

onRanks('an error of a computation is one that every rank can catch', async () => {
  const { status, output, errors } = await mpirun(2, 'caught')
  assert.is(status, 0, errors)
  const { code, message, next } = JSON.parse(output)
  assert.is(code, 'ERR_RANGE')
  assert.match(message, '"damping" expected')
  assert.is(next, 'outerSteps')
})

onRanks('what ends a run on one rank ends it on all, after the same step', async () => {
  const { status, output, errors } = await mpirun(3, 'aborts')
  assert.is(status, 0, errors)
  assert.equal(JSON.parse(output), { status: 'aborted', steps: 3 })
})

onRanks('a run whose rank was killed goes on from its checkpoint with any number of ranks', async () => {
  const file = join(scratch, 'run.nhgd')
  const { status, errors } = await mpirun(3, 'killed', file)
  assert.ok(status && existsSync(file), `${status}: ${errors}`)
  const backend = await loadBackend()
  const { problem, method } = runs.conjugateGradients
  const given = { ...options, method: method() }
  const whole = await solve(problem(backend, oneRank, 'f64'), given).result
  const one = await resume(problem(backend, oneRank, 'f64'), file, { ...given, communicator: oneRank }).result
  assert.is(one.steps, options.outerSteps)
  assert.ok(apart(one as unknown as End, whole as unknown as End) < 1e-10)
  const two = await mpirun(2, 'resume', file)
  assert.is(two.status, 0, two.errors)
  const resumed = JSON.parse(two.output)
  assert.is(resumed.file, file)
  assert.ok(apart({ ...resumed, outerLoss: 0 }, { ...(whole as unknown as End), outerLoss: 0 }) < 1e-10)
})

/** 300 rows of three classes, a third of whose labels are wrong, as files; `clean` of them in few outer steps. */
function cleaning(): { clean: string[]; features: string; out: string } {
  const { features, labels, trusted } = gaussians({ samples: 300, trusted: 60 })
  const at = (name: string) => join(scratch, name)
  const column = (j: number) => Array.from(labels, (_, i) => features.data[i * features.columns + j])
  const columns = Array.from({ length: features.columns }, (_, j) => [`x${j}`, column(j)] as const)
  writeFileSync(at('data.csv'), writeCsv({ ...Object.fromEntries(columns), label: Array.from(labels) }))
  writeFileSync(at('trusted.csv'), writeCsv({ row: trusted }))
  const files = ['--features', at('data.csv'), '--label', 'label', '--trusted', at('trusted.csv')]
  return { clean: ['clean', ...files, '--outer-steps', '600'], features: at('data.csv'), out: at('out.csv') }
}

/** The score of each row in a file of `clean --out`. */
const scoresIn = (file: string) => {
  const [head, ...lines] = readFileSync(file, 'utf8').trim().split('\n')
  const at = head.split(',').indexOf('score')
  const scores = new Map(lines.map((line) => [Number(line.split(',')[0]), Number(line.split(',')[at])]))
  return Array.from(scores.keys())
    .sort((a, b) => a - b)
    .map((row) => scores.get(row) as number)
}

onRanks('nhgd clean: rank 0 alone prints and writes what one process does', async () => {
  const { clean, out } = cleaning()
  const one = spawnSync(process.execPath, [await bundled('ts/cli/main.ts'), ...clean, '--out', out], {
    encoding: 'utf8',
  })
  assert.is(one.status, 0, one.stderr)
  const expected = scoresIn(out)
  rmSync(out)
  const { status, output, errors } = await nhgdOnRanks(3, [...clean, '--out', out])
  assert.is(status, 0, errors)
  assert.is(output, one.stdout)
  close(scoresIn(out), expected, 1e-3, 'scores')
  assert.is(errors.split('step 600/600').length, 2, errors)
})

onRanks('nhgd tune: ranks that share the folds out write what one process does', async () => {
  const { features } = cleaning()
  const out = join(scratch, 'coefficients.csv')
  const tune = ['tune', '--features', features, '--target', 'x0', '--ignore', 'label', '--out', out]
  const one = spawnSync(process.execPath, [await bundled('ts/cli/main.ts'), ...tune], { encoding: 'utf8' })
  assert.is(one.status, 0, one.stderr)
  const expected = readFileSync(out, 'utf8')
  rmSync(out)
  const { status, output, errors } = await nhgdOnRanks(2, tune)
  assert.is(status, 0, errors)
  assert.is(output, one.stdout)
  assert.is(readFileSync(out, 'utf8'), expected)
})

onRanks('nhgd clean: an error of one rank is told once, with the rank, and ends the job', async () => {
  const { clean, features } = cleaning()
  const other = (...more: string[]) => [...clean, ...more]
  const cases: [string[], string[], string][] = [
    // Which it alone knows of, or all together, or all alike.
    [clean, other('--checked', features), ', on rank 2 of 3 (ERR_'],
    [clean, other('--seed', '1'), 'nhgd: "rank 2" expected the "seed" of rank 0, got another'],
    [other('--nonsense'), other('--nonsense'), "nhgd: unknown option '--nonsense'"],
  ]
  for (const [args, last, message] of cases) {
    const { status, errors } = await nhgdOnRanks(3, args, { last })
    assert.ok(status, `${status}: ${errors}`)
    assert.is(errors.split('nhgd: ').length, 2, errors)
    assert.is(errors.split(message).length, 2, errors)
  }
})

onRanks('nhgd clean: a signal ends all ranks with what they have', async () => {
  const { clean, out } = cleaning()
  const interruption = { after: /step 30\/600/, signal: 'SIGUSR2' } as const
  const { status, output, errors } = await nhgdOnRanks(2, [...clean, '--out', out], interruption)
  assert.is(status, 0, errors)
  assert.match(output, 'labels look wrong')
  assert.not.match(errors, 'step 600/600')
  assert.is(scoresIn(out).length, 240)
})

onRanks('nhgd clean: after a signal and a lost rank it goes on with another number of ranks', async () => {
  const { clean, out } = cleaning()
  await nhgdOnRanks(2, [...clean, '--out', out])
  const expected = scoresIn(out)
  rmSync(out)
  const file = join(scratch, 'clean.nhgd')
  const kept = [...clean, '--out', out, '--checkpoint', file, '--resume']
  const ended = await nhgdOnRanks(3, kept, { after: /step 30\/600/, signal: 'SIGUSR2' })
  assert.is(ended.status, 140, ended.errors)
  assert.is(ended.errors.split('nhgd: interrupted: what was computed is in').length, 2, ended.errors)
  const lost = await nhgdOnRanks(3, kept, { lost: 700 })
  assert.ok(lost.status, `${lost.status}: ${lost.errors}`)
  assert.ok(existsSync(file) && !existsSync(out))
  const { status, errors } = await nhgdOnRanks(2, kept)
  assert.is(status, 0, errors)
  assert.match(errors, `went on from ${file}`)
  close(scoresIn(out), expected, 1e-3, 'scores')
  assert.not(existsSync(file))
})

onRanks("each rank's own memory falls with its share of the data", async () => {
  const bytes = 60_000 * 784
  const file = join(scratch, 'bytes.npy')
  writeFileSync(file, writeNpy({ data: new Uint8Array(bytes), shape: [60_000, 784] }))
  const memory = async (ranks: number): Promise<number[]> => {
    const { status, output, errors } = await mpirun(ranks, 'memory', file)
    assert.is(status, 0, errors)
    return JSON.parse(output)
  }
  const [one] = await memory(1)
  for (const own of await memory(4)) assert.ok(one - own > 0.75 * bytes, `${own} of ${one} bytes`)
})

const hosts = mpiFolder ? makeHosts(2) : 'there is no MPI'
if (typeof hosts === 'string') console.log(`left out ranks on hosts with networks of their own: ${hosts}`)
else {
  onRanks.after(hosts.remove)
  onRanks('ranks on hosts with networks of their own give what a single process does', async () => {
    const { status, output, errors } = await mpirunOn(hosts, 'solve')
    assert.is(status, 0, errors)
    const [expected, ends]: Ends[] = [await alone(), JSON.parse(output)]
    for (const [name, end] of Object.entries(expected)) {
      const distance = apart(ends[name], end)
      assert.ok(distance < (name.endsWith('f64') ? 1e-10 : 1e-4), `${name}: ${distance}`)
    }
  })
  onRanks('a rank that is killed on one host ends the job on the others', async () => {
    const { status, errors } = await mpirunOn(hosts, 'killed', join(scratch, 'hosts.nhgd'))
    assert.ok(status, errors)
  })
}

if (mpiFolder) onRanks.run()
else {
  // In CI the setup has to have installed one.
  assert.ok(!process.env.CI, 'there is no MPI')
  console.log('left out several ranks, by MPI: there is no mpirun (scripts/setup/mpi.mjs)')
}
