import type { Batch, Point, Sampler, Step } from '../backend/binding.ts'
import type { AnyProblem } from '../problems/problem.ts'
import type { InnerOptimizerSettings } from './innerOptimizer.ts'
import { type State, startingState } from './state.ts'

/** Options of the inner loop. */
export interface InnerOptions {
  /** T, inner steps per outer iteration. */
  readonly innerSteps?: number
  /** B, samples per inner step. */
  readonly batchSize?: number
  readonly innerOptimizer?: InnerOptimizerSettings
  /** Share of the inner steps, counted from the last, whose θ is averaged for the hypergradient; 0 takes θ^T. */
  readonly averaging?: number
}

type InnerSettings = Required<InnerOptions>

/** How the gradient of inner step t is taken on a batch; returns g there. */
export type TakeGradient = (point: Point, batch: Batch, step: Step, t: number) => number | Promise<number>

/** The state of a method with inner steps; `slots` of them are kept at a time. */
export function innerState(problem: AnyProblem, seed: number, settings: InnerSettings, slots: number) {
  const { backend, dtype, oracles } = problem
  const start = startingState(problem, seed, settings.innerOptimizer)
  const steps = Array.from({ length: Math.max(1, slots) }, () => new backend.Step(oracles.innerLength, dtype))
  return { ...start, scratch: { ...start.scratch, steps, average: problem.zeros(oracles.innerLength) } }
}

/** See {@link innerState}. */
export interface InnerState extends State {
  readonly scratch: ReturnType<typeof innerState>['scratch']
}

/** What an inner loop changes. */
type Loop = Pick<InnerState, 'optimizer' | 'scratch'> & { readonly sampler: Pick<Sampler, 'take'> }

/**
 * T inner steps θ ← θ − η ∇_θ g, in place. Each step is yielded with its gradient before θ moves, so that the loop's
 * body sees the θ and the samples of the step.
 */
export async function* innerLoop(
  problem: AnyProblem,
  point: Point,
  { sampler, optimizer, scratch }: Loop,
  { innerSteps, batchSize, averaging }: Omit<InnerSettings, 'innerOptimizer'>,
  takeGradient: TakeGradient = (point, batch, step) => optimizer.take(problem.oracles, point, batch, step),
): AsyncGenerator<Step, void> {
  const { clock, steps, average } = scratch
  const averaged = Math.ceil(averaging * innerSteps)
  clock.enter('inner')
  average.fill(0)
  for (let t = 0; t < innerSteps; t++) {
    const step = steps[t % steps.length]
    const loss = await takeGradient(point, sampler.take(batchSize), step, t)
    yield step
    const moved = await optimizer.advance(problem, point, step, loss)
    if (t >= innerSteps - averaged) average.axpy(1 / averaged, point.inner)
    if (!moved && averaged === 0 && step.batch.length === problem.oracles.samples) return
  }
}

/** The point where the inner loop ended: the mean of its last iterates, or the last one. */
export function innerEnd(
  point: Point,
  { scratch }: Pick<InnerState, 'scratch'>,
  { averaging, innerSteps }: Pick<InnerSettings, 'averaging' | 'innerSteps'>,
): Point {
  return averaging * innerSteps > 0 ? point.at(scratch.average) : point
}
