import { type Backend, taken, vector } from '../backend/backend.ts'
import type { Batch, Point, Step, Vector } from '../backend/binding.ts'
import { present, refuse, settingsJson } from '../backend/check.ts'
import { Fisher } from '../backend/fisher.ts'
import { gaussNewton, optimizers } from '../defaults.ts'
import type { AnyOracles, AnyProblem } from '../problems/problem.ts'
import { Stepper } from './optimizer.ts'

/** Settings of the Levenberg–Marquardt method. */
export interface LevenbergMarquardtSettings {
  readonly kind: 'levenbergMarquardt'
  /** μ of the first step, 1e-3 by default. It follows the steps from then on. */
  readonly damping?: number
  /** A step that promises to lower g by less than this share of g is not taken; 1e-12 by default. */
  readonly tolerance?: number
}

/** Trials per step before θ stays where it is. */
const trials = 12

/**
 * Levenberg–Marquardt: θ ← θ − (F + D + μI)⁻¹ ∇_θ g, with F the Gauss–Newton matrix of the step's samples. A step that
 * lowers g is taken; otherwise μ grows and another is tried. μ follows the gain, the decrease over the promised one
 * (Nielsen 1999; Madsen, Nielsen & Tingleff 2004, algorithm 3.16). It is for inner problems that are least squares of
 * few parameters, on batches of all samples.
 *
 * The inverse is that of a Fisher of its own, or of a method's Fisher that sees the same steps.
 */
export class LevenbergMarquardt extends Stepper {
  readonly #backend: Backend
  readonly #tolerance: number
  #damping: number
  /** Factor of μ after the next step that does not lower g. */
  #growth = 2
  #own: Fisher | undefined
  #shared: Fisher | undefined
  #room: { readonly direction: Vector; readonly gradient: Vector; readonly inner: Vector } | undefined

  constructor(backend: Backend, settings: LevenbergMarquardtSettings) {
    super(new backend.Optimizer(settingsJson({ kind: 'sgd' })), 1)
    const { damping, tolerance } = { ...optimizers.levenbergMarquardt, ...present('settings', settings) }
    this.#backend = backend
    this.#damping = damping
    this.#tolerance = tolerance
  }

  /** Steps with this Fisher from now on, which is then always that of the last step's samples. */
  share(fisher: Fisher): void {
    this.#shared = fisher
  }

  override async take(oracles: AnyOracles, point: Point, batch: Batch, step: Step): Promise<number> {
    this.#own ??= this.#shared ? undefined : await this.#newFisher(oracles, point, batch.length)
    const { handle } = (this.#shared ?? this.#own) as Fisher
    return oracles.innerStepFor(point, batch, step, handle, 0)
  }

  /** Shows the shared Fisher the samples at a point: A has to be that of the θ where L is taken, since both are close to
   * singular there. */
  async see({ oracles }: AnyProblem, point: Point, batch: Batch, step: Step): Promise<void> {
    const fisher = this.#shared as Fisher
    await oracles.observe(point, batch, step, fisher.handle, 0)
    await fisher.refresh(step)
  }

  override async advance(problem: AnyProblem, point: Point, step: Step, loss: number): Promise<boolean> {
    const { oracles } = problem
    const fisher = (this.#shared ?? this.#own) as Fisher
    await fisher.refresh(step) // F
    if (this.frozen) return false
    this.#room ??= {
      direction: problem.zeros(point.inner.length),
      gradient: problem.zeros(point.inner.length),
      inner: problem.zeros(point.inner.length),
    }
    const { direction, gradient, inner } = this.#room
    const there = point.at(inner)
    const regularizer = taken(await oracles.regularizer(point)) // D
    const before = this.#damping
    for (let trial = 0; trial < trials; trial++) {
      const damped = problem.vector(regularizer.map((d) => d + this.#damping))
      fisher.setRegularizer(damped)
      damped.dispose()
      const { damping } = await fisher.solve(step.gradient, direction) // u
      const promised =
        0.5 * (step.gradient.dot(direction) + (this.#damping + damping) * direction.dot(direction))
      if (!(promised > this.#tolerance * Math.abs(loss))) return false
      inner.copyFrom(point.inner)
      inner.axpy(-this.factor, direction)
      const gain = (loss - (await oracles.innerGradient(there, step.batch, gradient))) / promised
      if (gain > 0) {
        point.inner.copyFrom(inner)
        this.#damping *= Math.max(1 / 3, 1 - (2 * gain - 1) ** 3)
        this.#growth = 2
        return true
      }
      this.#damping *= this.#growth
      this.#growth *= 2
    }
    this.#damping = before // rounding, not the model of g, stood in the way
    this.#growth = 2
    return false
  }

  override save(): Uint8Array {
    return new Uint8Array(Float64Array.of(this.#damping, this.#growth).buffer)
  }

  override restore(bytes: Uint8Array): void {
    if (bytes.length !== 16) refuse('bytes', 'those of Levenberg–Marquardt', bytes, 'ERR_CHECKPOINT')
    ;[this.#damping, this.#growth] = new Float64Array(bytes.slice().buffer)
  }

  override dispose(): void {
    super.dispose()
    this.#own?.dispose()
    for (const vector of Object.values(this.#room ?? {})) vector.dispose()
  }

  /** The inverse that suits so many samples. */
  async #newFisher(oracles: AnyOracles, point: Point, samples: number): Promise<Fisher> {
    const { innerLength, layers, bytes, dtype } = oracles
    const first = vector(this.#backend, [this.#damping], dtype)
    const shape = { innerLength, layers, bytes, dtype, regularizer: () => first }
    return new Fisher(this.#backend, shape, point, { ...gaussNewton(samples, innerLength), damping: 0 })
  }
}
