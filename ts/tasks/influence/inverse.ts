import type { Batch, Point, Vector } from '../../backend/binding.ts'
import type { Fisher } from '../../backend/fisher.ts'
import * as defaults from '../../defaults.ts'
import { conjugateGradients } from '../../hypergradient/conjugateGradients.ts'
import type { AnyProblem, Problem } from '../../problems/problem.ts'

const { tolerance } = defaults.influence

/** Samples of one observation: of factors, and of single gradients, which are d numbers each. */
const observed = { factors: 1024, perSample: 64 } as const
/** Observations of a Fisher that takes a mean or one signed sum of a batch. */
const sums = 1024

/** Shows a Fisher all training samples, or so many of them, each once in a random order. */
export async function observeAll(
  { backend, dtype, oracles }: AnyProblem,
  point: Point,
  fisher: Fisher,
  seed: number,
  told: (done: number, total: number) => void = () => {},
  samples = oracles.samples,
): Promise<void> {
  const sampler = new backend.Sampler(seed, oracles.samples)
  const count = Math.min(samples, oracles.samples)
  const { rows } = fisher.handle
  const size = rows === 'factors' || rows === 'perSample' ? observed[rows] : Math.ceil(count / sums)
  for (let done = 0; done < count; ) {
    const batch = sampler.take(Math.min(size, count - done))
    const step = new backend.Step(oracles.innerLength, dtype)
    await oracles.observe(point, batch, step, fisher.handle, sampler.seed())
    await fisher.observe(step)
    step.dispose()
    done += batch.length
    told(done, count)
  }
}

/** Directions A∇f, f being the mean loss of outer samples or of some of them, at θ. */
export class Directions {
  /** ∇f. */
  readonly target: Vector
  /** A∇f. */
  readonly u: Vector
  /** The largest relative residual so far, where corrections compute it. */
  residual: number | undefined
  readonly #outer: Problem
  readonly #at: Point
  readonly #direct: Vector
  readonly #solve: () => Promise<number | undefined>

  /** `refine` is the largest number of corrections by the curvature of the training samples of `problem`. */
  constructor(problem: AnyProblem, point: Point, fisher: Fisher, refine: number, outer: Problem) {
    this.target = problem.zeros(point.inner.length)
    this.u = problem.zeros(point.inner.length)
    this.#outer = outer
    this.#direct = problem.zeros(point.outer.length)
    this.#at = outer.point(point.inner, point.outer)
    const { target, u } = this
    const precondition = (b: Vector, x: Vector) => fisher.solve(b, x)
    const batch = problem.backend.Batch.all(problem.oracles.samples)
    this.#solve = async () => {
      if (refine === 0) return void (await precondition(target, u))
      u.fill(0)
      const system = { problem, point, batch, target, damping: 0, tolerance }
      return (await conjugateGradients(system, precondition, u, refine)).residual
    }
  }

  /** u ← A∇f on a batch of the outer samples, on all of them where absent; returns f there. */
  async take(batch?: Batch): Promise<number> {
    const loss = this.#outer.oracles.outerGradient(this.#at, this.#direct, this.target, batch)
    const residual = await this.#solve()
    if (residual !== undefined) this.residual = Math.max(this.residual ?? 0, residual)
    return loss
  }
}
