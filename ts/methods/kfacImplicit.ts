import { present } from '../backend/check.ts'
import { methods } from '../defaults.ts'
import type { FisherState } from '../hypergradient/direction.ts'
import type { Method } from './method.ts'
import {
  type PreconditionedConjugateGradientsOptions,
  preconditionedConjugateGradients,
} from './preconditionedConjugateGradients.ts'

/**
 * Implicit differentiation with K-FAC (Liao, Dangel & Yu 2026, arXiv 2603.29108): Kronecker factors of the sampled
 * Fisher, taken afresh in each outer iteration, damping split between them, no correction by curvature products.
 */
export function kfacImplicit(options: PreconditionedConjugateGradientsOptions = {}): Method<FisherState> {
  const usual = methods.kfacImplicit
  const { fisher: form = {}, ...given } = present('options', options)
  const fisher = { ...usual.fisher, ...present('fisher', form) }
  return { ...preconditionedConjugateGradients({ ...usual, ...given, fisher }), name: 'kfacImplicit' }
}
