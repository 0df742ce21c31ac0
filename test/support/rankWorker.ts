// One rank of a job of the tests: does what its argument names; rank 0 prints the results as JSON.
import { readFileSync } from 'node:fs'
import { mpi } from '../../bindings/mpi/index.js'
import { gatherJson } from '../../ts/backend/communicator.ts'
import { loadBackend } from '../../ts/backend/load.ts'
import { readShard } from '../../ts/data/index.ts'
import { bilevel, NhgdError, resume, sampleWeights, softmaxRegression, solve } from '../../ts/library.ts'
import { options, runs } from './rankRuns.ts'

const [task, file] = process.argv.slice(2)
const communicator = await mpi()
const { rank, size } = communicator
const backend = await loadBackend()
const { conjugateGradients } = runs
const problem = (dtype: 'f64' | 'f32' = 'f64', run = conjugateGradients) =>
  run.problem(backend, communicator, dtype)
const method = conjugateGradients.method()
const print = (value: unknown) => rank === 0 && console.log(JSON.stringify(value))

async function solveAll() {
  const results: Record<string, unknown> = {}
  for (const dtype of ['f64', 'f32'] as const) {
    for (const [name, run] of Object.entries(runs)) {
      const result = await solve(problem(dtype, run), { ...options, method: run.method(), communicator })
        .result
      const { inner, outer, outerLoss } = result
      results[`${name}, ${dtype}`] = { inner: [...inner], outer: [...outer], outerLoss }
    }
  }
  return results
}

const tasks: Readonly<Record<string, () => Promise<unknown>>> = {
  solve: solveAll,
  /** Rank 1 alone moves v in outer step 7. */
  async drift() {
    const onStep = ({ step, point }: { step: number; point: { outer: { scale(by: number): void } } }) => {
      if (step === 7 && rank === 1) point.outer.scale(1.000001)
    }
    await solve(problem(), { ...options, outerSteps: 30, method, communicator, onStep }).result
  },
  /** The last rank's own code fails. */
  async throws() {
    const onStep = ({ step }: { step: number }) => {
      if (step === 3 && rank === size - 1) throw new Error('the disk is full')
    }
    await solve(problem(), { ...options, method, communicator, onStep }).result
  },
  /** The last rank fails where the others do not know of it. */
  async leaves() {
    if (rank === size - 1) throw new Error('lost')
    await communicator.barrier()
  },
  /** All ranks are given an option that there is not. */
  async refuses() {
    await communicator.barrier() // so that all are told at about the same time
    await solve(problem(), { ...options, method, communicator, seed: -1 }).result
  },
  /** The last rank dies in outer step 6, with a checkpoint of step 4 written. */
  async killed() {
    const onStep = ({ step }: { step: number }) => {
      if (step === 6 && rank === size - 1) process.kill(process.pid, 'SIGKILL')
    }
    const checkpoint = { file, everySteps: 4 }
    await solve(problem(), { ...options, method, communicator, checkpoint, onStep }).result
  },
  async resume() {
    const { outer, inner, steps, resumed } = await resume(problem(), file, {
      ...options,
      method,
      communicator,
    }).result
    return { outer: [...outer], inner: [...inner], steps, file: resumed?.file }
  },
  /** The last rank's signal aborts in outer step 3, and its budget alone is over. */
  async aborts() {
    const controller = new AbortController()
    const onStep = ({ step }: { step: number }) => {
      if (step === 3 && rank === size - 1) controller.abort()
    }
    const { signal } = controller
    const { status, steps } = await solve(problem(), { ...options, method, communicator, onStep, signal })
      .result
    return { status, steps }
  },
  /** Bytes that each rank has of its own, with its rows of a file in a problem. */
  async memory() {
    const { features } = await readShard(file, { communicator })
    const set = { features, labels: new Int32Array(features.rows) }
    const hyperparameters = { weights: sampleWeights() }
    const model = softmaxRegression({ classes: 2 })
    const problem = bilevel({ backend, model, train: set, validation: set, hyperparameters })
    await solve(problem, { ...options, outerSteps: 1, method, communicator }).result
    const status = readFileSync('/proc/self/status', 'utf8')
    return gatherJson(communicator, 1024 * Number(/RssAnon:\s*(\d+)/.exec(status)?.[1]))
  },
  /** An error that a rank catches is on all ranks. */
  async caught() {
    const negative = { form: 'kronecker', damping: -0.1 } as const
    const { nhgd } = await import('../../ts/library.ts')
    const broken = solve(problem(), { ...options, method: nhgd({ fisher: negative }), communicator })
    const error = await broken.result.then(
      () => undefined,
      (error) => error,
    )
    const other = solve(problem(), { ...options, method, communicator })
    return {
      code: error instanceof NhgdError && error.code,
      message: error.message,
      next: (await other.result).status,
    }
  },
}

print(await tasks[task]())
