import * as assert from 'uvu/assert'
import { type Backend, read, vector } from '../../ts/backend/backend.ts'
import type { Vector } from '../../ts/backend/binding.ts'
import { capJump, projectOnSimplex } from '../../ts/hypergradient/safeguard.ts'
import { exact } from '../../ts/methods/exact.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { quadratic } from '../../ts/problems/quadratic.ts'
import type { SolveOptions } from '../../ts/run/options.ts'
import { solve } from '../../ts/run/solve.ts'
import { close } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { fixture } from '../support/fixtures.ts'
import { fixtureQuadratic } from '../support/problems.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('safeguard')
const numbers = fixture('quadratic')

test('the projection on the simplex is the nearest point of it', ({ backend }) => {
  const random = new Random(5)
  for (let trial = 0; trial < 50; trial++) {
    const from = random.normals(6, 2)
    const v = vector(backend, from, 'f64')
    projectOnSimplex(v, 1.5)
    const got = read(v)
    close([Array.from(got).reduce((sum, x) => sum + x, 0)], [1.5], 1e-12)
    assert.ok(got.every((x) => x >= 0))
    // Nearest: (from − got)·(w − got) ≤ 0 for every vertex w, hence for every point.
    for (let k = 0; k < 6; k++) {
      const inner = from.reduce((sum, x, i) => sum + (x - got[i]) * ((i === k ? 1.5 : 0) - got[i]), 0)
      assert.ok(inner <= 1e-12, `vertex ${k}: ${inner}`)
    }
  }
})

test('a point of the simplex stays', ({ backend }) => {
  const v = vector(backend, [0.2, 0, 0.8], 'f64')
  projectOnSimplex(v, 1)
  close(read(v), [0.2, 0, 0.8], 1e-15)
})

/** H = Q = C = I, c₀ = 0, μ = 0: Φ = ½‖v − t‖². */
function shifted(backend: Backend, t: readonly number[]): Problem {
  const eye = [1, 0, 0, 0, 1, 0, 0, 0, 1]
  return quadratic({ backend, h: eye, c: eye, c0: [0, 0, 0], q: eye, t, mu: 0 })
}
const method = exact({ innerOptimizer: { kind: 'sgd', rate: 1 }, innerSteps: 1 })

test('a solve ends at the point of the simplex that is nearest to the free minimum', async ({ backend }) => {
  const problem = shifted(backend, [1.2, 0.6, -3])
  const outerOptimizer = { kind: 'sgd', rate: 0.5 } as const
  const { outer } = await solve(problem, { method, outerOptimizer, outerSteps: 80, simplex: 1 }).result
  close(outer, [0.8, 0.2, 0], 1e-12)
})

test('jumps are capped at a multiple of the median', ({ backend }) => {
  const norms: number[] = []
  const cap = (hypergradient: Vector) => capJump(norms, 3, hypergradient)
  for (let k = 0; k < 9; k++) assert.is(cap(vector(backend, [1, 0], 'f64')), 1)
  const jump = vector(backend, [30, 40], 'f64')
  assert.is(cap(jump), 50)
  close(read(jump), [1.8, 2.4], 1e-15)
  const small = vector(backend, [1.5, 0], 'f64')
  cap(small)
  close(read(small), [1.5, 0], 0)
})

/** Steps of rate 2.5 on ½‖v − t‖² overshoot by more each time. */
test('with backtracking steps that are too long end at the minimum, without it they diverge', async ({
  backend,
}) => {
  const problem = shifted(backend, [1, -2, 0.5])
  const run = (more: SolveOptions) =>
    solve(problem, { method, outerOptimizer: { kind: 'sgd', rate: 2.5 }, outerSteps: 100, ...more }).result
  const [guarded, free] = [await run({ backtracking: 0 }), await run({})]
  assert.ok(free.outerLoss > 1e6, `without: ${free.outerLoss}`)
  close(guarded.outer, [1, -2, 0.5], 1e-6)
})

test('backtracking takes the first step, whatever the slack', async ({ backend }) => {
  const problem = shifted(backend, [1, -2, 0.5])
  for (const backtracking of [0, 0.1, Number.POSITIVE_INFINITY]) {
    const options = {
      method,
      outerOptimizer: { kind: 'sgd', rate: 0.5 },
      outerSteps: 1,
      backtracking,
    } as const
    close((await solve(problem, options).result).outer, [0.5, -1, 0.25], 1e-12)
  }
})

test('senseless settings are refused', async ({ backend }) => {
  const problem = fixtureQuadratic(backend, numbers)
  for (const name of ['simplex', 'jumpCap', 'backtracking'] as const) {
    await refuses('ERR_RANGE', name, () => solve(problem, { [name]: -1, outerSteps: 1 }).result)
  }
})

test.run()
