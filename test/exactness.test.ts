import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { errorAt } from '../bench/exactness/hard/equalCpu.ts'
import { hard } from '../bench/exactness/hard/main.ts'
import { hardMarkdown, share } from '../bench/exactness/hard/table.ts'
import { networks, networksMarkdown } from '../bench/exactness/networks.ts'
import { Random } from '../bench/harness/random.ts'
import { loadBackend } from '../ts/backend/load.ts'
import { matrix } from '../ts/backend/matrix.ts'
import { formFor } from '../ts/hypergradient/direction.ts'
import { nhgd } from '../ts/methods/nhgd.ts'
import { multilayerPerceptron } from '../ts/problems/model.ts'

const test = suite('exactness')

test('the error at equal CPU time lies on the power law between two spots', () => {
  const law = (cpu: number) => 3 * cpu ** -1.7
  const curve = [1, 4, 16].map((cpu) => ({ cpu, error: law(cpu) }))
  assert.ok(Math.abs(errorAt(curve, 7) / law(7) - 1) < 1e-12)
  assert.is(errorAt(curve, 0.5), law(1))
  assert.is(errorAt(curve, 100), law(16))
})

test('a spot that a cheaper one beats is no spot', () => {
  const curve = [
    { cpu: 1, error: 0.1 },
    { cpu: 2, error: 0.5 },
    { cpu: 4, error: 0.01 },
  ]
  assert.ok(Math.abs(errorAt(curve, 2) - Math.sqrt(0.1 * 0.01)) < 1e-12)
})

test('the hard cells on few samples: every form follows, and A helps where scales differ', async () => {
  const backend = await loadBackend()
  const [rows, columns] = [60, 6]
  const setsOf = (seed: number) => {
    const random = new Random(seed)
    const set = () => {
      const x = random.normals(rows * columns)
      const labels = Int32Array.from({ length: rows }, (_, i) =>
        x[i * columns] > 0 ? 1 : x[i * columns + 1] > 0 ? 2 : 0,
      )
      return { features: matrix(x, rows, columns), labels }
    }
    return { train: set(), trusted: set() }
  }
  const entries = await hard(backend, setsOf, { seeds: [1], quick: true, classes: 3, units: 3 })
  assert.ok(entries.every(({ error, cpu }) => error > 0 && error < 2 && cpu > 0))
  const at = entries.filter(
    (e) =>
      e.cell === 'softmax, scales from 1e-3 to 1e3' &&
      e.start === 'warm' &&
      e.speed === 'slow' &&
      e.refine === 2,
  )
  const least = (form: string) => Math.min(...at.filter((e) => e.form === form).map((e) => e.error))
  assert.ok(least('kronecker') < least('identity') / 3)
  const [first] = entries.filter((e) => e.form === 'kronecker')
  assert.ok(share(first, entries) > 0)
  assert.match(
    hardMarkdown(entries, { seed: 1, count: 1, info: backend.info(), units: 3 }),
    /softmax, both \| fast \| cold/,
  )
})

test('the default damps small layers jointly, large ones and those of a user as set', () => {
  const form = { form: 'kronecker', kroneckerDamping: 'split', damping: 1 } as const
  const of = (layers: number[], given = {}) =>
    formFor({ oracles: { layers: Uint32Array.from(layers) } }, { ...form, ...given }, given)
  assert.equal(of([256, 10]), { ...form, kroneckerDamping: 'joint' })
  assert.equal(of([257, 10]), form)
  assert.equal(of([10, 3, 4, 300]), form)
  assert.equal(of([256, 10], { kroneckerDamping: 'split' }), form)
  assert.equal(of([256, 10], { form: 'kronecker' }), form)
  const window = { form: 'window', damping: 1 } as const
  assert.equal(formFor({ oracles: { layers: Uint32Array.from([2, 2]) } }, window, {}), window)
  // What nhgd() shows is what large layers get.
  assert.is((nhgd().settings.fisher as typeof form).kroneckerDamping, 'split')
})

test('a small network: corrections bring the form of all samples to the exact direction', async () => {
  const backend = await loadBackend()
  const [rows, columns, damping] = [60, 4, 0.1]
  const random = new Random(2)
  const set = () => ({
    features: matrix(random.normals(rows * columns), rows, columns),
    labels: Int32Array.from({ length: rows }, (_, i) => i % 3),
  })
  const options = { seed: 1, points: [2, 5], damping, corrections: [0, 2, 8] }
  const model = multilayerPerceptron({ classes: 3, hidden: [3] })
  const entries = await networks(backend, { train: set(), trusted: set() }, { model, ...options })
  assert.ok(entries.every(({ cosine, cpu }) => cosine > 0 && cosine < 1 + 1e-6 && cpu >= 0))
  const last = entries.filter(({ refine }) => refine === 8)
  assert.ok(last.every(({ cosine }) => cosine > 0.95))
  assert.match(networksMarkdown(entries, { seed: 1, samples: rows, damping }), /eigenkronecker \| expected/)
})

test.run()
