import type { Point } from '../backend/binding.ts'
import { present } from '../backend/check.ts'
import { namedForm } from '../defaults.ts'
import { Cross } from '../hypergradient/cross.ts'
import { direction, type FisherState, fisherState, formFor } from '../hypergradient/direction.ts'
import { innerEnd, innerLoop } from '../hypergradient/innerLoop.ts'
import { Observer } from '../hypergradient/observer.ts'
import type { AnyProblem } from '../problems/problem.ts'
import type { Estimate, Method } from './method.ts'
import { type NhgdOptions, withDefaults } from './nhgdOptions.ts'

/**
 * Natural hypergradient descent (Kong, Chen, Zhang, Mou; arXiv 2602.10905): the inverse Hessian in the hypergradient is
 * an inverse Fisher A, built beside the inner loop from the samples that the loop looks at anyway.
 */
export function nhgd(options: NhgdOptions = {}): Method<FisherState> {
  const settings = withDefaults(options)
  const { reset, ...form } = settings.fisher
  const { reset: _, ...given } = present('fisher', options.fisher ?? {})

  async function step(problem: AnyProblem, point: Point, state: FisherState): Promise<Estimate> {
    const { fisher, sampler, u, scratch } = state
    const { clock, direct, target } = scratch
    const before = reset === 'outer' ? 0 : state.outerStep * settings.innerSteps
    const { observe } = problem.oracles.usualFisher && !options.observe ? namedForm : settings
    const observer = new Observer(problem, state, observe, before)
    const cross = new Cross(problem, settings.cross, sampler)
    if (reset === 'outer') fisher.reset()
    // θ ← θ − η ∇_θ g
    for await (const step of innerLoop(problem, point, state, settings, observer.takeGradient)) {
      await observer.observe() // A, beside the loop; the loop waits only for room in the queue
      cross.observe(step) // L
    }
    const end = innerEnd(point, state, settings)
    await observer.end(end, settings.batchSize)
    clock.enter('outer')
    problem.oracles.refresh(end)
    const outerLoss = await problem.oracles.outerGradient(end, direct, target) // ∇_v f, ∇_θ f
    const solution = await direction(problem, end, state, settings) // A ∇_θ f, then r corrections
    clock.enter('cross')
    const hypergradient = await cross.subtract(direct, u, end) // ∇_v f − Lᵀu
    clock.enter('')
    state.outerStep++
    return { outerLoss, hypergradient, inner: end.inner, ...solution }
  }
  return {
    name: 'nhgd',
    settings: { ...settings },
    init: (problem, point, seed) =>
      fisherState(problem, point, seed, formFor(problem, form, given), settings),
    step,
  }
}
