import type { Batch, Sampler, Step } from '../backend/binding.ts'
import type { Fisher } from '../backend/fisher.ts'
import type { AnyProblem } from '../problems/problem.ts'
import type { TakeGradient } from './innerLoop.ts'

/** Which samples of the inner steps a Fisher sees. */
export interface ObserveOptions {
  /**
   * The Fisher sees one step, the first, out of this many of the run, or of the outer iteration where it is reset there;
   * 1 shows it all steps.
   */
  readonly every?: number
  /** Samples that it sees of a step's batch, all where absent. A part of the batch costs a pass of its own. */
  readonly samples?: number
}

/** Shows a Fisher the samples of the inner steps of one outer iteration. */
export class Observer {
  readonly #problem: AnyProblem
  readonly #fisher: Fisher
  readonly #sampler: Sampler
  readonly #options: ObserveOptions
  readonly #room: Step
  readonly #before: number
  #seen: Step | undefined

  /** `room` holds the samples of a batch that is not seen whole; `before` steps were taken since the Fisher was new. */
  constructor(
    problem: AnyProblem,
    fisher: Fisher,
    sampler: Sampler,
    options: ObserveOptions,
    room: Step,
    before: number,
  ) {
    this.#problem = problem
    this.#fisher = fisher
    this.#sampler = sampler
    this.#options = options
    this.#room = room
    this.#before = before
  }

  /** Takes the gradient of an inner step, and in the same pass what the Fisher wants of the samples. */
  readonly takeGradient: TakeGradient = async (point, batch, step, t) => {
    const { oracles } = this.#problem
    const { every = 1, samples } = this.#options
    this.#seen = undefined
    if ((this.#before + t) % every !== 0) return oracles.innerStep(point, batch, step)
    if (samples === undefined || samples >= batch.length) {
      this.#seen = step
      return oracles.innerStepFor(point, batch, step, this.#fisher.handle, this.#sampler.seed())
    }
    this.#seen = this.#room
    const loss = await oracles.innerStep(point, batch, step)
    const some = this.#some(batch, samples)
    await oracles.observe(point, some, this.#room, this.#fisher.handle, this.#sampler.seed())
    return loss
  }

  /** F ← βF + (1 − β)(samples of the step), beside the inner loop, which waits only for room in the queue. */
  async observe(): Promise<void> {
    if (this.#seen) await this.#fisher.observe(this.#seen)
  }

  /** Batches are in random order, so their first samples will do; a batch of all samples is in order. */
  #some(batch: Batch, samples: number): Batch {
    if (batch.length === this.#problem.oracles.samples) return this.#sampler.take(samples)
    return this.#problem.backend.Batch.of(batch.positions.slice(0, samples))
  }
}
