import type { Batch, Point, Vector } from '../backend/binding.ts'
import type { Problem } from '../problems/problem.ts'

/** Corrections of A∇_θf by curvature products: conjugate-gradient steps, or damped corrections of a fixed size. */
export type RefineSettings = number | { readonly steps: number; readonly rate: number }

/** x ← A b, whatever A is. */
export type Preconditioner = (b: Vector, x: Vector) => Promise<unknown>

/** How a linear solve C u = b ended. */
export interface Refinement {
  /** ‖b − Cu‖ / ‖b‖ on the samples that C was taken from. */
  readonly residual: number
  /** Curvature products taken. */
  readonly products: number
  /** Negative curvature was met, or no step made the residual smaller: the best u so far was kept. */
  readonly fallback?: 'negative curvature' | 'no progress'
}

/** The linear system (C + damping I) u = target at a point. */
export interface System {
  readonly problem: Problem
  readonly point: Point
  readonly batch: Batch
  readonly target: Vector
  readonly damping: number
  /** Relative residual that is small enough, 0 where absent. */
  readonly tolerance?: number
}

/**
 * Improves `direction`, in place, towards C⁻¹ target; A preconditions. It starts from the better of `direction` as it
 * comes (last iteration's) and A target, and never returns something worse than that start.
 */
export async function refine(
  system: System,
  precondition: Preconditioner,
  direction: Vector,
  settings: RefineSettings,
): Promise<Refinement> {
  const { problem, target, tolerance = 0 } = system
  const steps = typeof settings === 'number' ? settings : settings.steps
  const length = norm(target)
  if (length === 0) {
    direction.fill(0)
    return { residual: 0, products: 0 }
  }
  const start = await startingPoint(system, precondition, direction, steps > 0)
  const { residual } = start
  const best = { norm: norm(residual), direction: copy(problem, direction) }
  const initial = best.norm
  let fallback: Refinement['fallback']
  let products = start.products
  const z = problem.zeros(target.length)
  const p = problem.zeros(target.length)
  const product = problem.zeros(target.length)
  const previous = problem.zeros(target.length)
  let rho = 0
  for (let step = 0; step < steps && best.norm > tolerance * length; step++) {
    await precondition(residual, z)
    let size: number
    if (typeof settings === 'object') {
      p.copyFrom(z)
      size = settings.rate
      curvature(system, p, product)
    } else {
      // Polak–Ribière: the preconditioner may change from step to step.
      const next = residual.dot(z)
      const beta = step === 0 ? 0 : Math.max(0, (next - previous.dot(z)) / rho)
      rho = next
      p.scale(beta)
      p.axpy(1, z)
      curvature(system, p, product)
      const curved = p.dot(product)
      if (!(curved > 0)) {
        fallback = 'negative curvature'
        products++
        break
      }
      size = residual.dot(p) / curved
    }
    products++
    previous.copyFrom(residual)
    direction.axpy(size, p)
    residual.axpy(-size, product)
    const now = norm(residual)
    if (now < best.norm) {
      best.norm = now
      best.direction.copyFrom(direction)
    } else if (!(now < 10 * initial)) break
  }
  if (steps > 0 && best.norm >= initial && initial > tolerance * length) fallback ??= 'no progress'
  direction.copyFrom(best.direction)
  return { residual: best.norm / length, products, ...(fallback && { fallback }) }
}

/** Leaves the better start in `direction` and returns its residual vector. */
async function startingPoint(
  system: System,
  precondition: Preconditioner,
  direction: Vector,
  warm: boolean,
): Promise<{ residual: Vector; products: number }> {
  const { problem, target } = system
  const warmResidual = warm && direction.dot(direction) > 0 ? residualOf(system, direction) : undefined
  if (warmResidual && norm(warmResidual) < norm(target) / 2) return { residual: warmResidual, products: 1 }
  const cold = problem.zeros(target.length)
  await precondition(target, cold)
  const residual = residualOf(system, cold)
  if (warmResidual && norm(warmResidual) <= norm(residual)) return { residual: warmResidual, products: 2 }
  direction.copyFrom(cold)
  return { residual, products: warmResidual ? 2 : 1 }
}

/** target − (C + damping I) u. */
function residualOf(system: System, u: Vector): Vector {
  const residual = system.problem.zeros(u.length)
  curvature(system, u, residual)
  residual.scale(-1)
  residual.axpy(1, system.target)
  return residual
}

function curvature({ problem, point, batch, damping }: System, u: Vector, product: Vector): void {
  problem.oracles.curvatureProduct(point, batch, u, product)
  if (damping > 0) product.axpy(damping, u)
}

function copy(problem: Problem, x: Vector): Vector {
  const out = problem.zeros(x.length)
  out.copyFrom(x)
  return out
}

function norm(x: Vector): number {
  return Math.sqrt(x.dot(x))
}
