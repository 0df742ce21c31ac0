import { read } from '../../backend/backend.ts'
import { checkOptions, numbers, refuse, seedCheck, shape, size } from '../../backend/check.ts'
import { type AnyProblem, problemCheck } from '../problem.ts'
import { derivative, largest, moved } from './differences.ts'
import type { Functions, Place } from './functions.ts'
import { CustomOracles } from './oracles.ts'
import type { Entries } from './room.ts'

export interface CheckDerivativesOptions {
  /** θ and v to check at; by default near the problem's start, since much is zero at the start itself. */
  readonly at?: { readonly inner?: ArrayLike<number>; readonly outer?: ArrayLike<number> }
  /** Random directions, 3 by default. */
  readonly directions?: number
  readonly seed?: number
}

/** A callback beside what it should equal. */
export interface DerivativeCheck {
  /** Its place in the options, such as `inner.gradient`. */
  readonly callback: string
  /** What it was compared with. */
  readonly against: string
  /** Largest difference, over the largest of either. */
  readonly error: number
  /** What came over what should have come, by least squares; 1 where the callback is right. */
  readonly ratio: number
  /** How far the differences may be off themselves, in units of `error`. */
  readonly precision: number
  readonly wrong: boolean
}

export interface CheckDerivativesResult {
  readonly checks: readonly DerivativeCheck[]
  /** Names of the callbacks that are wrong. */
  readonly wrong: readonly string[]
  /** In words: which callback is wrong, and by how much. */
  readonly verdict: string
}

const checks = { at: shape({ inner: numbers, outer: numbers }), directions: size(1), seed: seedCheck }

/**
 * Compares every callback of a problem with central differences of the callbacks that it is a derivative of, on all
 * samples and on a part of them: the first thing to run on a new problem. A gradient without a loss has to be the gradient
 * of something: its derivative has to be symmetric.
 *
 * @throws NhgdError `ERR_RANGE` for a problem that is not one of `customProblem`, `ERR_CALLBACK` where a callback fails.
 */
export async function checkDerivatives(
  problem: AnyProblem,
  options: CheckDerivativesOptions = {},
): Promise<CheckDerivativesResult> {
  const { at = {}, directions = 3, seed = 0 } = checkOptions(options, checks)
  problemCheck('problem', problem)
  const { oracles } = problem
  if (!(oracles instanceof CustomOracles)) return refuse('problem', 'a customProblem', 'a built-in one')
  const random = new problem.backend.Sampler(seed, 1)
  const uniform = () => (2 * random.seed()) / 2 ** 53 - 1
  const near = (x: Entries) => x.map((x) => x + 0.1 * (Math.abs(x) || 1) * uniform())
  const start = problem.start(seed, at)
  const [theta, v] = [start.inner, start.outer].map(read)
  const [x, y] = [at.inner ? theta : near(theta), at.outer ? v : near(v)]
  const placeOf = (batch: Uint32Array): Place => ({
    theta: () => x.slice(),
    v: () => y.slice(),
    batch: () => batch.slice(),
  })
  const draw = (length: number) => Float64Array.from({ length }, uniform)
  const comparison = new Comparison(oracles.functions, draw, directions)
  for (const batch of batches(oracles.samples)) await comparison.inner(placeOf(batch))
  for (const batch of batches(oracles.outerSamples)) await comparison.outer(placeOf(batch))
  return comparison.result()
}

/** All samples, and every other one where there are several. */
function batches(samples: number): Uint32Array[] {
  const all = Uint32Array.from({ length: samples }, (_, i) => i)
  return samples > 1 ? [all, all.filter((i) => i % 2 === 0)] : [all]
}

/** What is compared so far. */
class Comparison {
  readonly #functions: Functions
  readonly #draw: (length: number) => Float64Array
  readonly #directions: number
  readonly #found = new Map<string, DerivativeCheck>()

  constructor(functions: Functions, draw: (length: number) => Float64Array, directions: number) {
    this.#functions = functions
    this.#draw = draw
    this.#directions = directions
  }

  /** Compares the callbacks of g on a batch. */
  async inner(place: Place): Promise<void> {
    const functions = this.#functions
    const { d, p } = functions
    const [theta, v] = [place.theta(), place.v()]
    const given = (name: string) => functions.has(`inner.${name}`)
    const name = given('gradient') ? 'inner.gradient' : 'inner.sampleGradients'
    const { entries: gradient, value } = await functions.gradient(place)
    const gradientAt = async (at: Moved) => (await functions.gradient(there(place, at))).entries
    const along = (w: Entries) => this.#along(theta, w, (theta) => gradientAt({ theta }))
    if (given('loss')) {
      const loss = async (theta: Entries) => one(await functions.loss(there(place, { theta })))
      if (value !== undefined) this.#compare(name, 'the value of inner.loss', one(value), await loss(theta))
      await this.#slopes(name, 'differences of inner.loss', gradient, theta, loss)
    } else {
      for (let k = 0; k < this.#directions; k++) {
        const [u, w] = [this.#draw(d), this.#draw(d)]
        const [alongU, alongW] = [await along(u), await along(w)]
        const precision = Math.max(alongU.precision, alongW.precision)
        const size = Math.max(alongU.floor, alongW.floor, largest(alongU.value), largest(alongW.value))
        const [mine, other] = [one(dot(alongU.value, w)), one(dot(alongW.value, u))]
        this.#compare(name, 'the symmetry of its own derivative', mine, other, precision, size)
      }
    }
    await this.#parts(name, place, gradient)
    if (given('gradient') && given('sampleGradients')) {
      const { entries } = await functions.sampleGradients(place)
      this.#compare('inner.sampleGradients', 'inner.gradient, by its mean', functions.mean(entries), gradient)
    }
    for (let k = 0; k < this.#directions; k++) {
      const u = this.#draw(d)
      if (given('hessianProduct')) {
        const { value, precision, floor } = await along(u)
        const product = await functions.hessianProduct(place, this.#typed(u))
        const against = `differences of ${name} along θ`
        this.#compare('inner.hessianProduct', against, product, value, precision, floor)
      }
      if (given('crossProduct')) {
        const w = this.#draw(p)
        const { value, precision, floor } = await this.#along(v, w, (v) => gradientAt({ v }))
        const product = await functions.crossProduct(place, this.#typed(u))
        const against = `differences of ${name} along v`
        this.#compare(
          'inner.crossProduct',
          against,
          one(dot(product, w)),
          one(dot(value, u)),
          precision,
          floor,
        )
      }
    }
    const smallest = Math.min(...(await functions.regularizer(v)))
    if (smallest < 0) this.#compare('inner.regularizer', 'numbers from 0', one(smallest), one(0))
  }

  /** Compares the callbacks of f on a batch. */
  async outer(place: Place): Promise<void> {
    const functions = this.#functions
    const [theta, v] = [place.theta(), place.v()]
    const loss = async (at: Moved) => one(await functions.outerLoss(there(place, at)))
    const against = 'differences of outer.loss'
    if (functions.has('outer.gradient')) {
      const { entries, value } = await functions.outerGradient(place)
      if (value !== undefined)
        this.#compare('outer.gradient', 'the value of outer.loss', one(value), await loss({}))
      await this.#slopes('outer.gradient', against, entries, theta, (theta) => loss({ theta }))
    }
    if (functions.has('outer.directGradient')) {
      const entries = await functions.directGradient(place)
      await this.#slopes('outer.directGradient', against, entries, v, (v) => loss({ v }))
    }
  }

  /** What was found, in words as well. */
  result(): CheckDerivativesResult {
    const checks = [...this.#found.values()]
    const bad = checks.filter(({ wrong }) => wrong)
    const wrong = [...new Set(bad.map(({ callback }) => callback))]
    const sentences = bad.map(({ callback, against, error, ratio }) => {
      const times = Number.isFinite(ratio) ? `, and is ${Number(ratio.toPrecision(3))} times as large` : ''
      return `${callback} is wrong: it is off by ${Number((100 * error).toPrecision(3))} % from ${against}${times}.`
    })
    const verdict = sentences.join(' ') || `All ${checks.length} comparisons agree.`
    return { checks, wrong, verdict }
  }

  /** The mean over a batch has to be that of its parts. */
  async #parts(name: string, place: Place, gradient: Entries): Promise<void> {
    const batch = place.batch()
    if (batch.length < 2) return
    const cut = Math.ceil(batch.length / 3)
    const sum = new Float64Array(gradient.length)
    for (const part of [batch.slice(0, cut), batch.slice(cut)]) {
      const { entries } = await this.#functions.gradient({ ...place, batch: () => part.slice() })
      for (let j = 0; j < sum.length; j++) sum[j] += (part.length / batch.length) * entries[j]
    }
    this.#compare(name, 'the mean over parts of the batch', gradient, sum)
  }

  /** Compares a gradient in x with differences of its function. */
  async #slopes(
    callback: string,
    against: string,
    gradient: Entries,
    x: Entries,
    value: (x: Entries) => Promise<Float64Array>,
  ): Promise<void> {
    for (let k = 0; k < this.#directions; k++) {
      const w = this.#draw(x.length)
      const { value: slope, precision, floor } = await this.#along(x, w, value)
      this.#compare(callback, against, one(dot(gradient, w)), slope, precision, floor)
    }
  }

  /** The derivative of a function of x along a direction, and below what size it drowns in rounding. */
  async #along(x: Entries, w: Entries, at: (x: Entries) => Promise<Entries>) {
    const { epsilon } = this.#functions
    const scale = largest(x) || 1
    const { value, disagreement } = await derivative((step) => at(moved(x, step, w)), epsilon, scale)
    return { value, precision: disagreement, floor: (1e-6 * largest(await at(x.slice()))) / scale }
  }

  /** Keeps the worst of all comparisons of the same two. */
  #compare(callback: string, against: string, got: Entries, due: Entries, precision = 0, floor = 0): void {
    const size = Math.max(largest(got), largest(due), floor)
    const error = size === 0 ? 0 : largest(moved(Float64Array.from(got), -1, due)) / size
    const wrong = error > Math.max(this.#functions.dtype === 'f64' ? 1e-5 : 1e-2, precision)
    const key = `${callback} ${against}`
    if (error < (this.#found.get(key)?.error ?? 0)) return
    this.#found.set(key, { callback, against, error, ratio: dot(got, due) / dot(due, due), precision, wrong })
  }

  #typed(x: Float64Array): Entries {
    return this.#functions.dtype === 'f64' ? x : Float32Array.from(x)
  }
}

/** θ or v in place of those of a place. */
interface Moved {
  readonly theta?: Entries
  readonly v?: Entries
}

function there(place: Place, { theta, v }: Moved): Place {
  return {
    ...place,
    ...(theta && { theta: () => theta.slice() }),
    ...(v && { v: () => v.slice() }),
  }
}

const one = (value = Number.NaN) => Float64Array.of(value)

function dot(x: Entries, y: Entries): number {
  let sum = 0
  for (let i = 0; i < x.length; i++) sum += x[i] * y[i]
  return sum
}
