import type { Backend } from './backend.ts'
import type { FisherHandle, Oracles, Point, Step, Vector } from './binding.ts'
import { settingsJson } from './check.ts'
import { checkMemory, fisherBytes } from './memory.ts'

/** Settings of an inverse Fisher; each form reads those that concern it. */
export interface FisherSettings {
  /** How A = (F + D̃)⁻¹ is represented. */
  readonly form?: 'dense' | 'window' | 'samples' | 'kronecker' | 'eigenkronecker' | 'diagonal' | 'sketch'
  /** Whose labels the gradients are taken at: as given, drawn from the model, or all of them (Gauss–Newton). */
  readonly statistic?: 'empirical' | 'sampled' | 'expected'
  /** What the row forms (dense, window, diagonal, sketch) see of a batch: its mean gradient, one random-sign sum of its
   * samples' gradients, or each of them. */
  readonly rows?: 'mean' | 'signed' | 'perSample'
  /** Forgetting factor β, 0 < β < 1, or the running average. */
  readonly smoothing?: number | 'average'
  /** λ ≥ 0; 0 only where the regulariser has no zero. */
  readonly damping?: number
  /** Damping in units of the mean eigenvalue of F. */
  readonly relative?: boolean
  /** Whether D̃ is held, or decays with the smoothing as the method is printed. */
  readonly start?: 'held' | 'decaying'
  /** Rows of a window, samples of a refresh, directions of a sketch. */
  readonly size?: number
  /** How damping enters a Kronecker product: exactly, or split between the factors. */
  readonly kroneckerDamping?: 'joint' | 'split'
  /** Share of the old Kronecker factors at a refresh, in [0, 1). */
  readonly keep?: number
  /** Observations from one eigenbasis to the next (eigenkronecker). */
  readonly basisEvery?: number
  /** Residual at which forms that iterate stop. */
  readonly tolerance?: number
}

/** How a solve with an inverse Fisher went. */
export interface SolveReport {
  /** ‖b − (F + D̃)x‖ / ‖b‖, null where the form doesn't have it for free. */
  readonly residual: number | null
  /** λ in force, above the setting where a factorisation needed more. */
  readonly damping: number
  /** Factorisations that needed more damping, since the start. */
  readonly fallbacks: number
  /** Conjugate-gradient steps of forms that iterate. */
  readonly steps: number
  /** Whether a per-parameter regulariser entered as its mean. */
  readonly meanRegularizer: boolean
}

/** An inverse Fisher that is updated beside the inner loop. */
export class Fisher {
  readonly handle: FisherHandle

  /** `concurrent` false puts updates in line, with the same results. `ERR_MEMORY` where WebAssembly can't hold it. */
  constructor(
    backend: Backend,
    problem: Oracles,
    point: Point,
    settings: FisherSettings & { readonly concurrent?: boolean },
  ) {
    checkMemory(backend, 'fisher', problem.bytes + fisherBytes(settings, problem))
    this.handle = new backend.Fisher(problem, point, settingsJson(settings))
  }

  /** F ← βF + (1 − β)(the step's samples); resolves when the step has a place in the queue. */
  async observe(step: Step): Promise<void> {
    while (!this.handle.tryObserve(step)) await this.handle.wait()
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
   * Takes back what {@link Fisher.save} gave, on either backend, from a Fisher of the same settings and size: it goes on
   * with the same bits. The regulariser stays as it is.
   *
   * @throws NhgdError `ERR_CHECKPOINT` for bytes of another form, scalar type, size or version, and for bytes that are
   * truncated or no saved Fisher; this one stays as it was.
   */
  async restore(bytes: Uint8Array): Promise<void> {
    await this.handle.restore(bytes)
  }

  /** Forgets every observation. */
  reset(): void {
    this.handle.reset()
  }
}
