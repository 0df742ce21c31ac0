import * as assert from 'uvu/assert'
import { parseFeatures, writeNpy } from '../../../ts/data/browser.ts'
import {
  type Backend,
  type BackendInfo,
  cleanLabels,
  exact,
  hypergradient,
  matrix,
  NhgdError,
  nhgd,
  Problem,
  quadratic,
  solve,
} from '../../../ts/index.ts'
import { choleskySolve, gemm } from '../../../ts/kernels.ts'
import { close, same } from '../../support/close.ts'
import { denseSolve, identity, multiply, multiplyTransposed } from '../../support/dense.ts'
import { refuses } from '../../support/errors.ts'
import { randomReweighting } from '../../support/problems.ts'
import { Random } from '../../support/random.ts'

/** Numbers that another backend or runtime must reach too, to rounding. */
export interface Reference {
  readonly hypergradient: readonly number[]
  readonly outer: readonly number[]
}

/** What a runtime is asked; what it needs of its surroundings is in the arguments. */
export interface Order {
  readonly expected: 'native' | 'wasm'
  readonly reference: Reference
  /** Where it has to be a certain instruction set. */
  readonly simd?: string
  /** Whether WebAssembly has to have helpers. */
  readonly threads?: boolean
  /** As in `LoadOptions`. */
  readonly relaxed?: boolean
  /** What the same arithmetic gave elsewhere, to the bit. */
  readonly bits?: Reference
}

export interface Outcome {
  readonly name: string
  readonly error?: string
}

/** What a runtime answers. */
export interface Answer {
  readonly outcomes: readonly Outcome[]
  readonly measured: Reference
  readonly info: BackendInfo
}

type Check = (backend: Backend, order: Order) => unknown

const checks: Record<string, Check> = {
  'the backend is the one asked for': (backend, { expected, simd, threads }) => {
    const info = backend.info()
    assert.is(info.backend, expected)
    assert.equal(info.skipped, [])
    if (expected === 'wasm') assert.is(info.threads > 1, threads ?? false)
    assert.is(info.simd, simd ?? info.simd)
    assert.ok(info.simd && info.version && info.threads >= 1, JSON.stringify(info))
  },

  'vectors hold what was written': ({ Vector }) => {
    const x = new Vector(3, 'f64')
    x.writeF64(Float64Array.of(1, -2, 0.1))
    const y = new Vector(3, 'f64')
    y.fill(1)
    y.axpy(2, x)
    same(x.readF64(), [1, -2, 0.1])
    close(y.readF64(), [3, -3, 1.2], 1e-15)
    close([x.dot(y)], [3 + 6 + 0.12], 1e-15)
    const single = new Vector(1, 'f32')
    single.writeF32(Float32Array.of(0.1))
    same(single.readF32(), [Math.fround(0.1)])
  },

  'C = A B': (backend) => {
    const c = new Float64Array(4)
    gemm(
      backend,
      { m: 2, n: 2, k: 3 },
      Float64Array.of(1, 2, 3, 4, 5, 6),
      Float64Array.of(7, 8, 9, 10, 11, 12),
      c,
    )
    close(c, [58, 64, 139, 154], 1e-15)
  },

  'Cholesky solves, and refuses what is not definite': async (backend) => {
    const b = Float64Array.of(1, 2)
    choleskySolve(backend, { n: 2, k: 1 }, Float64Array.of(2, 1, 1, 3), b)
    close(b, [0.2, 0.6], 1e-15)
    const indefinite = () => choleskySolve(backend, { n: 2, k: 1 }, Float64Array.of(1, 2, 2, 1), b)
    assert.throws(
      indefinite,
      (error: NhgdError) => error instanceof NhgdError && error.code === 'ERR_NUMERIC',
    )
  },

  'the hypergradient of a quadratic is the closed form': async (backend) => {
    const { problem, at, expected } = randomQuadratic(backend)
    const { hypergradient: got, residual } = await hypergradient(problem, { ...at, method: exact() })
    close(got, expected, 1e-10)
    assert.ok((residual ?? 1) < 1e-12, `${residual}`)
  },

  'natural hypergradients reach it too': async (backend) => {
    const { problem, at, expected } = randomQuadratic(backend)
    const rows = { rows: 'perSample', smoothing: 'average', start: 'held' } as const
    const method = nhgd({
      fisher: { form: 'dense', damping: 1e-13, tolerance: 1e-14, ...rows },
      refine: 0,
      innerSteps: 1,
      refineSamples: 1,
    })
    close((await hypergradient(problem, { ...at, method })).hypergradient, expected, 1e-9)
  },

  'reweighting: the same hypergradient as elsewhere': async (backend, { reference }) => {
    close((await measure(backend)).hypergradient, reference.hypergradient, 1e-9)
  },

  'reweighting: a run ends where it ends elsewhere': async (backend, { reference }) => {
    close((await measure(backend)).outer, reference.outer, 1e-7)
  },

  'the same seed gives the same bits, another does not': async (backend) => {
    const [first, second, other] = [await run(backend, 3), await run(backend, 3), await run(backend, 4)]
    same(second.outer, first.outer)
    same(second.inner, first.inner)
    assert.is.not(other.outer[0], first.outer[0])
  },

  'the bits of the same arithmetic elsewhere': async (backend, { bits }) => {
    if (!bits) return
    const { hypergradient, outer } = await measure(backend)
    same(hypergradient, bits.hypergradient)
    same(outer, bits.outer)
  },

  'runs at once end as each does alone': async (backend) => {
    const seeds = [1, 2, 3, 4]
    const alone = []
    for (const seed of seeds) alone.push((await run(backend, seed)).outer)
    const together = await Promise.all(seeds.map((seed) => run(backend, seed)))
    for (const [i, { outer }] of together.entries()) same(outer, alone[i])
  },

  'a signal ends a run with its last step': async (backend) => {
    const controller = new AbortController()
    const { status, steps } = await solve(randomReweighting(backend), {
      outerSteps: 1000,
      signal: controller.signal,
      onStep: ({ step }) => {
        if (step === 2) controller.abort()
      },
    }).result
    assert.equal([status, steps], ['aborted', 2])
  },

  'wrong input raises typed errors and leaves the rest usable': async (backend) => {
    const problem = randomReweighting(backend)
    await refuses('ERR_SHAPE', 'data', () => matrix(new Float64Array(5), 2, 3))
    await refuses('ERR_RANGE', 'trusted', () =>
      cleanLabels({
        backend,
        features: matrix(new Uint8Array(20), 10, 2),
        labels: Array.from({ length: 10 }, (_, i) => i % 2),
        trusted: [0, 1, 2, 99],
      }),
    )
    const vector = new backend.Vector(2, 'f64')
    await refuses('ERR_SHAPE', '', () => vector.writeF64(new Float64Array(3)))
    await refuses('ERR_NOT_FINITE', '', () => vector.writeF64(Float64Array.of(1, Number.NaN)))
    vector.writeF64(Float64Array.of(1, 2))
    same(vector.readF64(), [1, 2])
    assert.instance(problem, Problem)
    assert.is((await solve(problem, { outerSteps: 1 }).result).steps, 1)
  },

  'memory survives growth': (backend) => {
    const small = new backend.Vector(4, 'f64')
    small.fill(7)
    const large = new backend.Vector(4_000_000, 'f64')
    large.fill(1)
    same(small.readF64(), [7, 7, 7, 7])
    assert.is(large.dot(large), 4_000_000)
    large.dispose()
  },

  'NPY is read as it was written': () => {
    const bytes = writeNpy({ data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [3, 2] })
    const { features } = parseFeatures({ name: 'x.npy', bytes })
    assert.equal([features.rows, features.columns], [3, 2])
    same(features.data, [1, 2, 3, 4, 5, 6])
  },

  'cleanLabels finds the wrong labels': async (backend) => {
    const { features, labels, trusted, wrong } = blobs()
    const { ranking } = await cleanLabels({ backend, features, labels, trusted, outerSteps: 25 })
    const hits = ranking.subarray(0, wrong.size).filter((row) => wrong.has(row)).length
    assert.ok(hits >= 0.9 * wrong.size, `${hits} of ${wrong.size}`)
  },
}

/** Runs every check and says how each ended, and what was measured. */
export async function conform(backend: Backend, order: Order): Promise<Answer> {
  const outcomes: Outcome[] = []
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check(backend, order)
      outcomes.push({ name })
    } catch (error) {
      outcomes.push({ name, error: String((error as Error).stack ?? error) })
    }
  }
  return { outcomes, measured: await measure(backend), info: backend.info() }
}

/** What {@link Reference} holds. */
export async function measure(backend: Backend): Promise<Reference> {
  const problem = sameEverywhere(backend)
  const random = new Random(7)
  const at = { inner: uniforms(random, problem.oracles.innerLength), outer: uniforms(random, 40) }
  const { hypergradient: gradient } = await hypergradient(problem, { ...at, method: exact() })
  return { hypergradient: Array.from(gradient), outer: Array.from((await run(backend, 1)).outer) }
}

function run(backend: Backend, seed: number) {
  return solve(sameEverywhere(backend), { method: nhgd({ batchSize: 8 }), outerSteps: 5, seed }).result
}

/** A problem drawn without logarithms and cosines, whose last digits differ from engine to engine. */
function sameEverywhere(backend: Backend): Problem {
  const random = new Random(1)
  const set = (count: number) => ({
    features: matrix(uniforms(random, count * 5), count, 5),
    labels: random.labels(count, 3),
  })
  return randomReweighting(backend, { train: set(40), trusted: set(20) })
}

/** Of mean zero and variance one. */
function uniforms(random: Random, length: number): Float64Array {
  return Float64Array.from({ length }, () => Math.sqrt(12) * (random.uniform() - 0.5))
}

/** A random quadratic problem, a point with θ at its minimum, and ∇Φ there: μv + CᵀH⁻¹Q(θ* − t). */
function randomQuadratic(backend: Backend) {
  const [d, k, mu] = [6, 3, 0.3]
  const random = new Random(11)
  const a = random.normals(d * d)
  const h = identity(d).map((one, i) => {
    const [row, column] = [Math.floor(i / d), i % d]
    let sum = 2 * one
    for (let j = 0; j < d; j++) sum += a[row * d + j] * a[column * d + j]
    return sum
  })
  const [c, c0, t, v] = [random.normals(d * k), random.normals(d), random.normals(d), random.normals(k)]
  const q = identity(d)
  const linear = multiply(c, v)
  const inner = denseSolve(
    h,
    c0.map((x, i) => x + linear[i]),
  )
  const direction = denseSolve(
    h,
    inner.map((x, i) => x - t[i]),
  )
  const expected = multiplyTransposed(c, direction).map((x, j) => mu * v[j] + x)
  const problem = quadratic({ backend, h, c, c0, q, t, mu, dtype: 'f64' })
  return { problem, at: { inner, outer: v }, expected }
}

/** Three clusters in the plane, 60 rows each, of which 15 are trusted and 12 of the others mislabelled. */
function blobs() {
  const random = new Random(5)
  const rows = 180
  const truth = Int32Array.from({ length: rows }, (_, i) => i % 3)
  const data = Float64Array.from({ length: 2 * rows }, (_, i) => {
    const angle = (2 * Math.PI * truth[i >> 1]) / 3
    return 4 * (i % 2 === 0 ? Math.cos(angle) : Math.sin(angle)) + 0.6 * random.normal()
  })
  const trusted = Uint32Array.from({ length: 45 }, (_, i) => i)
  const wrong = new Set(Array.from({ length: 36 }, (_, i) => 50 + 3 * i + (i % 3)))
  const labels = truth.map((label, row) => (wrong.has(row) ? (label + 1) % 3 : label))
  return { features: matrix(data, rows, 2), labels, trusted, wrong }
}
