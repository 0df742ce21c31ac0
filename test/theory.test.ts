import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { atMost, equals, type Part } from '../bench/experiment/theory/claim.ts'
import { parts } from '../bench/experiment/theory/command.ts'
import { theoryMarkdown, theoryPage } from '../bench/experiment/theory/report.ts'
import { fittedSlope, logSlope, meanInterval, medianInterval } from '../bench/experiment/theory/slope.ts'
import { exactHypergradient, minimize, World } from '../bench/experiment/theory/world.ts'
import { Random } from '../bench/harness/random.ts'
import { loadBackend } from '../ts/backend/load.ts'

const test = suite('theory')
const near = (a: number, b: number, tolerance: number) =>
  assert.ok(Math.abs(a - b) <= tolerance, `${a} is not within ${tolerance} of ${b}`)
const x = [1, 3, 10, 100, 700]

test('the slope of an exact power law is its exponent, and its interval is a point', () => {
  for (const power of [-0.5, 0, 1.5]) {
    const law = (scale: number) => x.map((size) => scale * size ** power)
    near(logSlope(x, law(7)), power, 1e-12)
    const fit = fittedSlope(x, [law(1), law(20), law(0.3)])
    for (const value of Object.values(fit)) near(value, power, 1e-12)
  }
})

test('intervals are those of Student and of the sign test', () => {
  // scipy.stats.t.interval(0.95, 4, 3, numpy.std([1, 2, 3, 4, 5], ddof=1) / 5 ** 0.5)
  const { value, low, high } = meanInterval([1, 2, 3, 4, 5])
  near(value, 3, 1e-15)
  near(low, 1.0367568385, 1e-3)
  near(high, 4.9632431615, 1e-3)
  assert.equal(medianInterval([5, 1, 1000, 2, 3, 4, 6, 7, 8, 9, 10]), { value: 6, low: 3, high: 9 })
})

test('a claim is confirmed or refuted where the whole interval says so', () => {
  const of = (low: number, high: number) => ({ value: (low + high) / 2, low, high })
  assert.is(atMost('', -0.5, of(-0.9, -0.45)).verdict, 'confirmed')
  assert.is(atMost('', -0.5, of(-0.45, -0.35)).verdict, 'undecided')
  assert.is(atMost('', -0.5, of(-0.3, -0.1)).verdict, 'refuted')
  assert.is(equals('', 1, of(0.95, 1.05)).verdict, 'confirmed')
  assert.is(equals('', 1, of(0.5, 1.05)).verdict, 'undecided')
  assert.is(equals('', 1, of(1.2, 1.5)).verdict, 'refuted')
})

test('samples are drawn from the population: its gradients are their expectation', async () => {
  const world = new World(await loadBackend(), { features: 3, classes: 3, pool: 20 }, 0.5, 1)
  const population = world.population()
  const point = population.start()
  const gradientOf = (problem: typeof population) => {
    const gradient = problem.zeros(point.inner.length)
    problem.oracles.innerGradient(point, problem.backend.Batch.all(problem.oracles.samples), gradient)
    return gradient
  }
  const [truth, drawn] = [gradientOf(population), gradientOf(world.draw(40_000, new Random(2)))]
  drawn.axpy(-1, truth)
  assert.ok(truth.norm() > 0.1)
  // A sample's gradient is about 1.3 long, so the mean of 40 000 is off by about 0.0065.
  assert.ok(drawn.norm() < 0.015, `off by ${drawn.norm()}`)
})

test('the exact hypergradient is the slope of Φ', async () => {
  const world = new World(await loadBackend(), { features: 3, classes: 3, pool: 40 }, 0.5, 1)
  const problem = world.draw(60, new Random(3))
  const phi = (v: Float64Array) => {
    const point = problem.point(problem.zeros(problem.oracles.innerLength), problem.vector(v))
    minimize(problem, point)
    return { value: problem.oracles.outerLoss(point), point }
  }
  const v = Float64Array.from([-1, -2, -3])
  const gradient = exactHypergradient(problem, phi(v).point).readF64()
  for (const j of v.keys()) {
    const by = (h: number) => phi(v.map((value, i) => (i === j ? value + h : value))).value
    near((by(1e-4) - by(-1e-4)) / 2e-4, gradient[j], 1e-7)
  }
})

test('the quick form of each question gives claims, curves and a page', async () => {
  const backend = await loadBackend()
  const done: Part[] = []
  // `concurrency` measures time alone, in processes of their own.
  for (const name of ['estimation', 'cross', 'rates', 'growth']) {
    done.push(await parts[name](backend, { seed: 0, quick: true }))
  }
  for (const { claims, charts } of done) {
    assert.ok(claims.length > 0 && claims.every(({ measured }) => Number.isFinite(measured.value)))
    for (const { curves } of charts) {
      assert.ok(curves.every(({ x, y }) => x.length === y.length && y.every((value) => value > 0)))
    }
  }
  // With few samples, too, more of them make the error smaller.
  for (const { y } of done[0].charts[0].curves) assert.ok(y[y.length - 1] < y[0])
  assert.match(theoryMarkdown(done), /\| well-specified, empirical: A, slope of the error \| ≤ -0\.5 \|/)
  assert.match(theoryPage(done, 'command'), /"name":"AmIGO"/)
})

test.run()
