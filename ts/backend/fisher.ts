import type { Backend } from './backend.ts'
import type { FisherHandle, Oracles, Point, Step, Vector } from './binding.ts'
import { settingsJson } from './check.ts'
import { checkMemory, fisherBytes } from './memory.ts'
import type { FisherSettings } from './settings.ts'

export type { FisherSettings }

/** How a solve with an inverse Fisher went. */
export interface SolveReport {
  /** ‖b − (F + D̃)x‖ / ‖b‖ where the solve computed it: conjugate gradients always do, and Woodbury's formula (window,
   * sketch, samples) does where rounding could spoil the solution. */
  readonly residual?: number
  /** λ in force, above the setting where a factorisation needed more. */
  readonly damping: number
  /** Factorisations that needed more damping, since the start. */
  readonly fallbacks: number
  /** Conjugate-gradient steps of forms that iterate. */
  readonly steps: number
  /** Whether the regulariser entered some layer as its mean. Kronecker factors are exact for one value per layer or per
   * input (joint damping), their eigenbases for one value per layer. */
  readonly meanRegularizer: boolean
}

/** An inverse Fisher that is updated beside the inner loop. */
export class Fisher {
  readonly handle: FisherHandle

  /**
   * A Fisher of the parameters of a problem, whose regulariser is taken at `point`. `concurrent` false puts updates in
   * line, with the same results; so does a backend of one thread.
   *
   * @throws NhgdError `ERR_RANGE` for settings that are unknown, of another form or out of range; `ERR_MEMORY` where
   * memory can't hold it.
   */
  constructor(
    backend: Backend,
    problem: Pick<Oracles, 'bytes' | 'dtype' | 'innerLength' | 'layers' | 'regularizer'>,
    point: Point,
    { concurrent = true, ...settings }: FisherSettings & { readonly concurrent?: boolean },
  ) {
    checkMemory(backend, 'fisher', problem.bytes + fisherBytes(settings, problem))
    const { innerLength, layers } = problem
    const json = settingsJson(settings)
    const beside = concurrent && backend.info().threads > 1
    this.handle = new backend.Fisher(innerLength, layers, problem.regularizer(point), json, beside)
  }

  /** F ← βF + (1 − β)(the step's samples); resolves when the step has a place in the queue. */
  async observe(step: Step): Promise<void> {
    while (!this.handle.tryObserve(step)) await this.handle.wait()
  }

  /** The same with gradients that come from elsewhere, one or more rows of d entries each: F gains Σ row rowᵀ. */
  async observeRows(rows: Vector): Promise<void> {
    while (!this.handle.tryObserveRows(rows)) await this.handle.wait()
  }

  /** Takes another regulariser D, before damping: one entry for cI, or one per parameter. */
  setRegularizer(regularizer: Vector): void {
    this.handle.setRegularizer(regularizer)
  }

  /** F anew from the step's samples. */
  async refresh(step: Step): Promise<void> {
    while (!this.handle.tryRefresh(step)) await this.handle.wait()
  }

  /** direction ← A target, once all that was observed before is in A. */
  async solve(target: Vector, direction: Vector): Promise<SolveReport> {
    return JSON.parse(await this.handle.solve(target, direction))
  }

  /** All that was observed before, as bytes for {@link Fisher.restore}. */
  async save(): Promise<Uint8Array> {
    return this.handle.save()
  }

  /**
   * Takes back what {@link Fisher.save} gave, on either backend, from a Fisher of the same shape and settings: it goes on
   * with the same bits, the regulariser included.
   *
   * @throws NhgdError `ERR_CHECKPOINT` for bytes of another form, scalar type, shape, setting or version (it names the
   * first difference), and for bytes that are truncated or no saved Fisher; this one stays as it was.
   */
  async restore(bytes: Uint8Array): Promise<void> {
    await this.handle.restore(bytes)
  }

  /** Forgets every observation, and the failure of one; regulariser and settings stay. */
  reset(): void {
    this.handle.reset()
  }

  /** Frees it, once the calls that wait for it are done. */
  dispose(): void {
    this.handle.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}
