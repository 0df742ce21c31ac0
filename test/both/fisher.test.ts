import * as assert from 'uvu/assert'
import type { Backend } from '../../ts/backend/backend.ts'
import { Fisher, type FisherSettings } from '../../ts/backend/fisher.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import { quadratic } from '../../ts/problems/quadratic.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { close, distance, same } from '../support/close.ts'
import { denseSolve, identity } from '../support/dense.ts'
import { refuses } from '../support/errors.ts'
import { fixture } from '../support/fixtures.ts'
import { randomReweighting } from '../support/problems.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('fisher')

type RowSettings = FisherSettings & { readonly form: 'dense' | 'window' | 'diagonal' | 'sketch' }

/** The length of a window, the rank of a sketch, the samples held: what the size of a form is called. */
const sized = (form: FisherSettings['form'], size: number) =>
  ((
    ({
      window: { form, length: size },
      sketch: { form, rank: size },
      samples: { form, samples: size },
    }) as const
  )[form as string] ?? { form }) as FisherSettings

/** A Fisher that is fed with given rows: with H = I and C = c₀ = 0 the gradient at θ is θ. */
function rowFisher(backend: Backend, d: number, settings: RowSettings & { concurrent?: boolean }) {
  const [h, zeros] = [identity(d), new Float64Array(d)]
  const problem = quadratic({ backend, h, c: zeros, c0: zeros, q: h, t: zeros, mu: 1 })
  const outer = problem.zeros(1)
  const fisher = new Fisher(backend, problem.oracles, problem.start(), { rows: 'mean', ...settings })
  const batch = backend.Batch.all(1)
  return {
    fisher,
    async observe(row: ArrayLike<number>) {
      const step = new backend.Step(d, 'f64')
      problem.oracles.innerStepFor(problem.point(problem.vector(row), outer), batch, step, fisher.handle, 0)
      await fisher.observe(step)
    },
    async solve(b: ArrayLike<number>) {
      const x = problem.zeros(d)
      await fisher.solve(problem.vector(b), x)
      return x.readF64()
    },
  }
}

/** A, column by column. */
async function inverse({ solve }: ReturnType<typeof rowFisher>, d: number): Promise<Float64Array> {
  const columns = new Float64Array(d * d)
  for (let j = 0; j < d; j++) columns.set(await solve(identity(d).subarray(j * d, (j + 1) * d)), j * d)
  return columns
}

for (const name of ['sherman_morrison', 'sherman_morrison_beta099']) {
  const { arrays, scalars } = fixture(name)
  const { d, updates, beta: smoothing } = scalars
  const row = (t: number) => arrays.G.subarray(t * d, (t + 1) * d)

  test(`${name}: A after every tenth update, as printed`, async ({ backend }) => {
    const printed = { form: 'dense', start: 'decaying', damping: 1, smoothing } as const
    const fisher = rowFisher(backend, d, printed)
    for (let t = 0; t < updates; t++) {
      await fisher.observe(row(t))
      const at = (t - 9) / 10
      if (Number.isInteger(at)) {
        close(await inverse(fisher, d), arrays.A.subarray(at * d * d, (at + 1) * d * d), 1e-10)
      }
    }
    close(await fisher.solve(arrays.b), arrays.Ab, 1e-10)
  })

  test(`${name}: a window with a decaying start is the same`, async ({ backend }) => {
    const window = { form: 'window', start: 'decaying', damping: 1, smoothing, length: updates } as const
    const fisher = rowFisher(backend, d, window)
    for (let t = 0; t < updates; t++) await fisher.observe(row(t))
    close(await fisher.solve(arrays.b), arrays.Ab, 1e-10)
  })

  test(`${name}: held forms are (S + λI)⁻¹`, async ({ backend }) => {
    // S from its definition, not by updates.
    const damped = identity(d)
    for (let t = 0; t < updates; t++) {
      const weight = (1 - smoothing) * smoothing ** (updates - 1 - t)
      for (let i = 0; i < d * d; i++) damped[i] += weight * row(t)[Math.floor(i / d)] * row(t)[i % d]
    }
    const expected = denseSolve(damped, arrays.b)
    for (const form of ['dense', 'window', 'sketch'] as const) {
      const exact = form === 'dense' ? { tolerance: 1e-14 } : {}
      const held = { ...sized(form, updates), damping: 1, smoothing, ...exact } as RowSettings
      const fisher = rowFisher(backend, d, held)
      for (let t = 0; t < updates; t++) await fisher.observe(row(t))
      close(await fisher.solve(arrays.b), expected, 1e-10, form)
    }
  })
}

test('before any observation A is (D + λI)⁻¹', async ({ backend }) => {
  const b = new Random(2).normals(7)
  for (const form of ['dense', 'window', 'diagonal', 'sketch'] as const) {
    const fisher = rowFisher(backend, 7, { form, damping: 4 })
    close(
      await fisher.solve(b),
      b.map((x) => x / 4),
      1e-14,
      form,
    )
  }
})

test('reset forgets every observation', async ({ backend }) => {
  const random = new Random(3)
  const b = random.normals(7)
  for (const form of ['dense', 'window', 'diagonal', 'sketch'] as const) {
    const fisher = rowFisher(backend, 7, { form, damping: 4 })
    await fisher.observe(random.normals(7))
    assert.ok(
      distance(
        await fisher.solve(b),
        b.map((x) => x / 4),
      ) > 1e-4,
      form,
    )
    fisher.fisher.reset()
    close(
      await fisher.solve(b),
      b.map((x) => x / 4),
      1e-14,
      form,
    )
  }
})

test('a held inverse does not wind up over thousands of updates', async ({ backend }) => {
  const d = 3
  const random = new Random(4)
  const fisher = rowFisher(backend, d, { form: 'dense', damping: 0.5, smoothing: 0.9, tolerance: 1e-13 })
  // The third direction is never seen; there A stays 1/λ.
  const s = new Float64Array(d * d)
  for (let t = 0; t < 5000; t++) {
    const row = [random.normal(), random.normal(), 0]
    await fisher.observe(row)
    for (let i = 0; i < d * d; i++) s[i] = 0.9 * s[i] + 0.1 * row[Math.floor(i / d)] * row[i % d]
  }
  const damped = s.map((x, i) => x + (i % (d + 1) === 0 ? 0.5 : 0))
  const expected = new Float64Array(d * d)
  for (let j = 0; j < d; j++) {
    expected.set(denseSolve(damped, identity(d).subarray(j * d, (j + 1) * d)), j * d)
  }
  const a = await inverse(fisher, d)
  close(a, expected, 1e-10)
  close([a[8]], [2], 1e-12)
})

const layer = fixture('kfac_layer')

for (const [kroneckerDamping, statistic, expected] of [
  ['joint', 'expected', layer.arrays.exact_true],
  ['joint', 'empirical', layer.arrays.exact_emp],
  ['split', 'expected', layer.arrays.factored_true],
  ['split', 'empirical', layer.arrays.factored_emp],
] as const) {
  test(`Kronecker factors of a layer, ${statistic}, ${kroneckerDamping} damping`, async ({ backend }) => {
    const { X, W, y, w, V } = layer.arrays
    const { n, p, c, damp: damping } = layer.scalars
    const set = { features: matrix(X, n, p), labels: y }
    const problem = reweighting({
      backend,
      model: softmaxRegression({ classes: c, bias: false }), // the last feature is the bias
      train: set,
      trusted: set,
      weighting: { fixed: w },
      regularization: 0,
      dtype: 'f64',
    })
    const outer = problem.zeros(0)
    const settings = { form: 'kronecker', statistic, kroneckerDamping, damping } as const
    const fisher = new Fisher(backend, problem.oracles, problem.start(), settings)
    const step = new backend.Step(p * c, 'f64')
    const direction = problem.zeros(p * c)
    const all = backend.Batch.all(n)
    problem.oracles.observe(problem.point(problem.vector(W), outer), all, step, fisher.handle, 0)
    await fisher.refresh(step)
    const report = await fisher.solve(problem.vector(V), direction)
    close(direction.readF64(), expected, 1e-10)
    assert.is(report.damping, damping)
    assert.is(report.fallbacks, 0)
  })
}

const forms = ['dense', 'window', 'samples', 'kronecker', 'eigenkronecker', 'diagonal', 'sketch'] as const

/** A Fisher of a small reweighting problem, which observes random points. */
function layeredFisher(backend: Backend, settings: FisherSettings & { concurrent?: boolean }, options = {}) {
  const problem = randomReweighting(backend, options)
  const { oracles } = problem
  const d = oracles.innerLength
  const outer = problem.zeros(oracles.outerLength)
  const often = settings.form === 'eigenkronecker' ? { basisEvery: 2 } : {}
  const fisher = new Fisher(backend, oracles, problem.start(), {
    ...sized(settings.form, 6),
    ...often,
    ...settings,
  })
  const solve = async (b: Float64Array) => {
    const x = problem.zeros(d)
    await fisher.solve(problem.vector(b), x)
    return x.readF64()
  }
  const observe = async (theta: Float64Array, seed: number) => {
    const step = new backend.Step(d, oracles.dtype)
    const batch = backend.Batch.of(Uint32Array.of(seed, seed + 1, seed + 2))
    oracles.innerStepFor(problem.point(problem.vector(theta), outer), batch, step, fisher.handle, seed)
    await fisher.observe(step)
  }
  return { fisher, solve, observe, d }
}

for (const form of forms) {
  for (const start of form === 'dense' ? (['held', 'decaying'] as const) : (['held'] as const)) {
    for (const dtype of ['f32', 'f64'] as const) {
      test(`${form}, ${start}, ${dtype}: a saved state goes on with the same bits`, async ({ backend }) => {
        const random = new Random(5)
        for (const [observed, solved] of [
          [0, false],
          [3, false],
          [3, true],
          [9, true],
        ] as const) {
          const factors = form === 'samples' || form === 'kronecker' || form === 'eigenkronecker'
          const begun = form === 'dense' ? { start } : {}
          const settings = { form, ...begun, ...(factors ? {} : { rows: 'perSample' }) } as FisherSettings
          const make = (concurrent: boolean) => layeredFisher(backend, { ...settings, concurrent }, { dtype })
          const [original, copy] = [make(true), make(false)]
          const b = random.normals(original.d)
          for (let t = 0; t < observed; t++) await original.observe(random.normals(original.d), t)
          if (solved) await original.solve(b)
          await copy.observe(random.normals(original.d), 0) // is forgotten
          await copy.fisher.restore(await original.fisher.save())
          for (let t = 0; t < 3; t++) {
            same(await copy.solve(b), await original.solve(b), `after ${observed} and ${t}`)
            const theta = random.normals(original.d)
            for (const each of [original, copy]) await each.observe(theta, 10 + t)
          }
        }
      })
    }
  }
}

for (const form of ['samples', 'kronecker', 'eigenkronecker'] as const) {
  for (const statistic of ['empirical', 'expected'] as const) {
    test(`${form}, ${statistic}: f32 within 1e-4 of f64`, async ({ backend }) => {
      for (const options of [{}, { hidden: [6] }]) {
        const solutions = await Promise.all(
          (['f32', 'f64'] as const).map(async (dtype) => {
            const random = new Random(7)
            const settings = { form, statistic, damping: 0.01 }
            const fisher = layeredFisher(backend, settings, { ...options, dtype })
            for (let t = 0; t < 5; t++) await fisher.observe(random.normals(fisher.d, 0.5), t)
            return fisher.solve(random.normals(fisher.d))
          }),
        )
        close(solutions[0], solutions[1], 1e-4)
      }
    })
  }
}

test('saved Fishers: truncated, foreign, of another form, type, size or settings', async ({ backend }) => {
  const random = new Random(6)
  for (const form of forms) {
    const fisher = layeredFisher(backend, { form })
    await fisher.observe(random.normals(fisher.d), 0)
    const b = random.normals(fisher.d)
    const before = await fisher.solve(b)
    const saved = await fisher.fisher.save()
    const other = forms[(forms.indexOf(form) + 1) % forms.length]
    const newer = saved.slice()
    newer[11]++ // the version
    const bad: Record<string, Uint8Array> = {
      nothing: new Uint8Array(0),
      truncated: saved.slice(0, saved.length - 1),
      'half a header': saved.slice(0, 30),
      longer: Uint8Array.of(...saved, 0),
      foreign: new TextEncoder().encode('PK, but no more'),
      newer,
      'of another form': await layeredFisher(backend, { form: other }).fisher.save(),
      'of another type': await layeredFisher(backend, { form }, { dtype: 'f32' }).fisher.save(),
      'of another size': await layeredFisher(backend, { form }, { columns: 6 }).fisher.save(),
    }
    for (const [what, bytes] of Object.entries(bad)) {
      await refuses('ERR_CHECKPOINT', '', () => fisher.fisher.restore(bytes)).catch((error) => {
        throw new Error(`${form}, ${what}: ${error.message}`)
      })
      same(await fisher.solve(b), before, `${form}, ${what}`)
    }
  }
  const decaying = layeredFisher(backend, { form: 'dense', start: 'decaying' })
  const held = await layeredFisher(backend, { form: 'dense' }).fisher.save()
  await refuses('ERR_CHECKPOINT', '', () => decaying.fisher.restore(held))
})

test('a Fisher is built from a shape and a diagonal, and fed with rows', async ({ backend }) => {
  const d = 5
  const random = new Random(21)
  const vector = (x: ArrayLike<number>) => {
    const made = new backend.Vector(x.length, 'f64')
    made.writeF64(Float64Array.from(x))
    return made
  }
  const [rows, b] = [random.normals(3 * d), random.normals(d)]
  const f = new Float64Array(d * d)
  for (let t = 0; t < 3; t++) {
    for (let i = 0; i < d * d; i++) f[i] += rows[t * d + Math.floor(i / d)] * rows[t * d + (i % d)]
  }
  const expected = (diagonal: ArrayLike<number>) =>
    denseSolve(
      f.map((x, i) => x + (i % (d + 1) === 0 ? diagonal[Math.floor(i / d) % diagonal.length] + 0.1 : 0)),
      b,
    )
  for (const form of ['dense', 'window', 'sketch'] as const) {
    const settings = JSON.stringify({ form, damping: 0.1, smoothing: 'average', rows: 'perSample' })
    const handle = new backend.Fisher(d, new Uint32Array(0), vector([0.2]), settings, true)
    assert.ok(handle.tryObserveRows(vector(rows)))
    const x = new backend.Vector(d, 'f64')
    await handle.solve(vector(b), x)
    close(x.readF64(), expected([0.2]), 1e-9, form)
    const diagonal = Array.from({ length: d }, (_, i) => i / 4)
    handle.setRegularizer(vector(diagonal))
    await handle.solve(vector(b), x)
    close(x.readF64(), expected(diagonal), 1e-9, form)

    await refuses('ERR_SHAPE', 'rows', () => handle.tryObserveRows(vector(b.subarray(1))))
    await refuses('ERR_SHAPE', 'rows', () => handle.tryObserveRows(new backend.Vector(0, 'f64')))
    await refuses('ERR_DTYPE', 'rows', () => handle.tryObserveRows(new backend.Vector(d, 'f32')))
    await refuses('ERR_SHAPE', 'regularizer', () => handle.setRegularizer(vector([1, 2])))
  }
  const make = (settings: object, layers = [d, 1], regularizer = [0.2]) =>
    new backend.Fisher(d, Uint32Array.from(layers), vector(regularizer), JSON.stringify(settings), false)
  await refuses('ERR_RANGE', 'form', () => make({ form: 'kronecker' }).tryObserveRows(vector(rows)))
  await refuses('ERR_SHAPE', 'layers', () => make({ form: 'kronecker' }, [5, 1, 1]))
  await refuses('ERR_RANGE', 'layers', () => make({ form: 'kronecker' }, [4, 1]))
  await refuses('ERR_SHAPE', 'regularizer', () => make({ form: 'dense' }, [5, 1], [1, 2]))
  await refuses('ERR_RANGE', 'damping', () => make({ form: 'dense', damping: 0 }, [5, 1], [1, 1, 1, 1, 0]))
})

test('each form refuses the settings that it does not read', async ({ backend }) => {
  const foreign = {
    dense: 'length',
    window: 'rank',
    samples: 'smoothing',
    kronecker: 'rows',
    eigenkronecker: 'kroneckerDamping',
    diagonal: 'start',
    sketch: 'samples',
  } as const
  for (const [form, name] of Object.entries(foreign)) {
    const settings = { form, [name]: 1 } as unknown as FisherSettings
    await refuses('ERR_RANGE', 'settings', () => layeredFisher(backend, settings))
    assert.throws(() => layeredFisher(backend, settings), `unknown field \`${name}\``)
  }
})

test('a saved Fisher of another setting is refused, and named', async ({ backend }) => {
  const random = new Random(22)
  for (const [settings, others] of [
    [{ form: 'window', length: 6 }, { damping: 1, smoothing: 0.5, statistic: 'sampled', length: 7, rows: 'mean', relative: true, start: 'decaying' }], // biome-ignore format: a line per form
    [{ form: 'dense' }, { damping: 1, smoothing: 'average', tolerance: 0.1, start: 'decaying' }],
    [
      { form: 'samples', samples: 6 },
      { damping: 1, statistic: 'expected', samples: 7 },
    ],
    [{ form: 'kronecker' }, { damping: 1, keep: 0.1, kroneckerDamping: 'split', sharing: 'reduce' }],
    [{ form: 'eigenkronecker' }, { damping: 1, basisEvery: 3, keep: 0.1, sharing: 'reduce' }],
    [{ form: 'diagonal' }, { damping: 1, relative: true }],
    [
      { form: 'sketch', rank: 6 },
      { damping: 1, rank: 7 },
    ],
  ] as [FisherSettings, object][]) {
    const fisher = layeredFisher(backend, settings)
    await fisher.observe(random.normals(fisher.d), 0)
    const b = random.normals(fisher.d)
    const before = await fisher.solve(b)
    for (const [name, value] of Object.entries(others)) {
      const other = layeredFisher(backend, { ...settings, [name]: value } as FisherSettings)
      const saved = await other.fisher.save()
      await refuses('ERR_CHECKPOINT', 'bytes', () => fisher.fisher.restore(saved))
      const error = await fisher.fisher.restore(saved).catch((error: Error) => error)
      assert.match(String(error), `a Fisher with ${name} `)
      same(await fisher.solve(b), before, `${settings.form}, ${name}`)
    }
  }
})

test('reset forgets an earlier failure', async ({ backend }) => {
  const fisher = rowFisher(backend, 3, { form: 'dense', damping: 1 })
  const bad = new backend.Vector(3, 'f64')
  bad.fill(1e300)
  await fisher.fisher.observeRows(bad) // its square overflows
  await refuses('ERR_NOT_FINITE', 'observation', () => fisher.solve([1, 2, 3]))
  await fisher.fisher.observeRows(bad)
  fisher.fisher.reset()
  close(await fisher.solve([1, 2, 3]), [1, 2, 3], 1e-14)
})

test.run()
