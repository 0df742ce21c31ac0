import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import type { DType } from '../../ts/backend/binding.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import * as kernels from '../../ts/kernels.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { close, same } from '../support/close.ts'
import { denseSolve, identity, multiply } from '../support/dense.ts'
import { refuses } from '../support/errors.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('kernels')
const sizes = [1, 2, 3, 17, 64, 65]
const tolerances = { f32: 2e-4, f64: 1e-11 }

type Numbers = Float32Array | Float64Array

/** An operand and what is in it after a call. */
interface Held {
  readonly operand: kernels.Operand
  entries(): Numbers
}

/** Ways to hand entries over: each kernel is tried in every one. */
interface Way {
  readonly name: string
  readonly dtype: DType
  readonly tolerance: number
  hold(entries: ArrayLike<number>): Held
}

function ways(backend: Backend): Way[] {
  return (['f32', 'f64'] as const).flatMap((dtype) => {
    const typed = (length: number): Numbers =>
      dtype === 'f32' ? new Float32Array(length) : new Float64Array(length)
    const array = (entries: ArrayLike<number>): Held => {
      // One entry into its buffer, between entries that no kernel may touch.
      const whole = typed(entries.length + 2).fill(Number.NaN)
      const operand = whole.subarray(1, entries.length + 1)
      operand.set(entries)
      const entriesNow = () => {
        assert.ok(Number.isNaN(whole[0]) && Number.isNaN(whole[entries.length + 1]), 'neighbours')
        return operand
      }
      return { operand, entries: entriesNow }
    }
    const vector = (entries: ArrayLike<number>): Held => {
      const filled = typed(entries.length)
      filled.set(entries)
      const operand = kernels.resident(backend, filled)
      return { operand, entries: () => (dtype === 'f32' ? operand.readF32() : operand.readF64()) }
    }
    const tolerance = tolerances[dtype]
    return [
      { name: `${dtype} array`, dtype, tolerance, hold: array },
      { name: `${dtype} resident`, dtype, tolerance, hold: vector },
    ]
  })
}

/** Runs `body` for each way and size, with random numbers that f32 holds exactly. */
function everyWay(
  backend: Backend,
  body: (way: Way, n: number, draw: (length: number) => Float64Array) => void,
): void {
  for (const way of ways(backend)) {
    for (const n of sizes) {
      const random = new Random(n)
      body(way, n, (length) => Float64Array.from(Float32Array.from(random.normals(length))))
    }
  }
}

const product = (a: ArrayLike<number>, b: ArrayLike<number>, m: number, k: number, n: number) =>
  Float64Array.from({ length: m * n }, (_, at) => {
    let sum = 0
    for (let p = 0; p < k; p++) sum += a[Math.floor(at / n) * k + p] * b[p * n + (at % n)]
    return sum
  })

const transpose = (a: ArrayLike<number>, m: number, n: number) =>
  Float64Array.from({ length: m * n }, (_, at) => a[(at % m) * n + Math.floor(at / m)])

/** XXᵀ / n + I, rounded to what f32 holds. */
function definite(x: Float64Array, n: number): Float64Array {
  const moments = product(x, transpose(x, n, n), n, n, n)
  return Float64Array.from(
    Float32Array.from(moments, (entry, at) => entry / n + (at % (n + 1) === 0 ? 1 : 0)),
  )
}

test('gemm', ({ backend }) => {
  everyWay(backend, ({ name, tolerance, hold }, n, draw) => {
    const [m, k] = [n + 1, 2 * n + 1]
    const [a, b, start] = [draw(m * k), draw(k * n), draw(m * n)]
    const expected = product(a, b, m, k, n)
    const [left, right, c] = [hold(a), hold(b), hold(start)]
    kernels.gemm(backend, { m, n, k }, left.operand, right.operand, c.operand)
    close(c.entries(), expected, tolerance, `${name}, ${n}`)
    kernels.gemm(backend, { m, n, k, alpha: -0.5, beta: 3 }, left.operand, right.operand, c.operand)
    close(
      c.entries(),
      expected.map((entry) => 2.5 * entry),
      tolerance,
      `${name}, ${n}, α and β`,
    )
    same(left.entries(), a)
    same(right.entries(), b)
  })
})

test('syrk', ({ backend }) => {
  everyWay(backend, ({ name, tolerance, hold }, n, draw) => {
    const k = n + 2
    const a = draw(n * k)
    const expected = product(a, transpose(a, n, k), n, k, n)
    const [rows, c] = [hold(a), hold(draw(n * n))]
    kernels.syrk(backend, { n, k }, rows.operand, c.operand)
    close(c.entries(), expected, tolerance, `${name}, ${n}`)
    kernels.syrk(backend, { n, k, alpha: 2, beta: -1 }, rows.operand, c.operand)
    close(c.entries(), expected, tolerance, `${name}, ${n}, α and β`)
    same(c.entries(), transpose(c.entries(), n, n), 'symmetry')
  })
})

test('symv', ({ backend }) => {
  everyWay(backend, ({ name, tolerance, hold }, n, draw) => {
    const [a, x, start] = [definite(draw(n * n), n), draw(n), draw(n)]
    const expected = multiply(a, x)
    const [matrix, vector, y] = [hold(a), hold(x), hold(start)]
    kernels.symv(backend, { n }, matrix.operand, vector.operand, y.operand)
    close(y.entries(), expected, tolerance, `${name}, ${n}`)
    kernels.symv(backend, { n, alpha: 2, beta: 0.5 }, matrix.operand, vector.operand, y.operand)
    close(
      y.entries(),
      expected.map((entry) => 2.5 * entry),
      tolerance,
      `${name}, ${n}, α and β`,
    )
  })
})

test('Cholesky solve and inverse', ({ backend }) => {
  everyWay(backend, ({ name, tolerance, hold }, n, draw) => {
    const k = 3
    const [a, sides] = [definite(draw(n * n), n), draw(n * k)]
    const [matrix, b, inverse] = [hold(a), hold(sides), hold(new Float64Array(n * n))]
    kernels.choleskySolve(backend, { n, k }, matrix.operand, b.operand)
    const columns = transpose(sides, n, k)
    const expected = Array.from({ length: k }, (_, j) => [
      ...denseSolve(a, columns.subarray(j * n, (j + 1) * n)),
    ])
    close(b.entries(), transpose(expected.flat(), k, n), tolerance, `${name}, ${n}`)
    kernels.choleskyInverse(backend, { n }, matrix.operand, inverse.operand)
    close(product(inverse.entries(), a, n, n, n), identity(n), tolerance, `${name}, ${n}, A⁻¹A`)
    same(matrix.entries(), a)
  })
})

test('symmetric eigen', ({ backend }) => {
  everyWay(backend, ({ name, tolerance, hold }, n, draw) => {
    const a = definite(draw(n * n), n)
    const [matrix, values, vectors] = [hold(a), hold(new Float64Array(n)), hold(new Float64Array(n * n))]
    kernels.symmetricEigen(backend, { n }, matrix.operand, values.operand, vectors.operand)
    const [w, v] = [values.entries(), vectors.entries()]
    assert.equal(
      [...w],
      [...w].sort((x, y) => x - y),
      'ascending',
    )
    close(product(transpose(v, n, n), v, n, n, n), identity(n), tolerance, `${name}, ${n}, VᵀV`)
    const scaled = Float64Array.from(v, (entry, at) => entry * w[at % n])
    close(product(a, v, n, n, n), scaled, tolerance, `${name}, ${n}, AV`)
  })
})

test('Kronecker-factored solve', ({ backend }) => {
  everyWay(backend, ({ name, tolerance, hold }, n, draw) => {
    const [k, damping] = [5, 0.3]
    const [a, s, sides] = [definite(draw(n * n), n), definite(draw(k * k), k), draw(n * k)]
    const eigen = (entries: Float64Array, n: number) => {
      const [values, vectors] = [hold(new Float64Array(n)), hold(new Float64Array(n * n))]
      kernels.symmetricEigen(backend, { n }, hold(entries).operand, values.operand, vectors.operand)
      return { values: values.operand, vectors: vectors.operand }
    }
    const b = hold(sides)
    kernels.kroneckerSolve(backend, { n, k, damping }, eigen(a, n), eigen(s, k), b.operand)
    const x = b.entries()
    const back = product(product(a, x, n, n, k), s, n, k, k) // (A ⊗ S) vec X = vec(A X Sᵀ), row-major
    close(
      back.map((entry, at) => entry + damping * x[at]),
      sides,
      tolerance,
      `${name}, ${n}`,
    )
  })
})

test('per-sample Gram', ({ backend }) => {
  everyWay(backend, ({ name, tolerance, hold }, m, draw) => {
    const [n, k] = [7, 3]
    const [x, e] = [draw(m * n), draw(m * k)]
    const gram = hold(new Float64Array(m * m))
    kernels.perSampleGram(backend, { m, n, k }, hold(x).operand, hold(e).operand, gram.operand)
    const [xx, ee] = [product(x, transpose(x, m, n), m, n, m), product(e, transpose(e, m, k), m, k, m)]
    close(
      gram.entries(),
      xx.map((entry, at) => entry * ee[at]),
      tolerance,
      `${name}, ${m}`,
    )
  })
})

test('conjugate gradients', ({ backend }) => {
  everyWay(backend, ({ name, dtype, tolerance, hold }, n, draw) => {
    const [a, b] = [definite(draw(n * n), n), draw(n)]
    const [matrix, side, x] = [hold(a), hold(b), hold(draw(n))]
    const options = { n, tolerance: dtype === 'f32' ? 1e-6 : 1e-14, steps: 300 }
    kernels.conjugateGradients(backend, options, matrix.operand, side.operand, x.operand)
    close(x.entries(), denseSolve(a, b), tolerance, `${name}, ${n}`)

    const few = hold(new Float64Array(n))
    const residual = kernels.conjugateGradients(
      backend,
      { n, tolerance: 0, steps: 1 },
      matrix.operand,
      side.operand,
      few.operand,
    )
    const image = multiply(a, few.entries())
    const off = Math.hypot(...b.map((entry, i) => entry - image[i])) / Math.hypot(...b)
    assert.ok(Math.abs(residual - off) <= tolerance, `${name}, ${n}: residual ${residual}, is ${off}`)
  })
})

test('inverse updates, one at a time and in blocks', ({ backend }) => {
  everyWay(backend, ({ name, dtype, tolerance, hold }, d, draw) => {
    const updates = 20 // past the sixteen that may be pending
    const [beta, gamma, scale] = [0.9, 0.25, 0.5]
    const inverse = new backend.InverseUpdate(d, scale, dtype, 2)
    const fisher = identity(d).map((entry) => entry / scale)
    const add = (g: Float64Array, beta: number, gamma: number) => {
      for (let at = 0; at < d * d; at++)
        fisher[at] = beta * fisher[at] + gamma * g[Math.floor(at / d)] * g[at % d]
    }
    const vector = (entries: ArrayLike<number>) => {
      const { operand } = hold(entries)
      return ArrayBuffer.isView(operand) ? kernels.resident(backend, operand) : operand
    }
    const compare = (what: string) => {
      const [x, y] = [draw(d), new backend.Vector(d, dtype)]
      inverse.multiply(vector(x), y)
      close(y.readF64(), denseSolve(fisher, x), 5 * tolerance, `${name}, ${d}, ${what}`)
    }
    for (let i = 0; i < updates; i++) {
      const g = draw(d)
      inverse.update(vector(g), beta, gamma)
      add(g, beta, gamma)
    }
    compare('single updates')
    const [g, weights] = [draw(11 * d), Float64Array.from({ length: 11 }, (_, j) => 0.1 * j)]
    inverse.updateMany(vector(g), beta, weights)
    weights.forEach((weight, j) => {
      add(g.subarray(j * d, (j + 1) * d), j === 0 ? beta : 1, weight)
    })
    compare('a block')
  })
})

test('softmax gradient and sensitivities of a layer from bytes', ({ backend }) => {
  for (const dtype of ['f32', 'f64'] as const) {
    for (const m of sizes) {
      const random = new Random(m)
      const [columns, classes, tolerance] = [6, 4, tolerances[dtype]]
      const n = columns + 1
      const bytes = Uint8Array.from({ length: m * columns }, () => random.below(256))
      const labels = Uint32Array.from({ length: m }, () => random.below(classes))
      const set = { features: matrix(bytes, m, columns, 1 / 255), labels }
      const draw = (length: number) => Float64Array.from(Float32Array.from(random.normals(length)))
      const [theta, u, v] = [draw(n * classes), draw(n * classes), draw(m)]
      const weights = v.map((v) => 1 / (1 + Math.exp(-v)))
      const model = softmaxRegression({ classes })
      const problem = reweighting({ backend, model, train: set, trusted: set, regularization: 0, dtype })
      const [inner, outer] = [problem.vector(theta), problem.vector(v)]
      const all = backend.Batch.all(m)

      const a = Float64Array.from({ length: m * n }, (_, at) =>
        at % n === columns ? 1 : bytes[Math.floor(at / n) * columns + (at % n)] / 255,
      )
      const scores = product(a, theta, m, n, classes).map(Math.exp)
      const totals = Array.from({ length: m }, (_, i) =>
        scores.subarray(i * classes, (i + 1) * classes).reduce((sum, s) => sum + s),
      )
      const p = scores.map((score, at) => score / totals[Math.floor(at / classes)])
      const e = p.map((p, at) => p - (labels[Math.floor(at / classes)] === at % classes ? 1 : 0))

      const gradient = problem.zeros(n * classes)
      const loss = problem.oracles.innerGradient(problem.point(inner, outer), all, gradient)
      const losses = weights.map((w, i) => -w * Math.log(p[i * classes + labels[i]]))
      close([loss], [losses.reduce((sum, loss) => sum + loss) / m], tolerance)
      const weighted = e.map((e, at) => (e * weights[Math.floor(at / classes)]) / m)
      close(gradient.readF64(), product(transpose(a, m, n), weighted, n, m, classes), tolerance)

      const q = problem.zeros(m)
      problem.oracles.crossProduct(problem.point(inner, outer), all, problem.vector(u), 1, q)
      const slopes = product(a, u, m, n, classes).map((slope, at) => slope * e[at])
      const rowSums = multiply(slopes, new Float64Array(classes).fill(1))
      close(
        q.readF64(),
        rowSums.map((sum, i) => (sum * weights[i] * (1 - weights[i])) / m),
        tolerance,
      )
    }
  }
})

test('operands of a wrong length are refused by name', async ({ backend }) => {
  for (const { hold } of ways(backend)) {
    const of = (length: number) => hold(new Float64Array(length).fill(1)).operand
    const shape = { m: 2, n: 3, k: 4 }
    await refuses('ERR_SHAPE', 'a', () => kernels.gemm(backend, shape, of(7), of(12), of(6)))
    await refuses('ERR_SHAPE', 'b', () => kernels.gemm(backend, shape, of(8), of(11), of(6)))
    await refuses('ERR_SHAPE', 'c', () => kernels.gemm(backend, shape, of(8), of(12), of(7)))
    await refuses('ERR_SHAPE', 'a', () => kernels.syrk(backend, shape, of(11), of(9)))
    await refuses('ERR_SHAPE', 'x', () => kernels.symv(backend, shape, of(9), of(2), of(3)))
    await refuses('ERR_SHAPE', 'b', () => kernels.choleskySolve(backend, { n: 2, k: 1 }, of(4), of(3)))
    await refuses('ERR_SHAPE', 'inverse', () => kernels.choleskyInverse(backend, { n: 2 }, of(4), of(3)))
    await refuses('ERR_SHAPE', 'values', () => kernels.symmetricEigen(backend, { n: 2 }, of(4), of(3), of(4)))
    await refuses('ERR_SHAPE', 'gram', () => kernels.perSampleGram(backend, shape, of(6), of(8), of(3)))
    await refuses('ERR_SHAPE', 'sVectors', () => {
      const [a, s] = [
        { values: of(2), vectors: of(4) },
        { values: of(3), vectors: of(8) },
      ]
      kernels.kroneckerSolve(backend, { n: 2, k: 3, damping: 1 }, a, s, of(6))
    })
    await refuses('ERR_SHAPE', 'x', () =>
      kernels.conjugateGradients(backend, { n: 2, tolerance: 0, steps: 1 }, of(4), of(2), of(1)),
    )
  }
})

test('operands of another scalar type, of none, or that are not finite are refused', async ({ backend }) => {
  const [single, double] = [new Float32Array(4), new Float64Array(4)]
  const square = { m: 2, n: 2, k: 2 }
  await refuses('ERR_DTYPE', 'a', () => kernels.gemm(backend, square, single, double, double))
  await refuses('ERR_DTYPE', 'b', () => kernels.gemm(backend, square, double, single, double))
  await refuses('ERR_DTYPE', 'c', () =>
    kernels.gemm(backend, square, double, double, new Int32Array(4) as never),
  )
  await refuses('ERR_NOT_FINITE', 'a', () =>
    kernels.gemm(backend, square, Float64Array.of(1, Number.NaN, 1, 1), double, double),
  )
})

test('a resident operand cannot be in two places', async ({ backend }) => {
  const [a, c] = [0, 1].map(() => kernels.resident(backend, new Float64Array(4)))
  await refuses('ERR_RANGE', 'b', () => kernels.gemm(backend, { m: 2, n: 2, k: 2 }, a, a, c))
  kernels.gemm(backend, { m: 2, n: 2, k: 2 }, a, new Float64Array(4), c)
})

test('a matrix that is not positive definite is an error, and its operands stay as they were', async ({
  backend,
}) => {
  for (const { hold } of ways(backend)) {
    const [a, b, inverse] = [hold([1, 2, 2, 1]), hold([5, 6]), hold([7, 7, 7, 7])]
    await refuses('ERR_NUMERIC', 'a', () =>
      kernels.choleskySolve(backend, { n: 2, k: 1 }, a.operand, b.operand),
    )
    await refuses('ERR_NUMERIC', 'a', () =>
      kernels.choleskyInverse(backend, { n: 2 }, a.operand, inverse.operand),
    )
    same(a.entries(), [1, 2, 2, 1])
    same(b.entries(), [5, 6])
    same(inverse.entries(), [7, 7, 7, 7])
  }
})

test('damping below zero is refused', async ({ backend }) => {
  const one = { values: new Float64Array(1), vectors: new Float64Array(1) }
  for (const damping of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    await refuses('ERR_RANGE', 'damping', () =>
      kernels.kroneckerSolve(backend, { n: 1, k: 1, damping }, one, one, new Float64Array(1)),
    )
  }
})

test('what an inverse refuses leaves it as it was', async ({ backend }) => {
  const { InverseUpdate, Vector } = backend
  for (const bad of [0, -1, 2.5, 2 ** 53, Number.NaN]) {
    await refuses('ERR_RANGE', 'd', () => new InverseUpdate(bad, 1, 'f64', 1))
    await refuses('ERR_RANGE', 'threads', () => new InverseUpdate(2, 1, 'f64', bad))
  }
  await refuses('ERR_RANGE', 'scale', () => new InverseUpdate(2, 0, 'f64', 1))
  await refuses('ERR_DTYPE', 'dtype', () => new InverseUpdate(2, 1, 'f16' as DType, 1))

  const inverse = new InverseUpdate(2, 3, 'f64', 1)
  const g = kernels.resident(backend, Float64Array.of(1, 2))
  await refuses('ERR_RANGE', 'beta', () => inverse.update(g, 0, 1))
  await refuses('ERR_RANGE', 'gamma', () => inverse.update(g, 1, -1))
  await refuses('ERR_RANGE', 'gamma', () => inverse.updateMany(g, 1, Float64Array.of(Number.NaN)))
  await refuses('ERR_SHAPE', 'g', () => inverse.update(new Vector(3, 'f64'), 1, 1))
  await refuses('ERR_SHAPE', 'g', () => inverse.updateMany(g, 1, Float64Array.of(1, 1)))
  await refuses('ERR_DTYPE', 'vector', () => inverse.update(new Vector(2, 'f32'), 1, 1))
  const y = new Vector(2, 'f64')
  inverse.multiply(g, y)
  same(y.readF64(), [3, 6])
})

test('sizes that are no whole numbers, operands of another type', async ({ backend }) => {
  const of = (length: number) => new Float64Array(length).fill(1)
  const [two, four] = [of(2), of(4)]
  const wholes = { m: 2, n: 2, k: 2, steps: 2 }
  const named = (name: string, value: number) => ({ ...wholes, tolerance: 0, damping: 1, [name]: value })
  const spectrum = { values: two, vectors: four }
  for (const value of [1.5, -2, Number.NaN, Number.POSITIVE_INFINITY]) {
    for (const [name, run] of [
      ['m', (size) => kernels.gemm(backend, size, four, four, of(4))],
      ['k', (size) => kernels.syrk(backend, size, four, of(4))],
      ['n', (size) => kernels.symv(backend, size, four, two, of(2))],
      ['k', (size) => kernels.choleskySolve(backend, size, four, of(4))],
      ['n', (size) => kernels.choleskyInverse(backend, size, four, of(4))],
      ['n', (size) => kernels.symmetricEigen(backend, size, four, of(2), of(4))],
      ['k', (size) => kernels.kroneckerSolve(backend, size, spectrum, spectrum, of(4))],
      ['m', (size) => kernels.perSampleGram(backend, size, four, four, of(4))],
      ['steps', (size) => kernels.conjugateGradients(backend, size, four, two, of(2))],
    ] satisfies [string, (size: ReturnType<typeof named>) => unknown][]) {
      await refuses('ERR_RANGE', name, () => run(named(name, value)))
    }
  }
  for (const bad of [[1, 1, 1, 1], new Int32Array(4), undefined, {}, 'four']) {
    const operand = bad as unknown as kernels.Operand
    await refuses('ERR_DTYPE', 'a', () => kernels.gemm(backend, wholes, operand, four, of(4)))
    await refuses('ERR_DTYPE', 'c', () => kernels.gemm(backend, wholes, four, four, operand))
    const [a, y] = [kernels.resident(backend, four), kernels.resident(backend, two)]
    try {
      backend.symv(2, 1, a, operand as kernels.Vector, 0, y)
      assert.unreachable('an operand that is no vector')
    } catch (error) {
      assert.is((error as { code?: string }).code, 'ERR_DTYPE', `${error}`)
    }
  }
  const c = of(4)
  kernels.gemm(backend, wholes, four, four, c)
  same(c, [2, 2, 2, 2])
})

test.run()
