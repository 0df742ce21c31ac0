// One rank of a job, on a core of its own; rank 0 prints what was measured as JSON.
//   rank.ts '{"work":"cleaning","sizes":{…},"cycles":3,"seed":0}'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { mpi } from '../../../bindings/mpi/index.js'
import { gatherJson } from '../../../ts/backend/communicator.ts'
import { loadBackend } from '../../../ts/backend/load.ts'
import { solve } from '../../../ts/run/solve.ts'
import type { Calls } from './model.ts'
import { broadcasting, counted, type OracleTimes, reductions, timesOf } from './oracles.ts'
import { methodOf, problemOf, type Sizes, type WorkName, works } from './work.ts'

/** What a job measures. */
export interface Job {
  readonly work: WorkName
  readonly sizes: Sizes
  /** How often the outer steps between two refreshes of the inverse Fisher are taken, after a first time. */
  readonly cycles: number
  readonly seed: number
  /** Counts of rows at which oracles are timed on one rank; none by default. */
  readonly rows?: readonly number[]
  /** Numbers of entries at which sums over ranks are timed; none by default. */
  readonly lengths?: readonly number[]
  /** Bytes of a broadcast that is timed; none by default. */
  readonly broadcast?: number
}

/** What came of it. */
export interface Measured {
  readonly job: Job
  readonly ranks: number
  readonly pinned: boolean
  /** Of an outer step, in the fastest cycle. */
  readonly seconds: number
  /** Bytes of each rank's own memory at the end, pages of files left out. */
  readonly memory: readonly number[]
  /** Per outer step, on one rank. */
  readonly calls?: readonly Calls[]
  readonly times?: OracleTimes
  /** Seconds of a sum of each length. */
  readonly reductions?: readonly number[]
  readonly broadcast?: number
}

const job: Job = JSON.parse(process.argv[2])
const communicator = await mpi()
const { rank, size } = communicator
const core = `${rank % availableParallelism()}`
const pinned = spawnSync('taskset', ['-a', '-c', '-p', core, `${process.pid}`]).status === 0
const backend = await loadBackend({ backend: 'native', threads: 1 })
const measured = await measure()
if (rank === 0) console.log(JSON.stringify(measured))

async function measure(): Promise<Measured> {
  const { work, sizes, cycles, seed, rows, lengths, broadcast } = job
  const problem = problemOf(backend, work, sizes, communicator, seed)
  const watched = size === 1 ? counted(problem) : undefined
  const { cycle, method } = works[work]
  const ends: number[] = []
  const onStep = ({ step }: { step: number }) => {
    if (step % cycle === 0) ends.push(performance.now())
    if (step === cycle) watched?.reset()
  }
  await solve(watched?.problem ?? problem, {
    method: methodOf(work, sizes),
    outerSteps: cycle * (1 + cycles),
    seed,
    onStep,
    ...(!watched && { communicator }),
  }).result
  const taken = ends.slice(1).map((end, i) => (end - ends[i]) / 1000 / cycle)
  const memory = await gatherJson(communicator, ownBytes())
  return {
    job,
    ranks: size,
    pinned,
    seconds: Math.min(...taken),
    memory,
    calls: watched?.perStep(cycle * cycles),
    times: rows && (await timesOf(problem, rows, method.fisher ?? {})),
    reductions: lengths && (await reductions(backend, communicator, lengths)),
    broadcast: broadcast && (await broadcasting(communicator, broadcast)),
  }
}

function ownBytes(): number {
  const status = readFileSync('/proc/self/status', 'utf8')
  return 1024 * Number(/RssAnon:\s*(\d+)/.exec(status)?.[1] ?? Number.NaN)
}
