import * as assert from 'uvu/assert'
import { type Backend, upload, vector } from '../../ts/backend/backend.ts'
import { NhgdError } from '../../ts/backend/errors.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import * as kernels from '../../ts/kernels.ts'
import { conjugateGradients } from '../../ts/methods/conjugateGradients.ts'
import { exact } from '../../ts/methods/exact.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import type { NhgdOptions } from '../../ts/methods/nhgdOptions.ts'
import { nystrom } from '../../ts/methods/nystrom.ts'
import { multilayerPerceptron, predictor, softmaxRegression } from '../../ts/problems/model.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { solve } from '../../ts/run/solve.ts'
import { same } from '../support/close.ts'
import { randomReweighting } from '../support/problems.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('too large')

const labels = [0, 1, 2, 0, 1, 2]
/** A bag of words: few rows and many columns. */
const wide = (columns: number) => ({ features: matrix(new Uint8Array(6 * columns), 6, columns), labels })
const problemOf = (backend: Backend, columns: number, model = softmaxRegression({ classes: 3 })): Problem =>
  reweighting({ backend, model, train: wide(columns), trusted: wide(columns) })
const one = (backend: Backend) => vector(backend, [1], 'f64')
const entry = Float64Array.of(1)
const fisher = (backend: Backend, d: number, settings: object, layers: number[] = []) =>
  new backend.Fisher(d, Uint32Array.from(layers), one(backend), JSON.stringify(settings), true)
const run = (backend: Backend, fisher: NhgdOptions['fisher'], columns = 20) =>
  solve(problemOf(backend, columns), { method: nhgd({ fisher }), outerSteps: 1 }).result

/** Requests that no machine has room for, and the code of their refusal: `ERR_MEMORY` unless another is named. */
const requests: Record<string, (backend: Backend) => unknown> = {
  'a vector of 2⁴⁰ entries': (b) => new b.Vector(2 ** 47, 'f64'),
  'a vector of 2⁵² entries': (b) => new b.Vector(2 ** 52, 'f32'),
  'a step of 2⁴⁸ entries': (b) => new b.Step(2 ** 48, 'f64'),
  'an inverse of 2²⁶ rows': (b) => new b.InverseUpdate(2 ** 26, 1, 'f64', 1),
  'an inverse of 2⁵⁰ rows': (b) => new b.InverseUpdate(2 ** 50, 1, 'f32', 4),
  'a transition of 2²⁶ classes': (b) => b.Transition.uniform(0.5, 2 ** 26),
  'a transition of 2⁴⁰ classes': (b) => b.Transition.uniform(0.5, 2 ** 40),
  'a dense Fisher of 2²⁶ parameters': (b) => fisher(b, 2 ** 26, { form: 'dense' }),
  'a decaying Fisher of 2²⁶ parameters': (b) => fisher(b, 2 ** 26, { form: 'dense', start: 'decaying' }),
  'a window of 2⁴⁸ parameters': (b) => fisher(b, 2 ** 48, { form: 'window' }),
  'a diagonal of 2⁴⁸ parameters': (b) => fisher(b, 2 ** 48, { form: 'diagonal' }),
  'a sketch of 2⁴⁸ parameters': (b) => fisher(b, 2 ** 48, { form: 'sketch' }),
  'factors of a layer with 2²⁶ inputs': (b) => fisher(b, 2 ** 27, { form: 'kronecker' }, [2 ** 26, 2]),
  'bases of a layer with 2²⁶ inputs': (b) => fisher(b, 2 ** 27, { form: 'eigenkronecker' }, [2 ** 26, 2]),
  'the default method on a million columns': (b) => solve(problemOf(b, 1e6), { outerSteps: 1 }).result,
  'dense on 100 000 columns': (b) => run(b, { form: 'dense' }, 1e5),
  'a window of 2³¹ rows': (b) => run(b, { form: 'window', length: 2 ** 31 }),
  'a sketch of 2²⁵ rows': (b) => run(b, { form: 'sketch', rank: 2 ** 25 }),
  '2³¹ samples': (b) => run(b, { form: 'samples', samples: 2 ** 31 }),
  'factors of a million columns': (b) => run(b, { form: 'kronecker' }, 1e6),
  'bases of a million columns': (b) => run(b, { form: 'eigenkronecker' }, 1e6),
  'a model of 2³¹ classes': (b) => problemOf(b, 1e5, softmaxRegression({ classes: 2 ** 31 })).oracles,
  'a layer of 2³¹ units': (b) =>
    problemOf(b, 1e5, multilayerPerceptron({ classes: 3, hidden: [2 ** 31] })).oracles,
  'two layers of 2³¹ units': (b) =>
    problemOf(b, 10, multilayerPerceptron({ classes: 3, hidden: [2 ** 31, 2 ** 31] })).oracles,
  'ERR_RANGE: positions of 2⁴⁰ samples': (b) => b.Batch.all(2 ** 40).positions,
  'ERR_RANGE: 2⁴⁰ samples to draw from': (b) => new b.Sampler(1, 2 ** 40),
  'ERR_RANGE: the exact method on 10 000 columns': (b) =>
    solve(problemOf(b, 10_000), { method: exact(), outerSteps: 1 }).result,
  'ERR_SHAPE: a product of 2⁴⁰ rows': (b) =>
    kernels.gemm(b, { m: 2 ** 40, n: 2 ** 40, k: 1 }, entry, entry, entry),
  'ERR_SHAPE: a factor of 2⁴⁰ rows': (b) => kernels.choleskyInverse(b, { n: 2 ** 40 }, entry, entry),
  'ERR_SHAPE: eigenvalues of 2⁴⁰ rows': (b) => kernels.symmetricEigen(b, { n: 2 ** 40 }, entry, entry, entry),
  'ERR_SHAPE: features of 2⁴⁰ columns': (b) => b.Features.u8(new Uint8Array(6), 6, 2 ** 40, 1),
  'ERR_SHAPE: a transition that is too short': (b) => new b.Transition(entry, 2 ** 40),
  'ERR_SHAPE: a model of other features': (b) =>
    predictor(b, softmaxRegression({ classes: 2 ** 31 })).probabilities(
      one(b),
      upload(b, matrix(new Uint8Array(6), 6, 1)),
      b.Batch.all(6),
    ),
}

test('what no machine has room for is refused with its bytes before it is taken', async ({ backend }) => {
  for (const [name, request] of Object.entries(requests)) {
    const [, code = 'ERR_MEMORY'] = /^(ERR_\w+): /.exec(name) ?? []
    let error: unknown
    try {
      await request(backend)
    } catch (thrown) {
      error = thrown
    }
    assert.instance(error, NhgdError, `${name}: ${error}`)
    const { code: got, message } = error as NhgdError
    assert.is(got, code, `${name}: ${message}`)
    assert.match(message, /^"[^"]*" expected .+, got ./, name)
    if (code === 'ERR_MEMORY') assert.match(message, /\d{10,}|e\+\d+/, `${name}: ${message}`)
    same(new backend.Vector(2, 'f64').readF64(), [0, 0]) // the backend is usable
  }
})

test('sizes about 2³¹ and 2³² bytes are taken whole or refused with their bytes', ({ backend }) => {
  const { backend: name } = backend.info()
  for (const bytes of [2 ** 31, 2 ** 32]) {
    for (const [dtype, width] of [
      ['f32', 4],
      ['f64', 8],
    ] as const) {
      for (const length of [-1, 0, 1].map((more) => bytes / width + more)) {
        try {
          const x = new backend.Vector(length, dtype)
          assert.is(x.length, length)
          x.dispose()
          assert.ok(name === 'native' || bytes < 2 ** 32, `${length * width} bytes in WebAssembly`)
        } catch (error) {
          if (!(error instanceof NhgdError)) throw error
          assert.is(error.code, 'ERR_MEMORY', error.message)
          // WebAssembly counts to 2³² − 1.
          assert.match(error.message, new RegExp(`got (${length * width} bytes|4294967295 bytes or more)`))
        }
      }
    }
  }
})

test('what is large only in words runs', async ({ backend }) => {
  const problem = randomReweighting(backend)
  for (const method of [conjugateGradients({ steps: 2 ** 31 }), nystrom({ rank: 2 ** 31 })]) {
    assert.is((await solve(problem, { method, outerSteps: 1 }).result).steps, 1)
  }
  assert.is(new backend.InverseUpdate(30, 1, 'f64', 2 ** 40).multiply(...vectors(backend, 30)), undefined)
})

const vectors = (backend: Backend, d: number) =>
  [new backend.Vector(d, 'f64'), new backend.Vector(d, 'f64')] as const

test.run()
