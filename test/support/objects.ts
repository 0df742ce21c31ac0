import { fileURLToPath } from 'node:url'
import { type Backend, upload, vector } from '../../ts/backend/backend.ts'
import type { Handle } from '../../ts/backend/binding.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { predictor, softmaxRegression } from '../../ts/problems/model.ts'
import { randomReweighting } from './problems.ts'
import { Random } from './random.ts'

/** One object of each class, and a call that takes an object of it where there is one. */
export function objectsOf(
  backend: Backend,
): Record<string, [object: Handle, use?: (object: never) => unknown]> {
  const random = new Random(1)
  const problem = randomReweighting(backend)
  const { oracles } = problem
  const point = problem.start()
  const features = () => upload(backend, matrix(random.normals(12), 4, 3))
  const samples = () => new backend.Samples(features(), undefined, Uint32Array.of(0, 1, 0, 1))
  const batch = backend.Batch.of(Uint32Array.of(0, 1))
  const step = new backend.Step(oracles.innerLength, 'f64')
  const regularizer = vector(backend, [1], 'f64')
  const settings = '{"form":"diagonal"}'
  const layers = new Uint32Array(0)
  const fisher = () => new backend.Fisher(oracles.innerLength, layers, regularizer, settings, true)
  const bilevel = (train: never) =>
    backend.Problem.bilevel(JSON.stringify({ dtype: 'f64' }), train, samples(), 1)
  return {
    Vector: [vector(backend, [1, 2], 'f64'), (x) => regularizer.dot(x)],
    Features: [features(), (x) => new backend.Samples(x, undefined, Uint32Array.of(0))],
    Samples: [samples(), bilevel],
    Batch: [batch.share(), (x) => oracles.innerStep(point, x, step)],
    Sampler: [new backend.Sampler(1, 4)],
    Step: [new backend.Step(3, 'f64'), (x) => oracles.innerStep(point, batch, x)],
    Optimizer: [new backend.Optimizer('{"kind":"sgd"}')],
    Point: [problem.start(), (x) => oracles.innerLoss(x)],
    Problem: [randomReweighting(backend).oracles],
    Predictor: [predictor(backend, softmaxRegression({ classes: 2 }))],
    Transition: [backend.Transition.uniform(0.8, 3)],
    Fisher: [fisher(), (x) => oracles.observe(point, batch, step, x, 1)],
    InverseUpdate: [new backend.InverseUpdate(3, 1, 'f64', 1)],
    ...(backend.Mapping && {
      Mapping: [
        backend.Mapping.open(fileURLToPath(import.meta.url)),
        (x: never) => backend.Features.mapped?.(x, 'u8', 0, 1, 1, 1),
      ],
    }),
  }
}
