import type { Batch, DType, Point, Vector } from '../backend/binding.ts'
import type { AnyProblem } from '../problems/problem.ts'

/** Corrections of A∇_θf by curvature products: conjugate-gradient steps, or damped corrections of a fixed size. */
export type RefineSettings = number | { readonly steps: number; readonly rate: number }

/** x ← A b, whatever A is. */
export type Preconditioner = (b: Vector, x: Vector) => Promise<unknown>

/** Why an iteration on a linear system stopped. */
export type Stopped = 'tolerance' | 'steps' | 'negative curvature' | 'no progress'

/** How a linear solve C u = b ended. */
export interface LinearSolution {
  /**
   * ‖b − Cu‖ / ‖b‖ on the samples that C was taken from, computed from b − Cu where rounding may have taken the
   * recurrence of the steps more than a tenth away from it.
   */
  readonly residual: number
  /** Curvature products taken. */
  readonly products: number
  readonly stopped: Stopped
  /** Negative curvature was met, or no step made the residual smaller: the best u so far was kept. */
  readonly fallback?: 'negative curvature' | 'no progress'
}

/** The linear system (C + damping I) u = target at a point. */
export interface System {
  readonly problem: AnyProblem
  readonly point: Point
  readonly batch: Batch
  readonly target: Vector
  readonly damping: number
  /** Relative residual that is small enough, 0 where absent. */
  readonly tolerance?: number
}

/** The linear system C u = target with any symmetric C. */
export interface SymmetricSystem {
  readonly dtype: DType
  zeros(length: number): Vector
  /** product ← C u. */
  times(u: Vector, product: Vector): unknown
  readonly target: Vector
  /** Relative residual that is small enough, 0 where absent. */
  readonly tolerance?: number
}

/** {@link solveSystem} for the curvature of a problem. */
export function conjugateGradients(
  { problem, point, batch, target, damping, tolerance }: System,
  precondition: Preconditioner,
  u: Vector,
  settings: RefineSettings,
): Promise<LinearSolution> {
  const system = {
    dtype: problem.dtype,
    zeros: (length: number) => problem.zeros(length),
    async times(u: Vector, product: Vector) {
      await problem.oracles.curvatureProduct(point, batch, u, product)
      if (damping > 0) product.axpy(damping, u)
    },
    target,
    tolerance,
  }
  return solveSystem(system, precondition, u, settings)
}

/**
 * u ← C⁻¹ target, in place, by preconditioned conjugate gradients with the β of Polak and Ribière, so that A may change
 * from step to step. They start from u as it comes, the direction of the last outer iteration, where its residual is
 * below ½ or below what one step from 0 leaves; otherwise from 0, where the step along A target counts as none. With a
 * `rate` they are corrections u ← u + rate · A (target − Cu) of A target. The u with the least residual is kept, where A
 * target is one of them. Without steps u is A target, and a product tells its residual.
 *
 * The computation is in units of a power of two near ‖target‖, so that squares neither overflow nor underflow.
 */
export async function solveSystem(
  system: SymmetricSystem,
  precondition: Preconditioner,
  u: Vector,
  settings: RefineSettings,
): Promise<LinearSolution> {
  const { steps, rate } = typeof settings === 'number' ? { steps: settings, rate: undefined } : settings
  const { target, tolerance = 0 } = system
  const size = target.norm()
  if (size === 0) {
    u.fill(0)
    return { residual: 0, products: 0, stopped: 'tolerance' }
  }
  const [b, r, z, p, q, before, best] = Array.from({ length: 7 }, () => system.zeros(u.length))
  const epsilon = system.dtype === 'f32' ? 2 ** -23 : 2 ** -52
  const unit = 2 ** Math.round(Math.max(-1000, Math.log2(size)))
  b.copyFrom(target)
  b.scale(1 / unit)
  u.scale(1 / unit)
  const length = b.norm()
  const relative = (x: Vector) => x.norm() / length
  let products = 0
  /** r ← b − Cx, by way of q = Cx; returns its relative size. */
  const leave = async (x: Vector): Promise<number> => {
    await system.times(x, q)
    products++
    r.copyFrom(b)
    r.axpy(-1, q)
    return relative(r)
  }
  if (steps === 0) {
    await precondition(b, u)
    const residual = await leave(u)
    u.scale(unit)
    return { residual, products, stopped: 'steps' }
  }
  let least = Number.POSITIVE_INFINITY
  const keep = (x: Vector, residual: number) => {
    best.copyFrom(x)
    least = residual
  }

  const warm = u.norm() > 0 ? await leave(u) : Number.POSITIVE_INFINITY
  const cold = !(warm < 0.5)
  const [last, left] = warm < Number.POSITIVE_INFINITY && cold ? [copy(system, u), copy(system, r)] : []
  if (cold) {
    u.fill(0)
    r.copyFrom(b)
  } else keep(u, warm)
  let [now, initial] = cold ? [1, Number.POSITIVE_INFINITY] : [warm, warm]
  let checked = now // the last residual that was computed as b − Cu
  let fresh = true // r was computed as b − Cu, and the next direction starts anew
  let [gain, drift, rho] = [0, 0, 0] // ‖C‖, how far r may be from b − Cu, and rᵀz
  let stopped: Stopped | undefined
  for (let step = cold ? -1 : 0; ; step++) {
    if (!fresh && (now <= tolerance || now <= epsilon * checked)) {
      now = await leave(u)
      keep(u, now)
      if (now > tolerance && now > checked / 2) stopped = 'no progress'
      step++
      ;[checked, fresh, drift] = [now, true, 0]
    }
    if (now <= tolerance) stopped = 'tolerance'
    else if (step >= steps) stopped ??= 'steps'
    if (stopped) break
    await precondition(r, z)
    const next = r.dot(z)
    // Polak–Ribière: the preconditioner may change from step to step.
    p.scale(fresh || rate !== undefined ? 0 : Math.max(0, (next - before.dot(z)) / rho))
    p.axpy(1, z)
    rho = next
    await system.times(p, q)
    products++
    gain = Math.max(gain, q.norm() / p.norm())
    before.copyFrom(r)
    if (step < 0) {
      r.axpy(-1, q)
      initial = relative(r) // of A target
      keep(p, initial)
      r.copyFrom(before)
    }
    const curved = p.dot(q)
    if (rate === undefined && !(curved > 0)) {
      stopped = curved < 0 ? 'negative curvature' : 'no progress' // flat, or below the smallest number
      break
    }
    const alpha = rate === undefined ? r.dot(p) / curved : step < 0 ? 1 : rate
    if (!Number.isFinite(alpha)) {
      stopped = 'no progress'
      break
    }
    u.axpy(alpha, p)
    r.axpy(-alpha, q)
    now = relative(r)
    drift += epsilon * (now + gain * relative(u))
    fresh = false
    if (now < least) keep(u, now)
    else if (rate !== undefined && !(now < 10 * initial)) {
      stopped = 'no progress'
      break
    }
    if (step < 0 && last && left && warm < least) {
      u.copyFrom(last)
      r.copyFrom(left)
      keep(u, warm)
      ;[now, initial, checked, fresh, drift] = [warm, warm, warm, true, 0]
    }
  }
  if (drift > 0.1 * least || least > 1) {
    least = await leave(best)
    // Where u is worse than 0, which leaves 1, a shorter one is better as long as bᵀCu > 0.
    const share = b.dot(q) / q.dot(q)
    if (least > 1 && share > 0 && stopped !== 'negative curvature') {
      best.scale(share)
      r.copyFrom(b)
      r.axpy(-share, q)
      least = relative(r)
    }
  }
  u.copyFrom(best)
  u.scale(unit)
  if (stopped === 'steps' && least >= initial) stopped = 'no progress'
  const failed = stopped === 'negative curvature' || (stopped === 'no progress' && least >= initial)
  return { residual: least, products, stopped, ...(failed && { fallback: stopped as 'no progress' }) }
}

function copy(system: SymmetricSystem, x: Vector): Vector {
  const out = system.zeros(x.length)
  out.copyFrom(x)
  return out
}
