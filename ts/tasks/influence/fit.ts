import { type Backend, read } from '../../backend/backend.ts'
import type { Point } from '../../backend/binding.ts'
import { Fisher } from '../../backend/fisher.ts'
import { scoped } from '../../backend/scope.ts'
import { isNetwork } from '../../problems/model.ts'
import type { Problem } from '../../problems/problem.ts'
import type { SampleSet } from '../../problems/samples.ts'
import type { Control } from './control.ts'
import type { InfluenceModelOptions } from './options.ts'
import type { prepare, Settings } from './prepare.ts'
import { minimize, trainNetwork } from './train.ts'

/** Trains θ, which a point holds. */
export async function trainTo(
  point: Point,
  {
    problem,
    settings,
    train,
    seed,
  }: { problem: Problem; settings: Settings; train: SampleSet; seed: number },
  control: Control,
): Promise<void> {
  const { model, regularization } = settings
  if (!isNetwork(model)) return minimize(problem.paced(control.pause), point, seed, control)
  const set = train as Parameters<typeof trainNetwork>[2]
  const start = read(point.inner)
  const trained = await scoped(problem.backend, (own) =>
    trainNetwork(own, model, set, regularization, start, seed, control),
  )
  point.inner.copyFrom(problem.vector(trained))
}

/** A new inverse Fisher. Solves come one by one, so that a thread of its own would make each wait for it. */
export function inverse(backend: Backend, { oracles }: Problem, point: Point, { fisher }: Settings): Fisher {
  return new Fisher(backend, oracles, point, { ...fisher, concurrent: false })
}

/** What a file says of a model, where it is that of one. */
export function settingsIn(text: string | undefined): (Settings & { readonly data: object }) | undefined {
  try {
    const about = JSON.parse(text ?? '')
    return about?.data && about.model ? about : undefined
  } catch {
    return undefined
  }
}

/** The options that say what a model is. */
export function settingsOf({
  backend,
  model,
  regularization,
  dtype,
  fisher,
  refine,
}: InfluenceModelOptions): Parameters<typeof prepare>[0] {
  const given = Object.entries({ regularization, dtype, fisher, refine }).filter(
    ([, value]) => value !== undefined,
  )
  return { backend, model, ...Object.fromEntries(given) }
}
