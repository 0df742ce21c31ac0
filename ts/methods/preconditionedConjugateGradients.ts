import type { Point } from '../backend/binding.ts'
import { present, size, whole } from '../backend/check.ts'
import type { FisherSettings, KroneckerSettings } from '../backend/settings.ts'
import { methods } from '../defaults.ts'
import { Cross } from '../hypergradient/cross.ts'
import {
  direction,
  type FisherOptions,
  type FisherState,
  fisherState,
  formFor,
} from '../hypergradient/direction.ts'
import { innerEnd, innerLoop } from '../hypergradient/innerLoop.ts'
import type { AnyProblem } from '../problems/problem.ts'
import { fisherCheck, settingsOf } from './check.ts'
import type { Estimate, Method } from './method.ts'

/** When an inverse Fisher is taken anew. */
export interface RefreshSettings {
  /** Outer iterations from one refresh to the next. */
  readonly refreshEvery?: number
  /** Fresh samples that a refresh takes; default `batchSize` for a Fisher with a `form`. */
  readonly refreshSamples?: number
}

export interface PreconditionedConjugateGradientsOptions extends FisherOptions {
  /** The preconditioner, an inverse Fisher; without a `form` it is the default one but for what is given. */
  readonly fisher?: (FisherSettings | KroneckerSettings) & RefreshSettings
}

/** Options with nothing absent. */
export interface PreconditionedConjugateGradientsSettings extends Required<FisherOptions> {
  readonly fisher: FisherSettings & Required<RefreshSettings>
}

/**
 * Implicit differentiation by preconditioned conjugate gradients: the preconditioner is an inverse Fisher, by default
 * in Kronecker factors (K-FAC, Martens & Grosse 2015), that is taken from fresh samples now and then, and the system
 * goes on from last iteration's solution. With `refine: 0` the inverse Fisher alone stands for the inverse Hessian.
 */
export function preconditionedConjugateGradients(
  options: PreconditionedConjugateGradientsOptions = {},
): Method<FisherState> {
  const usual = methods.preconditionedConjugateGradients
  const settings = settingsOf<Required<PreconditionedConjugateGradientsOptions>, typeof options>(
    usual,
    options,
    { fisher: fisherCheck({ refreshEvery: whole(1), refreshSamples: size(1) }) },
  )
  const fisher: FisherSettings & RefreshSettings =
    'form' in settings.fisher ? settings.fisher : { ...usual.fisher, ...settings.fisher }
  const { refreshEvery: _, refreshSamples: __, ...given } = present('fisher', options.fisher ?? {})
  const { refreshEvery = usual.fisher.refreshEvery, refreshSamples = settings.batchSize, ...form } = fisher

  async function step(problem: AnyProblem, point: Point, state: FisherState): Promise<Estimate> {
    const { oracles } = problem
    const { fisher, sampler, u, scratch } = state
    const { clock, direct, target, sample } = scratch
    const cross = new Cross(problem, settings.cross, sampler)
    if (state.outerStep % refreshEvery === 0) {
      clock.enter('fisher')
      const fresh = sampler.take(refreshSamples)
      await oracles.observe(point, fresh, sample, fisher.handle, sampler.seed())
      await fisher.refresh(sample) // its factors are computed while the inner loop runs
    }
    for await (const step of innerLoop(problem, point, state, settings)) cross.observe(step)
    const end = innerEnd(point, state, settings)
    clock.enter('outer')
    oracles.refresh(end)
    const outerLoss = await oracles.outerGradient(end, direct, target) // ∇_v f, ∇_θ f
    const solution = await direction(problem, end, state, settings) // u ≈ C⁻¹ ∇_θ f
    clock.enter('cross')
    const hypergradient = await cross.subtract(direct, u, end) // ∇_v f − Lᵀu
    clock.enter('')
    state.outerStep++
    return { outerLoss, hypergradient, inner: end.inner, ...solution }
  }
  return {
    name: 'preconditionedConjugateGradients',
    settings: { ...settings, fisher: { ...form, refreshEvery, refreshSamples } },
    init: (problem, point, seed) =>
      fisherState(problem, point, seed, formFor(problem, form, given), settings),
    step,
  }
}
