import type { Backend } from '../../../ts/backend/backend.ts'
import type { Batch } from '../../../ts/backend/binding.ts'
import type { Communicator } from '../../../ts/backend/communicator.ts'
import { Fisher } from '../../../ts/backend/fisher.ts'
import type { FisherSettings } from '../../../ts/backend/settings.ts'
import * as defaults from '../../../ts/defaults.ts'
import type { AnyProblem, Problem } from '../../../ts/problems/problem.ts'
import type { Calls, OracleName } from './model.ts'

const names: Readonly<Record<OracleName, true>> = {
  innerStep: true,
  outerGradient: true,
  curvatureProduct: true,
  crossProduct: true,
  observe: true,
}

/** A problem whose oracles count their calls. */
export function counted(problem: Problem): {
  problem: AnyProblem
  reset(): void
  perStep(steps: number): Calls[]
} {
  const calls = new Map<string, { name: OracleName; rows: number; count: number }>()
  const isBatch = (arg: unknown): arg is Batch =>
    typeof arg === 'object' && arg !== null && 'positions' in arg
  const watched: AnyProblem = problem.withOracles((oracles) => {
    return new Proxy(oracles, {
      get(target, key) {
        const value = Reflect.get(target, key, target)
        if (typeof value !== 'function') return value
        if (!(key in names)) return value.bind(target)
        return (...args: unknown[]) => {
          const name = key as OracleName
          const all = name === 'outerGradient' ? oracles.outerSamples : oracles.samples
          const rows = args.find(isBatch)?.length ?? all
          const entry = calls.get(`${name} ${rows}`) ?? { name, rows, count: 0 }
          entry.count++
          calls.set(`${name} ${rows}`, entry)
          return value.apply(target, args)
        }
      },
    }) as never
  })
  return {
    problem: watched,
    reset: () => calls.clear(),
    perStep: (steps) => [...calls.values()].map((call) => ({ ...call, count: call.count / steps })),
  }
}

/** What the oracles take on one rank. */
export interface OracleTimes {
  /** Seconds of each oracle for each count of rows, the fastest of several calls. */
  readonly oracles: Readonly<Record<OracleName, readonly number[]>>
  /** Seconds in which the inverse factors of all layers are taken. */
  readonly inverse: number
  readonly inner: number
  readonly outer: number
  readonly moments: number
}

export async function timesOf(
  problem: Problem,
  counts: readonly number[],
  given: object,
): Promise<OracleTimes> {
  const { backend, oracles } = problem
  const { innerLength, outerLength, samples, outerSamples } = oracles
  const point = problem.start()
  const [u, product, cross] = [innerLength, innerLength, outerLength].map((length) => problem.zeros(length))
  const step = new backend.Step(innerLength, problem.dtype)
  u.fill(0.01)
  const usual = defaults.methods.preconditionedConjugateGradients.fisher
  const { refreshSamples: _, refreshEvery: __, ...settings } = { ...usual, ...given }
  const fisher = new Fisher(backend, oracles, point, { ...(settings as FisherSettings), concurrent: false })
  const of = (all: number, work: (batch: Batch) => unknown) =>
    counts.map((count) => {
      const rows = Math.min(count, all)
      // Rows far apart, as the sampler draws them.
      const batch = backend.Batch.of(Uint32Array.from({ length: rows }, (_, i) => (i * 7919) % all))
      return (count / rows) * fastest(() => work(batch))
    })
  const times: Record<OracleName, number[]> = {
    innerStep: of(samples, (batch) => oracles.innerStep(point, batch, step)),
    outerGradient: of(outerSamples, (batch) => oracles.outerGradient(point, cross, product, batch)),
    curvatureProduct: of(samples, (batch) => oracles.curvatureProduct(point, batch, u, product)),
    crossProduct: of(samples, (batch) => oracles.crossProduct(point, batch, u, 1, cross)),
    observe: of(samples, (batch) => {
      oracles.observe(point, batch, step, fisher.handle, 0)
      fisher.handle.condense(step)
    }),
  }
  const inverse = fastest(() => fisher.handle.tryRefresh(step))
  return { oracles: times, inverse, inner: innerLength, outer: outerLength, moments: step.rows().length }
}

function fastest(work: () => unknown): number {
  let best = Number.POSITIVE_INFINITY
  const end = performance.now() + 400
  for (let i = 0; i < 3 || (i < 50 && performance.now() < end); i++) {
    const start = performance.now()
    work()
    best = Math.min(best, performance.now() - start)
  }
  return best / 1000
}

/** Seconds that a vector of so many floats takes to become its sum over ranks: read, summed up, and written. */
export async function reductions(
  backend: Backend,
  communicator: Communicator,
  lengths: readonly number[],
): Promise<number[]> {
  const times: number[] = []
  for (const length of lengths) {
    const vector = new backend.Vector(length, 'f32')
    const entries = new Float32Array(length)
    const reduce = async () => {
      vector.readIntoF32(entries)
      await communicator.allReduce(entries)
      vector.writeF32(entries)
    }
    times.push(await together(communicator, reduce))
    vector.dispose()
  }
  return times
}

/** Seconds in which so many bytes of rank 0 reach all ranks. */
export function broadcasting(communicator: Communicator, bytes: number): Promise<number> {
  const room = new Uint8Array(bytes)
  return together(communicator, () => communicator.broadcast(room))
}

/** Seconds of the fastest of several rounds, in each of which the slowest rank counts. */
async function together(communicator: Communicator, work: () => Promise<void>): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < 30; i++) {
    await communicator.barrier()
    const start = performance.now()
    await work()
    const taken = Float64Array.of(performance.now() - start)
    const all = await communicator.allGather(new Uint8Array(taken.buffer))
    best = Math.min(best, Math.max(...all.map((bytes) => new Float64Array(bytes.slice().buffer)[0])))
  }
  return best / 1000
}
