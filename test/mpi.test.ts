// Runs of several ranks against those of one process. They need an MPI: see scripts/setup/mpi.mjs.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadBackend } from '../ts/backend/load.ts'
import { oneRank, resume, rowsOfRank, solve } from '../ts/library.ts'
import { mpiFolder, mpirun } from './support/mpirun.ts'
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

test('a command under a launcher of MPI is refused, by rank 0 alone', () => {
  for (const [rank, told] of [
    ['0', 'nhgd: a command is one process, got 4: start it without mpirun'],
    ['3', ''],
  ]) {
    const env = { ...process.env, OMPI_COMM_WORLD_SIZE: '4', OMPI_COMM_WORLD_RANK: rank }
    const args = ['--import', 'tsx', 'ts/cli/main.ts', 'info']
    const { status, stderr, stdout } = spawnSync(process.execPath, args, { env, encoding: 'utf8' })
    assert.is(status, 2)
    assert.is(stdout, '')
    assert.ok(told ? stderr.startsWith(told) : stderr === '', stderr)
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
  assert.match(
    message,
    '"fisher.statistic" expected "empirical" or "expected" on several ranks, got "sampled"',
  )
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

if (mpiFolder) onRanks.run()
else {
  // In CI the setup has to have installed one.
  assert.ok(!process.env.CI, 'there is no MPI')
  console.log('left out several ranks, by MPI: there is no mpirun (scripts/setup/mpi.mjs)')
}
