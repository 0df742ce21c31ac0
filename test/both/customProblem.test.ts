import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import type { DType } from '../../ts/backend/binding.ts'
import { type ErrorCode, NhgdError } from '../../ts/backend/errors.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { amigo } from '../../ts/methods/amigo.ts'
import { checkHypergradient } from '../../ts/methods/checkHypergradient.ts'
import { conjugateGradients } from '../../ts/methods/conjugateGradients.ts'
import { exact } from '../../ts/methods/exact.ts'
import { f2sa } from '../../ts/methods/f2sa.ts'
import { kfacImplicit } from '../../ts/methods/kfacImplicit.ts'
import { maSoba } from '../../ts/methods/maSoba.ts'
import type { Method } from '../../ts/methods/method.ts'
import { mrbo } from '../../ts/methods/mrbo.ts'
import { neumann } from '../../ts/methods/neumann.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { paper } from '../../ts/methods/nhgdOptions.ts'
import { nystrom } from '../../ts/methods/nystrom.ts'
import { oneStep } from '../../ts/methods/oneStep.ts'
import { preconditionedConjugateGradients } from '../../ts/methods/preconditionedConjugateGradients.ts'
import { qnbo } from '../../ts/methods/qnbo.ts'
import { saba } from '../../ts/methods/saba.ts'
import { sama } from '../../ts/methods/sama.ts'
import { soba } from '../../ts/methods/soba.ts'
import { unrolled } from '../../ts/methods/unrolled.ts'
import { bilevel } from '../../ts/problems/bilevel.ts'
import { sampleWeights } from '../../ts/problems/blocks.ts'
import { checkDerivatives } from '../../ts/problems/custom/checkDerivatives.ts'
import { type CustomProblemOptions, customProblem } from '../../ts/problems/custom/customProblem.ts'
import type { InnerObjective, OuterObjective } from '../../ts/problems/custom/objectives.ts'
import { logisticRegression } from '../../ts/problems/model.ts'
import { quadratic } from '../../ts/problems/quadratic.ts'
import { hypergradient } from '../../ts/run/hypergradient.ts'
import { resume, type SolveResult, save, solve } from '../../ts/run/solve.ts'
import { close, same } from '../support/close.ts'
import { multiply, multiplyTransposed } from '../support/dense.ts'
import { refuses } from '../support/errors.ts'
import { fixture } from '../support/fixtures.ts'
import { Random } from '../support/random.ts'
import { Ridge } from '../support/ridge.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('customProblem')
const ridge = new Ridge()
const v = new Random(4).normals(ridge.d, 0.5).map((x) => x - 2)

type Any = (...args: never[]) => unknown
type Parts = { inner?: Partial<InnerObjective>; outer?: Partial<OuterObjective>; dtype?: DType }

/** Ridge regression by hand, with parts replaced; a part that is undefined is absent. */
function byHand(backend: Backend, { inner, outer, ...rest }: Parts = {}) {
  const options = ridge.options(backend)
  const all = {
    ...options,
    ...rest,
    inner: { ...options.inner, ...inner },
    outer: { ...options.outer, ...outer },
  }
  return customProblem(all as CustomProblemOptions<DType>)
}

const none = undefined
/** No callback that could be absent. */
const bare: Parts = {
  inner: { loss: none, sampleGradients: none, hessianProduct: none, crossProduct: none, regularizer: none },
  outer: { gradient: none, directGradient: none },
}

/** The same callbacks, each of which answers later. */
function later<T extends object>(functions: T): T {
  const slow =
    (call: Any) =>
    async (...args: never[]) => {
      await new Promise((resolve) => setTimeout(resolve, 0))
      return call(...args)
    }
  const entries = Object.entries(functions).map(([name, value]) => [
    name,
    typeof value === 'function' ? slow(value as Any) : value,
  ])
  return Object.fromEntries(entries)
}

function asynchronous(backend: Backend) {
  const { inner, outer } = ridge.options(backend)
  return byHand(backend, { inner: later(inner), outer: later(outer) })
}

const refined = { refine: 30, refineDamping: 0, refineSamples: 100, innerSteps: 1, batchSize: 40 } as const
/** Methods that reach the exact hypergradient at θ*. */
const accurate: Record<string, Method> = {
  exact: exact(),
  conjugateGradients: conjugateGradients({ steps: 60, tolerance: 1e-13 }),
  preconditionedConjugateGradients: preconditionedConjugateGradients({ ...refined, cross: 'all' }),
  nhgd: nhgd({ ...refined, cross: 'all', averaging: 0 }),
}

for (const [name, method] of Object.entries(accurate)) {
  test(`ridge by hand, ${name}: the closed form`, async ({ backend }) => {
    const { inner, hypergradient: expected } = ridge.exact(v)
    const got = await hypergradient(byHand(backend), { inner, outer: v, method })
    close(got.hypergradient, expected, 1e-8)
    assert.equal(got.differences, {})
    const later = await hypergradient(asynchronous(backend), { inner, outer: v, method })
    same(later.hypergradient, got.hypergradient, 'asynchronous callbacks')
  })

  test(`ridge by hand, ${name}: the closed form from the gradient and the loss alone`, async ({
    backend,
  }) => {
    const { inner, hypergradient: expected } = ridge.exact(v)
    const got = await hypergradient(byHand(backend, bare), { inner, outer: v, method })
    close(got.hypergradient, expected, 1e-8)
    const names = ['inner.crossProduct', 'inner.hessianProduct', 'outer.directGradient', 'outer.gradient']
    assert.equal(Object.keys(got.differences ?? {}).sort(), names)
    for (const [name, off] of Object.entries(got.differences ?? {})) assert.ok(off < 1e-4, `${name}: ${off}`)
  })
}

test('a quadratic by hand has the fixture’s hypergradient', async ({ backend }) => {
  const { arrays, scalars } = fixture('quadratic')
  const { H, C, c0, Q, t, theta_in } = arrays
  const problem = customProblem({
    backend,
    inner: {
      size: 12,
      gradient(theta, v) {
        const linear = multiply(C, v)
        return multiply(H, theta).map((x, i) => x - linear[i] - c0[i])
      },
      hessianProduct: (_theta, _v, _batch, u) => multiply(H, u),
      crossProduct: (_theta, _v, _batch, u) => multiplyTransposed(C, u).map((x) => -x),
    },
    outer: {
      size: 5,
      loss(theta, v) {
        const off = theta.map((x, i) => x - t[i])
        const square = multiply(Q, off).reduce((sum, x, i) => sum + x * off[i], 0)
        return square / 2 + (scalars.mu / 2) * v.reduce((sum, x) => sum + x * x, 0)
      },
      gradient: (theta) =>
        multiply(
          Q,
          theta.map((x, i) => x - t[i]),
        ),
      directGradient: (_theta, v) => v.map((x) => scalars.mu * x),
    },
  })
  for (const method of [exact(), conjugateGradients({ steps: 100, tolerance: 1e-14 })]) {
    const got = await hypergradient(problem, { inner: theta_in, outer: arrays.v, method })
    close(got.hypergradient, arrays.hypergrad_at_theta_in, 1e-8)
  }
  const { wrong, verdict } = await checkDerivatives(problem)
  assert.equal(wrong, [], verdict)
})

test('reweighting by hand has the hypergradient of the built-in problem', async ({ backend }) => {
  const random = new Random(7)
  const [n, m, d] = [30, 12, 4]
  const [x, xOuter] = [random.normals(n * d), random.normals(m * d)]
  const labels = (count: number) => Uint32Array.from({ length: count }, () => random.below(2))
  const [y, yOuter] = [labels(n), labels(m)]
  const score = (x: Float64Array, i: number, theta: Float64Array | Float32Array) =>
    x.subarray(i * d, (i + 1) * d).reduce((sum, x, j) => sum + x * theta[j], 0)
  const sigmoid = (z: number) => 1 / (1 + Math.exp(-z))
  const regularization = 0.01
  const problem = customProblem({
    backend,
    inner: {
      size: d,
      samples: n,
      gradient(theta, v, batch, out) {
        for (let j = 0; j < d; j++) out[j] = 2 * regularization * theta[j]
        for (const i of batch) {
          const error = (sigmoid(v[i]) * (sigmoid(score(x, i, theta)) - y[i])) / batch.length
          for (let j = 0; j < d; j++) out[j] += error * x[i * d + j]
        }
      },
      crossProduct(theta, v, batch, u, out) {
        out.fill(0)
        for (const i of batch) {
          const weight = sigmoid(v[i])
          const error = (weight * (1 - weight) * (sigmoid(score(x, i, theta)) - y[i])) / batch.length
          out[i] = error * score(x, i, u)
        }
      },
      regularizer: 2 * regularization,
    },
    outer: {
      size: n,
      samples: m,
      loss(theta, _v, batch) {
        let sum = 0
        for (const i of batch) sum += Math.log1p(Math.exp((yOuter[i] ? -1 : 1) * score(xOuter, i, theta)))
        return sum / batch.length
      },
      directGradient: 0,
    },
  })
  const set = (x: Float64Array, labels: Uint32Array) => ({ features: matrix(x, labels.length, d), labels })
  const builtIn = bilevel({
    backend,
    model: logisticRegression({ bias: false }),
    train: set(x, y),
    validation: set(xOuter, yOuter),
    hyperparameters: { weights: sampleWeights() },
    regularization,
    dtype: 'f64',
  })
  const at = { inner: random.normals(d), outer: random.normals(n) }
  for (const method of [exact(), conjugateGradients({ steps: 50, tolerance: 1e-14 })]) {
    const [got, expected] = [
      await hypergradient(problem, { ...at, method }),
      await hypergradient(builtIn, { ...at, method }),
    ]
    close(got.hypergradient, expected.hypergradient, 1e-9)
    close([got.outerLoss], [expected.outerLoss], 1e-13)
  }
})

const batchSize = 16
const some = { batchSize, innerSteps: 3 }
const methods: Record<string, () => Method> = {
  amigo: () => amigo({ ...some, steps: 3, outerBatchSize: 8 }),
  conjugateGradients: () => conjugateGradients({ ...some, curvatureSamples: 16 }),
  exact: () => exact({ ...some, averaging: 0.5 }),
  f2sa: () => f2sa(some),
  maSoba: () => maSoba({ batchSize, outerBatchSize: 8 }),
  mrbo: () => mrbo({ batchSize, outerBatchSize: 8 }),
  neumann: () => neumann(some),
  nystrom: () => nystrom({ ...some, rank: 4, damping: 1, curvatureSamples: 16 }),
  oneStep: () => oneStep({ batchSize }),
  qnbo: () => qnbo({ ...some, memory: 3, steps: 2, curvatureSamples: 16 }),
  saba: () => saba({ batchSize, outerBatchSize: 8 }),
  sama: () => sama(some),
  soba: () => soba({ batchSize, outerBatchSize: 8 }),
  unrolled: () => unrolled({ ...some, depth: 2 }),
  'nhgd as printed': () => nhgd({ ...paper, batchSize }),
}
for (const form of ['dense', 'window', 'diagonal', 'sketch'] as const) {
  for (const rows of ['mean', 'signed', 'perSample'] as const) {
    // A sign does not matter where there is one sample.
    const observe = { every: 1, ...(rows === 'signed' && { samples: 1 }) }
    for (const concurrent of [true, false]) {
      const name = `nhgd, ${form} of ${rows}${concurrent ? '' : ', in line'}`
      methods[name] = () => nhgd({ ...some, fisher: { form, rows }, observe, concurrent })
    }
  }
  methods[`preconditionedConjugateGradients, ${form}`] = () =>
    preconditionedConjugateGradients({
      ...some,
      fisher: { form, rows: 'perSample', refreshEvery: 2, refreshSamples: 24 },
    })
}

const run = { outerSteps: 4, seed: 3, outerOptimizer: { kind: 'sgd', rate: 0.5 } } as const

for (const [name, method] of Object.entries(methods)) {
  test(`${name} goes the way of the built-in problem`, async ({ backend }) => {
    const start = { inner: new Random(9).normals(ridge.d), outer: v }
    const expected = await solve(ridge.builtIn(backend), { ...run, ...start, method: method() }).result
    const parts: Record<string, Parts> = { all: {}, 'without rows': { inner: { sampleGradients: none } } }
    for (const [what, part] of Object.entries(parts)) {
      const got = await solve(byHand(backend, part), { ...run, ...start, method: method() }).result
      close(got.inner, expected.inner, 1e-8, `${what}: θ`)
      close(got.outer, expected.outer, 1e-8, `${what}: v`)
      close([got.outerLoss], [expected.outerLoss], 1e-8, `${what}: f`)
    }
  })

  test(`${name}: asynchronous callbacks and interruptions change no bit`, async ({ backend }) => {
    const options = { ...run, outer: v, method: method() }
    const expected = await solve(byHand(backend), options).result
    const interrupted = solve(asynchronous(backend), options)
    for await (const { step } of interrupted) if (step === 2) break
    const rest = await resume(byHand(backend), await save(interrupted), options).result
    same(rest.inner, expected.inner, 'θ')
    same(rest.outer, expected.outer, 'v')
    assert.is(rest.outerLoss, expected.outerLoss)
  })
}

test('defaults fit: solve and nhgd take a window, Kronecker factors are refused', async ({ backend }) => {
  for (const method of [undefined, nhgd(), nhgd({ fisher: { damping: 1e-2 } })]) {
    const problem = byHand(backend)
    const { outerLoss: before } = await hypergradient(problem, {
      inner: ridge.exact(new Float64Array(ridge.d)).inner,
      outer: new Float64Array(ridge.d),
      method: exact({ innerSteps: 0 }),
    })
    const { status, outerLoss } = await solve(problem, { method, outerSteps: 30 }).result
    assert.is(status, 'outerSteps')
    assert.ok(outerLoss < before, `${outerLoss} of ${before}`)
  }
  for (const method of [kfacImplicit(), nhgd({ fisher: { form: 'samples' } })]) {
    await refuses('ERR_RANGE', 'form', () => solve(byHand(backend), { method }).result)
  }
  const expected = nhgd({ fisher: { form: 'window', rows: 'perSample', statistic: 'expected' } })
  await refuses('ERR_RANGE', 'statistic', () => solve(byHand(backend), { method: expected }).result)
  const builtIn = quadratic({ backend, h: [1], c: [1], c0: [0], q: [1], t: [1], mu: 0 })
  const factored = nhgd({ fisher: { form: 'kronecker' } })
  await refuses('ERR_RANGE', 'form', () => solve(builtIn, { method: factored }).result)
})

test('a run on f32 comes near that on f64', async ({ backend }) => {
  const { hypergradient: expected, inner } = ridge.exact(v)
  for (const [parts, tolerance] of [
    [{}, 1e-4],
    [bare, 1e-2],
  ] as const) {
    const types = new Set<string>()
    const given = ridge.options(backend).inner.gradient
    const gradient: InnerObjective['gradient'] = (theta, v, batch, out) => {
      for (const array of [theta, v, out]) types.add(array.constructor.name)
      return given(theta, v, batch, out)
    }
    const problem = byHand(backend, { ...parts, dtype: 'f32', inner: { ...parts.inner, gradient } })
    const got = await hypergradient(problem, { inner, outer: v, method: exact() })
    assert.instance(got.hypergradient, Float32Array)
    assert.equal([...types], ['Float32Array'])
    close(got.hypergradient, expected, tolerance)
  }
})

test('positions of a batch are those of its samples', async ({ backend }) => {
  const seen = new Set<number>()
  const given = ridge.options(backend).inner.gradient
  const gradient: InnerObjective['gradient'] = (theta, v, batch, out) => {
    assert.instance(batch, Uint32Array)
    assert.is(new Set(batch).size, batchSize)
    for (const i of batch) seen.add(i)
    return given(theta, v, batch, out)
  }
  await solve(byHand(backend, { inner: { gradient } }), { method: soba({ batchSize }), outerSteps: 40 })
    .result
  assert.equal(
    [...seen].sort((a, b) => a - b),
    Array.from({ length: ridge.n }, (_, i) => i),
  )
})

test('checkHypergradient agrees', async ({ backend }) => {
  for (const parts of [{}, { inner: { loss: none } }]) {
    const { verdict, worst } = await checkHypergradient(byHand(backend, parts), {
      method: exact(),
      at: { outer: v },
    })
    assert.ok(worst < 1e-3, verdict)
  }
})

test('runs may share a problem at the same time', async ({ backend }) => {
  const problem = asynchronous(backend)
  const options = (seed: number) => ({ ...run, seed, method: soba({ batchSize }) })
  const together = await Promise.all([1, 2, 3].map((seed) => solve(problem, options(seed)).result))
  for (const [k, result] of together.entries()) {
    const alone = await solve(byHand(backend), options(k + 1)).result
    same(result.outer, alone.outer)
  }
})

/** What a callback may do that ends a run, and what the error then tells. */
const faults: Record<string, [(call: Any, out: (args: unknown[]) => Float64Array) => Any, RegExp]> = {
  throws: [
    () => () => {
      throw new TypeError('no such sample')
    },
    /got TypeError: no such sample/,
  ],
  'throws no Error': [
    () => () => {
      throw 'a fit'
    },
    /got a throw of: "a fit"/,
  ],
  rejects: [() => async () => Promise.reject(new Error('gone')), /got Error: gone/],
  'gives another length': [() => () => new Float64Array(99), /got 99 numbers/],
  'gives another length later': [() => async () => [1, 2, 3, 4, 5, 6, 7], /got 7 numbers/],
  'gives text': [() => () => '123456', /got "123456"/],
  'gives NaN': [
    (call, out) =>
      (...args: unknown[]) => {
        call(...(args as never[]))
        out(args)[1] = Number.NaN
      },
    /got NaN at index 1/,
  ],
  'gives an infinity': [
    (call, out) =>
      (...args: unknown[]) => {
        call(...(args as never[]))
        out(args)[0] = Number.POSITIVE_INFINITY
      },
    /got Infinity at index 0/,
  ],
  'writes nothing': [() => () => {}, /got NaN at index 0: nothing was written to "out"/],
  'keeps the array that it writes to': [
    (call, out) => {
      let kept: Float64Array | undefined
      return (...args: unknown[]) => {
        kept ??= out(args)
        call(...(args.with(-1, kept) as never[]))
      }
    },
    /nothing was written to "out"|an array that was lent in an earlier call/,
  ],
  'returns an array that it kept': [
    (call, out) => {
      let kept: Float64Array | undefined
      return (...args: unknown[]) => {
        call(...(args as never[]))
        kept ??= out(args)
        return kept
      }
    },
    /got an array that was lent in an earlier call/,
  ],
  'reads θ that it kept': [
    (call) => {
      let kept: unknown
      return (...args: unknown[]) => {
        kept ??= args[0]
        ;(kept as Float64Array).slice()
        return call(...(args as never[]))
      }
    },
    /got an array that was lent in an earlier call/,
  ],
  'writes after it has ended': [
    (_call, out) =>
      async (...args: unknown[]) => {
        setTimeout(() => {
          out(args)[0] = 1
        }, 0)
      },
    /nothing was written to "out"/,
  ],
}

const callbacks = [
  'inner.gradient',
  'inner.sampleGradients',
  'inner.hessianProduct',
  'inner.crossProduct',
  'inner.regularizer',
  'outer.gradient',
  'outer.directGradient',
] as const

type Failed = NhgdError & { callback: string; step: number; result: SolveResult }

async function failureOf(act: () => Promise<unknown>): Promise<Failed> {
  try {
    await act()
  } catch (error) {
    assert.instance(error, NhgdError, `${error}`)
    assert.is((error as NhgdError).code, 'ERR_CALLBACK', `${error}`)
    return error as Failed
  }
  return assert.unreachable('expected ERR_CALLBACK') as never
}

for (const name of callbacks) {
  test(`${name} that fails ends a run with its name, its arguments, the step and the last state`, async ({
    backend,
  }) => {
    const [side, key] = name.split('.') as ['inner' | 'outer', string]
    const options = ridge.options(backend)
    const directGradient: OuterObjective['directGradient'] = (_theta, _v, _batch, out) => void out.fill(0)
    const whole = { ...options, outer: { ...options.outer, directGradient } }
    const call = (whole[side] as unknown as Record<string, Any>)[key]
    const method = () =>
      nhgd({ ...some, fisher: { form: 'window', rows: 'perSample' }, observe: { every: 1 } })
    const outerSteps = 6
    const good: Float64Array[] = []
    const states = solve(byHand(backend, { outer: { directGradient } }), {
      method: method(),
      outerSteps,
      onStep: ({ point }) => void good.push(point.outer.readF64()),
    })
    await states.result
    const callsUntil = await callsPerRun(backend, side, key, call, directGradient, method)
    for (const [what, [fault, pattern]] of Object.entries(faults)) {
      // The faulty callback is in place from the fourth outer step on.
      let calls = 0
      const faulty = fault(call, (args) => args.at(-1) as Float64Array)
      const replaced = (...args: never[]) => (++calls > callsUntil ? faulty(...args) : call(...args))
      const inner = side === 'inner' ? { [key]: replaced } : {}
      const outer = { directGradient, ...(side === 'outer' && { [key]: replaced }) }
      // The gradient is not asked where rows tell it.
      const rows = key === 'gradient' && side === 'inner' ? { sampleGradients: none } : {}
      const problem = byHand(backend, { inner: { ...rows, ...inner }, outer })
      const error = await failureOf(() => solve(problem, { method: method(), outerSteps }).result)
      assert.is(error.callback, name)
      assert.match(error.message, new RegExp(`^"${name}" expected .+, got .+ \\(at .*v = \\[.+\\)`), what)
      assert.match(error.message, pattern, what)
      const { step, result } = error
      assert.match(error.message, new RegExp(`in outer step ${step}$`))
      assert.ok(step >= 1 && step <= outerSteps, `${what}: step ${step}`)
      assert.is(result.status, 'failed')
      assert.is(result.steps, step - 1)
      if (step > 1 && key !== 'gradient') same(result.outer, good[step - 2], `${what}: the last good v`)
    }
  })
}

/** How often a callback is called in the first three outer steps. */
async function callsPerRun(
  backend: Backend,
  side: 'inner' | 'outer',
  key: string,
  call: Any,
  directGradient: OuterObjective['directGradient'],
  method: () => Method,
): Promise<number> {
  let calls = 0
  const counted = (...args: never[]) => {
    calls++
    return call(...args)
  }
  const rows = key === 'gradient' && side === 'inner' ? { sampleGradients: none } : {}
  const inner = { ...rows, ...(side === 'inner' && { [key]: counted }) }
  const outer = { directGradient, ...(side === 'outer' && { [key]: counted }) }
  await solve(byHand(backend, { inner, outer }), { method: method(), outerSteps: 3 }).result
  return calls
}

test('losses that fail, and what fails outside of a run', async ({ backend }) => {
  const at = { inner: new Float64Array(ridge.d), outer: v }
  for (const [given, pattern] of [
    [Number.NaN, /got NaN/],
    ['1', /got "1"/],
    [undefined, /got undefined/],
    [[1], /got an array/],
  ] as const) {
    const loss = (() => given) as never
    const outer = byHand(backend, { outer: { loss } })
    const error = await failureOf(() => hypergradient(outer, { ...at, method: exact() }))
    assert.is(error.callback, 'outer.loss')
    assert.match(error.message, pattern)
    await refuses('ERR_CALLBACK', 'inner.loss', () => checkDerivatives(byHand(backend, { inner: { loss } })))
  }
  const gradient = (() => Number.POSITIVE_INFINITY) as never
  await refuses('ERR_CALLBACK', 'outer.gradient', () =>
    hypergradient(byHand(backend, { outer: { gradient } }), { ...at, method: exact() }),
  )
  // Before the first step the last good state is the start.
  const regularizer = () => {
    throw new Error('not yet')
  }
  const { step, result } = await failureOf(
    () => solve(byHand(backend, { inner: { regularizer } }), { method: nhgd(), outer: v }).result,
  )
  assert.equal([step, result.steps, result.outer], [1, 0, v])
})

test('θ that diverges is the run’s fault, not that of a callback', async ({ backend }) => {
  const method = exact({ innerOptimizer: { kind: 'sgd', rate: 1e200 } })
  const { status } = await solve(byHand(backend), { method, outerSteps: 3 }).result
  assert.is(status, 'diverged')
})

test('a value that a gradient tells is not asked for again', async ({ backend }) => {
  const { outer } = ridge.options(backend)
  let asked = 0
  const loss: OuterObjective['loss'] = (...args) => {
    asked++
    return outer.loss(...args)
  }
  const gradient: OuterObjective['gradient'] = (theta, v, batch, out) => {
    outer.gradient(theta, v, batch, out)
    return outer.loss(theta, v, batch)
  }
  const options = { ...run, method: exact() }
  const told = await solve(byHand(backend, { outer: { loss, gradient } }), options).result
  assert.is(asked, 0)
  const plain = await solve(byHand(backend), options).result
  assert.is(told.outerLoss, plain.outerLoss)
})

test('what callbacks do to what they are lent changes nothing', async ({ backend }) => {
  const { inner } = ridge.options(backend)
  const gradient: InnerObjective['gradient'] = (theta, v, batch, out) => {
    inner.gradient(theta, v, batch, out)
    for (const array of [theta, v, batch]) array.fill(0)
  }
  const options = { ...run, outer: v, method: exact() }
  const got = await solve(byHand(backend, { inner: { gradient } }), options).result
  const expected = await solve(byHand(backend), options).result
  same(got.outer, expected.outer)
})

test('a resumed run wants the same callbacks', async ({ backend }) => {
  const options = { ...run, method: exact() }
  const first = solve(byHand(backend), options)
  for await (const { step } of first) if (step === 1) break
  const bytes = await save(first)
  await refuses('ERR_CHECKPOINT', 'callbacks', () => resume(byHand(backend, bare), bytes, options).result)
})

test('checkDerivatives agrees with callbacks that are right', async ({ backend }) => {
  for (const parts of [{}, bare, { inner: { loss: none } }, { inner: { gradient: none } }]) {
    const { wrong, verdict, checks } = await checkDerivatives(byHand(backend, parts))
    assert.equal(wrong, [], verdict)
    assert.match(verdict, /^All \d+ comparisons agree\.$/)
    for (const { callback, error } of checks) assert.ok(error < 1e-6, `${callback}: ${error}`)
  }
})

const doubled =
  (call: Any) =>
  (...args: unknown[]) => {
    call(...(args as never[]))
    const out = args.at(-1) as Float64Array
    for (let j = 0; j < out.length; j++) out[j] *= 2
  }

for (const name of callbacks.filter((name) => name !== 'inner.regularizer')) {
  test(`checkDerivatives finds ${name} of twice the size`, async ({ backend }) => {
    const [side, key] = name.split('.') as ['inner' | 'outer', string]
    const options = ridge.options(backend)
    const loss: OuterObjective['loss'] = (theta, v, batch) =>
      (options.outer.loss(theta, v, batch) as number) + v.reduce((sum, x) => sum + x * x, 0) / 2
    const directGradient: OuterObjective['directGradient'] = (_theta, v, _batch, out) => void out.set(v)
    const outer = { loss, directGradient }
    assert.equal((await checkDerivatives(byHand(backend, { outer }))).wrong, [])
    const all = { inner: options.inner, outer: { ...options.outer, ...outer } }
    const faulty = doubled((all[side] as unknown as Record<string, Any>)[key])
    const parts = { inner: {}, outer, [side]: { ...(side === 'outer' && outer), [key]: faulty } }
    const { wrong, verdict, checks } = await checkDerivatives(byHand(backend, parts as Parts))
    // Of a gradient that is wrong, its own derivatives are wrong as well.
    assert.ok(wrong.includes(name), verdict)
    if (name !== 'inner.gradient') assert.equal(wrong, [name], verdict)
    const { ratio, error } = checks.find(({ callback, wrong }) => callback === name && wrong) ?? {}
    close([ratio ?? 0, error ?? 0], [2, 0.5], 1e-6)
    assert.match(verdict, new RegExp(`${name} is wrong: it is off by 50 % from .+ 2 times as large`))
  })
}

test('checkDerivatives finds what is no gradient, no mean, and not 0', async ({ backend }) => {
  const { inner, outer } = ridge.options(backend)
  const sideways: InnerObjective['gradient'] = (theta, v, batch, out) => {
    inner.gradient(theta, v, batch, out)
    out[0] += theta[1]
  }
  const absent = { loss: none, sampleGradients: none, hessianProduct: none, crossProduct: none }
  const first = await checkDerivatives(byHand(backend, { inner: { ...absent, gradient: sideways } }))
  assert.equal(first.wrong, ['inner.gradient'], first.verdict)
  const summed: InnerObjective['gradient'] = (theta, v, batch, out) => {
    inner.gradient(theta, v, batch, out)
    for (let j = 0; j < ridge.d; j++) out[j] *= batch.length
  }
  const second = await checkDerivatives(byHand(backend, { inner: { ...absent, gradient: summed } }))
  assert.equal(second.wrong, ['inner.gradient'], second.verdict)
  assert.match(second.verdict, /mean over parts of the batch/)
  const loss: OuterObjective['loss'] = (theta, v, batch) => (outer.loss(theta, v, batch) as number) + v[0]
  const third = await checkDerivatives(byHand(backend, { outer: { loss } }))
  assert.equal(third.wrong, ['outer.directGradient'], third.verdict)
  const told: OuterObjective['gradient'] = (theta, v, batch, out) => {
    outer.gradient(theta, v, batch, out)
    return 1
  }
  const fourth = await checkDerivatives(byHand(backend, { outer: { gradient: told } }))
  assert.equal(fourth.wrong, ['outer.gradient'], fourth.verdict)
})

test('bad input is refused with its name', async ({ backend }) => {
  const good = ridge.options(backend)
  const { inner, outer } = good
  const bad: [ErrorCode, string, object][] = [
    ['ERR_RANGE', 'backend', { backend: {} }],
    ['ERR_RANGE', 'inner', { inner: undefined }],
    ['ERR_RANGE', 'inner', { inner: { ...inner, hessian: () => {} } }],
    ['ERR_RANGE', 'inner.size', { inner: { ...inner, size: 0 } }],
    ['ERR_RANGE', 'outer.loss', { outer: { ...outer, loss: null } }],
    ['ERR_RANGE', 'inner.samples', { inner: { ...inner, samples: 1.5 } }],
    ['ERR_RANGE', 'inner.gradient', { inner: { size: 3 } }],
    ['ERR_RANGE', 'inner.gradient', { inner: { ...inner, gradient: 3 } }],
    ['ERR_RANGE', 'inner.regularizer', { inner: { ...inner, regularizer: -1 } }],
    ['ERR_RANGE', 'inner.start', { inner: { ...inner, start: 3 } }],
    ['ERR_SHAPE', 'inner.start', { inner: { ...inner, start: [1, 2] } }],
    ['ERR_RANGE', 'inner.start', { inner: { ...inner, start: ['1', 2, 3, 4, 5, 6] } }],
    ['ERR_RANGE', 'outer.size', { outer: { ...outer, size: undefined } }],
    ['ERR_RANGE', 'outer.loss', { outer: { ...outer, loss: undefined } }],
    ['ERR_RANGE', 'outer.directGradient', { outer: { ...outer, directGradient: 1 } }],
    ['ERR_SHAPE', 'outer.start', { outer: { ...outer, start: [1] } }],
    ['ERR_DTYPE', 'dtype', { dtype: 'f16' }],
    ['ERR_RANGE', 'options', { innner: 1 }],
  ]
  for (const [code, name, options] of bad) {
    await refuses(code, name, () => customProblem({ ...good, ...options } as never))
  }
  const problem = byHand(backend)
  await refuses('ERR_SHAPE', 'inner', () => solve(problem, { inner: [1, 2] }).result)
  await refuses('ERR_SHAPE', 'outer', () => solve(problem, { outer: [1, 2] }).result)
  await refuses('ERR_RANGE', 'problem', () => checkDerivatives(ridge.builtIn(backend)))
  await refuses('ERR_RANGE', 'directions', () => checkDerivatives(problem, { directions: 0 }))
  await refuses('ERR_RANGE', 'options', () => checkDerivatives(problem, { steps: 1 } as never))
  await refuses('ERR_RANGE', 'problem', () => checkDerivatives({} as never))
  const started = (start: InnerObjective['start']) => byHand(backend, { inner: { start } })
  await refuses('ERR_SHAPE', 'inner.start', () => solve(started(() => [1])).result)
  await refuses('ERR_CALLBACK', 'inner.start', () => {
    return solve(
      started(() => {
        throw new Error('no start')
      }),
    ).result
  })
})

test('a step that was computed elsewhere is kept, its rows checked', async ({ backend }) => {
  const step = new backend.Step(3, 'f64')
  const batch = backend.Batch.of(Uint32Array.of(4, 2))
  const rows = (length: number, dtype: DType = 'f64') => new backend.Vector(length, dtype)
  const regularizer = rows(1)
  const fisher = new backend.Fisher(
    3,
    new Uint32Array(),
    regularizer,
    '{"form":"window","rows":"mean"}',
    false,
  )
  assert.equal([fisher.rows, fisher.statistic], ['mean', 'empirical'])
  step.keep(batch, rows(0))
  assert.equal([...step.batch.positions], [4, 2])
  await refuses('ERR_RANGE', 'step', () => fisher.tryObserve(step))
  step.keep(batch, rows(6))
  assert.ok(fisher.tryObserve(step))
  await refuses('ERR_SHAPE', 'rows', () => step.keep(batch, rows(4)))
  assert.ok(fisher.tryObserve(step))
  step.keep(batch, rows(3, 'f32'))
  await refuses('ERR_DTYPE', 'step', () => fisher.tryObserve(step))
})

test('a regulariser may be one number, in each way', async ({ backend }) => {
  const strength = 0.3
  const given = ridge.options(backend).inner
  const gradient: InnerObjective['gradient'] = (theta, v, batch, out) =>
    given.gradient(theta, v.fill(Math.log(strength)), batch, out)
  const options = { ...run, method: nhgd({ ...some, refine: 0, fisher: { form: 'dense', rows: 'mean' } }) }
  const ways: InnerObjective['regularizer'][] = [
    strength,
    () => strength,
    async () => strength,
    (_v, out) => void out.fill(strength),
    () => Array.from({ length: ridge.d }, () => strength),
  ]
  const outers = []
  for (const regularizer of ways) {
    const inner = { gradient, regularizer, sampleGradients: none, crossProduct: none, hessianProduct: none }
    outers.push((await solve(byHand(backend, { inner }), options).result).inner)
  }
  for (const outer of outers) close(outer, outers[0], 1e-12)
  const nothing = byHand(backend, { inner: { regularizer: () => Number.NaN } })
  await refuses('ERR_CALLBACK', 'inner.regularizer', () => solve(nothing, options).result)
})

test('θ starts from what the seed gives', async ({ backend }) => {
  const start = (seed: number) => new Random(seed).normals(ridge.d)
  const problem = byHand(backend, { inner: { start } })
  same(problem.start(5).inner.readF64(), start(5))
  const { inner } = await solve(problem, { seed: 5, outerSteps: 0 }).result
  same(inner, start(5))
})

test.run()
