import type { Point, Vector } from '../backend/binding.ts'
import { Fisher, type FisherSettings } from '../backend/fisher.ts'
import { jointDamping } from '../defaults.ts'
import type { AnyOracles, AnyProblem } from '../problems/problem.ts'
import { conjugateGradients, type RefineSettings } from './conjugateGradients.ts'
import { Cross, type CrossSettings } from './cross.ts'
import { type InnerOptions, type InnerState, innerState } from './innerLoop.ts'
import { type Rate, rateAt } from './optimizer.ts'

/** Options shared by the methods with an inverse Fisher A. */
export interface FisherOptions extends InnerOptions {
  /** Corrections of A∇_θf by curvature products; 0 takes A∇_θf as it is. */
  readonly refine?: RefineSettings
  /** Samples that curvature products are taken from. */
  readonly refineSamples?: number
  /** Damping added to curvature products, or one for each outer iteration 0, 1, 2, … */
  readonly refineDamping?: Rate
  /** Whether a curvature product is spent on the residual of A∇_θf where `refine` is 0; false by default. */
  readonly residual?: boolean
  /** Samples that the cross derivative is taken from. */
  readonly cross?: CrossSettings
  /** Whether the Fisher works on a thread of its own; the results are the same. */
  readonly concurrent?: boolean
}

/**
 * The inverse Fisher for a problem: that of the options where they name a form, else the problem's usual one, else the
 * method's, whose damping is joint in small layers.
 */
export function formFor(
  { oracles }: { readonly oracles: Pick<AnyOracles, 'usualFisher' | 'layers'> },
  form: FisherSettings,
  given: object,
): FisherSettings {
  const { usualFisher, layers } = oracles
  if ('form' in given) return form
  if (usualFisher) return { ...usualFisher, ...given } as FisherSettings
  const joint = form.form === 'kronecker' && Math.max(...layers) <= jointDamping.size
  return joint ? { ...form, kroneckerDamping: 'joint', ...given } : form
}

/** The state of a method with an inverse Fisher. */
export async function fisherState(
  problem: AnyProblem,
  point: Point,
  seed: number,
  form: FisherSettings,
  settings: Required<FisherOptions>,
) {
  const { backend, dtype, oracles } = problem
  const { innerLength, outerLength, layers, bytes } = oracles
  const regularizer = await oracles.regularizer(point)
  const shape = { innerLength, layers, bytes, dtype, regularizer: () => regularizer }
  const start = innerState(problem, seed, settings, Cross.slots(settings.cross, settings.innerSteps))
  const [direct, target, u] = [outerLength, innerLength, innerLength].map((length) => problem.zeros(length))
  const sample = new backend.Step(innerLength, dtype)
  return {
    ...start,
    fisher: new Fisher(backend, shape, point, { ...form, concurrent: settings.concurrent }),
    u,
    fallbacks: {} as Record<string, number>,
    scratch: { ...start.scratch, direct, target, sample },
  }
}

/** What methods with a Fisher carry from one outer iteration to the next. */
export interface FisherState extends InnerState {
  readonly fisher: Fisher
  /** Direction of the last outer iteration. */
  readonly u: Vector
  readonly fallbacks: Record<string, number>
  readonly scratch: Awaited<ReturnType<typeof fisherState>>['scratch']
}

/** u ← A ∇_θ f, then corrections towards C⁻¹ ∇_θ f; returns how good it is. */
export async function direction(
  problem: AnyProblem,
  point: Point,
  { fisher, u, fallbacks, sampler, outerStep, scratch: { clock, target } }: FisherState,
  settings: Required<FisherOptions>,
) {
  clock.enter('fisher')
  fisher.setRegularizer(await problem.oracles.regularizer(point)) // D follows v
  let damping = 0
  const precondition = async (b: Vector, x: Vector) => {
    const report = await fisher.solve(b, x)
    damping = report.damping
    if (report.fallbacks > 0) fallbacks['damping raised'] = report.fallbacks
  }
  const steps = typeof settings.refine === 'number' ? settings.refine : settings.refine.steps
  if (steps === 0 && !settings.residual) {
    await precondition(target, u)
    return { operator: 'none', damping, fallbacks } as const
  }
  const batch = sampler.take(settings.refineSamples)
  const system = { problem, point, batch, target, damping: rateAt(settings.refineDamping, outerStep) }
  const { residual, fallback, stopped } = await conjugateGradients(system, precondition, u, settings.refine)
  if (fallback) fallbacks[fallback] = (fallbacks[fallback] ?? 0) + 1
  return { residual, operator: problem.oracles.curvature, damping, fallbacks, stopped }
}
