import { NhgdError } from '../../backend/errors.ts'
import { kFolds } from '../../data/folds.ts'
import * as defaults from '../../defaults.ts'
import { penalty } from '../../problems/blocks.ts'
import type { FoldRows } from '../../problems/crossValidation.ts'
import { Classifier } from '../classifier.ts'
import { mostLikely } from '../metrics.ts'
import { foldMaker } from './folds.ts'
import { lbfgs } from './lbfgs.ts'
import { type Evaluated, objective, type PenaltyShape, penaltyAt } from './objective.ts'
import {
  type CheckedOptions,
  type Coefficient,
  checked,
  type Score,
  type TuneProgress,
  type TuneRegularizationOptions,
  type TuneRegularizationResult,
} from './options.ts'
import type { PenaltyTerm } from './penaltyTerm.ts'
import { type Prepared, prepare } from './prepare.ts'
import { Regressor } from './regressor.ts'

const { grid, outer, worthwhile, few, holdout, prior, leftOut } = defaults.tuneRegularization

/** A penalty that was tried. */
interface Trial {
  readonly shape: PenaltyShape
  readonly v: Float64Array
  readonly at: Evaluated
}

/**
 * Learns how strongly, and with which exponent, coefficients are penalised: the strengths and q follow the hypergradient
 * of the cross-validated loss, whose folds are one bilevel problem. A grid of shared strengths gives the start.
 *
 * @throws NhgdError `ERR_RANGE`, `ERR_SHAPE` and `ERR_NOT_FINITE` for bad options or data; what `signal` was aborted with.
 */
export async function tuneRegularization(
  options: TuneRegularizationOptions,
): Promise<TuneRegularizationResult> {
  const given = checked(options)
  const began = performance.now()
  const { backend, seed = 0, signal, onProgress } = given
  const data = prepare(given)
  const { rows, columns } = data.features
  const { per = 'all', groups, power = 'learned' } = given.penalty ?? {}
  const shapeOf = (q: number | 'learned'): PenaltyShape => shape(data, per, groups, q)
  const { strengths } = shapeOf(2)

  const everyone = Uint32Array.from({ length: rows }, (_, i) => i)
  const aside =
    strengths > few ? kFolds(data.labels ?? rows, Math.round(1 / holdout), seed + 1)[0] : undefined
  const inside = aside ? Uint32Array.from(aside.train) : everyone
  const foldRows = foldsOf(given, data, inside, seed)
  const make = foldMaker(backend, data, foldRows)
  const whole = foldMaker(backend, data, [
    { train: everyone, validation: everyone },
    ...(aside ? [aside] : []),
  ])
  const block = (q: number | 'learned') => make(penalty({ per, groups, power: q }))
  const folds = { ridge: block(2), tuned: block(power) }

  // Ridge comes first: its best solutions are where all others start from, so that f depends on v alone.
  const zeros = foldRows.map(() => new Float64Array((columns + 1) * data.outputs))
  const coarse = await best(
    ridgeStrengths(data).map((s) => Math.log(s)),
    (v) => trial(folds.ridge, shapeOf(2), zeros, new Float64Array(strengths).fill(v)),
    signal,
  )
  // With several strengths the search would tell them apart: what is compared has one.
  const ridge = strengths === 1 ? await refined(folds.ridge, coarse, signal) : coarse
  const none = await trial(folds.ridge, shapeOf(2), zeros, new Float64Array(strengths).fill(Math.log(1e-6)))

  const learned = shapeOf(power)
  const powers = power === 'learned' ? grid.powers : [power]
  // Each exponent starts from the best solutions of the one before, the larger and more nearly convex.
  const way = [ridge]
  for (const q of powers) {
    const starts = (way.at(-1) as Trial).at.thetas
    way.push(await best(startsOf(data, learned, q), (v) => trial(folds.tuned, learned, starts, v), signal))
  }
  const found = way.slice(1).reduce((best, next) => (next.at.value < best.at.value ? next : best))
  // Where no exponent of the grid is better than ridge, there is nothing to follow.
  const { steps } = power === 'learned' && found.at.value >= ridge.at.value ? { steps: 0 } : outer
  const { chosen: tuned, path, bestStep, rises } = await follow(found, steps)

  async function follow(from: Trial, steps: number) {
    const path: TuneProgress[] = []
    const visited: Trial[] = []
    const evaluate = objective(folds.tuned, learned, from.at.thetas)
    const monitor =
      aside &&
      objective(whole(penalty({ per, groups, power })), learned, [from.at.thetas[0], from.at.thetas[0]])
    const mean = from.v.slice()
    const regularized = async (v: Float64Array) => {
      const at = await evaluate(v)
      if (strengths <= few) return at
      const off = v.map((x, k) => (k < strengths ? prior * (x - mean[k]) : 0))
      const value = at.value + 0.5 * off.reduce((sum, x, k) => sum + x * (v[k] - mean[k]), 0)
      return { ...at, value, gradient: at.gradient.map((g, k) => g + off[k]) }
    }
    const note = async (v: Float64Array, at: Evaluated) => {
      signal?.throwIfAborted()
      const { strengths: _, power: q } = penaltyAt(learned, v)
      const held = monitor && (await monitor(v, false)).losses[1]
      const progress: TuneProgress = {
        step: path.length,
        loss: inUnits(data, at.losses.reduce((sum, loss) => sum + loss, 0) / at.losses.length),
        strengths: v.slice(0, strengths).map(Math.exp),
        power: q,
        ...(held !== undefined && { heldOutLoss: inUnits(data, held) }),
        seconds: (performance.now() - began) / 1000,
      }
      path.push(progress)
      visited.push({ shape: learned, v, at })
      onProgress?.(progress)
      return false
    }
    await lbfgs(from.v, regularized, {
      ...outer,
      steps,
      onStep: (v, at) => note(v, at as Evaluated),
    })
    const judged = (k: number) => path[k].heldOutLoss ?? path[k].loss
    const bestStep = path.reduce((best, _, k) => (judged(k) < judged(best) ? k : best), 0)
    const rises = aside && bestStep < path.length - 1 ? bestStep + 1 : undefined
    return { path, bestStep, rises, chosen: visited[bestStep] }
  }

  // The simpler ridge penalty stays where the search gains next to nothing.
  const kept =
    power === 'learned'
      ? !(tuned.at.value < (1 - worthwhile) * ridge.at.value)
      : power === 2 && ridge.at.value < tuned.at.value
  const chosen = kept ? ridge : tuned
  const all = whole(penalty({ per, groups, power: 2 })).folds[0].solver
  const fit = (term: PenaltyTerm, from: Float64Array) => {
    const theta = from.slice()
    all.minimize(theta, term)
    return theta
  }
  // The model of all samples goes the way of the folds, since other starts may end in other minima.
  const before = chosen === ridge ? [] : way.slice(0, way.indexOf(found) + 1)
  const from = before.reduce((theta, { shape, v }) => fit(penaltyAt(shape, v), theta), zeros[0])
  const term = penaltyAt(chosen.shape, chosen.v)
  const theta = fit(term, from)
  const halved = fit(term.withSmoothing(0.25), from)
  const largest = theta
    .subarray(0, columns * data.outputs)
    .reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  const change = theta.reduce((most, x, j) => Math.max(most, Math.abs(x - halved[j])), 0)

  const score = ({ at: { losses } }: Trial): Score => {
    const mean = losses.reduce((sum, loss) => sum + loss, 0) / losses.length
    const square = losses.reduce((sum, loss) => sum + (loss - mean) ** 2, 0) / (losses.length - 1)
    return { value: inUnits(data, mean), standardError: inUnits(data, Math.sqrt(square / losses.length)) }
  }
  const coefficients = coefficientsOf(data, theta)
  return {
    penalty: { strengths: chosen.v.slice(0, strengths).map(Math.exp), power: term.power },
    losses: {
      chosen: score(chosen),
      none: score(none),
      ridge: { ...score(ridge), strength: Math.exp(ridge.v[0]) },
    },
    path,
    bestStep,
    ...(rises !== undefined && { risesFrom: rises }),
    coefficients: coefficients.toSorted((a, b) => Math.abs(b.standardized) - Math.abs(a.standardized)),
    leftOut: Array.from({ length: columns }, (_, j) => j).filter((j) =>
      coefficients.every((c) => c.feature !== j || Math.abs(c.standardized) < leftOut * largest),
    ),
    heldOut: heldOut(data, foldRows, chosen.at.thetas),
    ...modelOf(given, data, theta),
    smoothingInfluence: largest > 0 ? change / largest : 0,
    warnings: warningsOf(data, chosen, largest),
    seconds: (performance.now() - began) / 1000,
  }
}

async function trial(
  folds: Parameters<typeof objective>[0],
  shape: PenaltyShape,
  starts: readonly Float64Array[],
  v: Float64Array,
  differentiate = false,
): Promise<Trial> {
  return { shape, v, at: await objective(folds, shape, starts)(v, differentiate) }
}

/** The trial after a short search from it. */
async function refined(
  folds: Parameters<typeof objective>[0],
  { shape, v, at }: Trial,
  signal: AbortSignal | undefined,
): Promise<Trial> {
  let best: Trial = { shape, v, at }
  await lbfgs(v, objective(folds, shape, at.thetas), {
    ...outer,
    async onStep(v, at) {
      signal?.throwIfAborted()
      if (at.value < best.at.value) best = { shape, v, at: at as Evaluated }
      return false
    },
  })
  return best
}

async function best<V>(
  values: readonly V[],
  run: (value: V) => Promise<Trial>,
  signal: AbortSignal | undefined,
): Promise<Trial> {
  let best: Trial | undefined
  for (const value of values) {
    signal?.throwIfAborted()
    const next = await run(value)
    if (!best || next.at.value < best.at.value) best = next
  }
  return best as Trial
}

function shape(
  { features: { columns }, outputs }: Prepared,
  per: 'all' | 'group' | 'feature',
  groups: ArrayLike<number> | undefined,
  power: number | 'learned',
): PenaltyShape {
  const of = (j: number) => (per === 'all' ? 0 : per === 'feature' ? j : (groups as ArrayLike<number>)[j])
  const all = new Int32Array((columns + 1) * outputs).fill(-1)
  for (let k = 0; k < columns * outputs; k++) all[k] = of(Math.floor(k / outputs))
  return { groups: all, strengths: all.reduce((most, k) => Math.max(most, k), 0) + 1, power }
}

/** The folds of the rows that take part, by position in all samples. */
function foldsOf(
  { folds = defaults.tuneRegularization.folds }: CheckedOptions,
  { labels, features }: Prepared,
  inside: Uint32Array,
  seed: number,
): FoldRows[] {
  if (typeof folds === 'number') {
    const own = labels ? inside.map((i) => labels[i]) : inside.length
    return kFolds(own, folds, seed).map(({ train, validation }) => ({
      train: Uint32Array.from(train, (i) => inside[i]),
      validation: Uint32Array.from(validation, (i) => inside[i]),
    }))
  }
  const taken = new Set(inside)
  const within = (rows: ArrayLike<number>, name: string) => {
    const beyond = Array.from(rows).find((i) => !(Number.isInteger(i) && i >= 0 && i < features.rows))
    if (beyond !== undefined) {
      throw new NhgdError('ERR_RANGE', `"${name}" expected rows below ${features.rows}, got ${beyond}`)
    }
    return Uint32Array.from(rows).filter((i) => taken.has(i))
  }
  return folds.map(({ train, validation }, k) => ({
    train: within(train, `folds[${k}].train`),
    validation: within(validation, `folds[${k}].validation`),
  }))
}

/** The largest mean product of a feature with the centred targets, or class indicators. */
function scaleOf({ features: { data, rows, columns }, targets, labels, outputs }: Prepared): number {
  const products = new Float64Array(columns * outputs)
  const shares = new Float64Array(outputs)
  const value = (i: number, c: number) =>
    targets ? targets[i * outputs + c] : Number((labels as Uint32Array)[i] === (outputs === 1 ? 1 : c))
  for (let i = 0; i < rows; i++) for (let c = 0; c < outputs; c++) shares[c] += value(i, c) / rows
  for (let i = 0; i < rows; i++) {
    for (let c = 0; c < outputs; c++) {
      const y = (value(i, c) - shares[c]) / rows
      for (let j = 0; j < columns; j++) products[j * outputs + c] += data[i * columns + j] * y
    }
  }
  return products.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-12)
}

function ridgeStrengths(data: Prepared): number[] {
  const scale = scaleOf(data) / grid.size
  return [1, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4].map((s) => s * scale)
}

/** v of a shared strength at this q, one per strength of the grid. */
function startsOf(data: Prepared, { strengths, power }: PenaltyShape, q: number): Float64Array[] {
  const scale = scaleOf(data) * grid.size ** (1 - q)
  return grid.strengths.map((s) => {
    const v = new Float64Array(strengths + Number(power === 'learned')).fill(Math.log(s * scale))
    const share = (Math.min(q, 1.98) - 0.2) / 1.8
    if (power === 'learned') v[strengths] = Math.log(share / (1 - share))
    return v
  })
}

/** A loss as users read it. */
function inUnits({ targets, outputs, targetUnits }: Prepared, loss: number): number {
  if (!targets) return loss
  return outputs === 1 ? 2 * loss * targetUnits.deviations[0] ** 2 : (2 * loss) / outputs
}

function coefficientsOf(
  { features: { columns }, outputs, units, targetUnits }: Prepared,
  theta: Float64Array,
) {
  const all: Coefficient[] = []
  for (let j = 0; j < columns; j++) {
    for (let c = 0; c < outputs; c++) {
      const standardized = theta[j * outputs + c]
      const value =
        units.deviations[j] > 0 ? (standardized * targetUnits.deviations[c]) / units.deviations[j] : 0
      all.push({ feature: j, output: c, value, standardized })
    }
  }
  return all
}

/** The model in the user's units. */
function modelOf({ backend }: CheckedOptions, data: Prepared, theta: Float64Array) {
  const { features, outputs, units, targetUnits, labels } = data
  const { columns } = features
  const own = new Float64Array(theta.length)
  const intercepts = Float64Array.from({ length: outputs }, (_, c) => {
    return targetUnits.means[c] + targetUnits.deviations[c] * theta[columns * outputs + c]
  })
  for (const { feature, output, value } of coefficientsOf(data, theta)) {
    own[feature * outputs + output] = value
    intercepts[output] -= value * units.means[feature]
  }
  own.set(intercepts, columns * outputs)
  if (!labels) return { intercepts, model: new Regressor(columns, outputs, own) }
  // The log-odds of class 1 are the difference of two scores.
  const classes = Math.max(2, outputs)
  const both = outputs === 1 ? Float64Array.from(Array.from(own).flatMap((w) => [-w / 2, w / 2])) : own
  return { intercepts, model: new Classifier(backend, classes, columns, both) }
}

/** Predictions by the fold that left a sample out. */
function heldOut(
  { features: { data, rows, columns }, outputs, targetUnits, labels }: Prepared,
  folds: readonly FoldRows[],
  thetas: readonly Float64Array[],
): Float64Array {
  const width = labels ? 1 : outputs
  const out = new Float64Array(rows * width).fill(Number.NaN)
  for (const [k, { validation }] of folds.entries()) {
    for (const i of Array.from(validation)) {
      const scores = Float64Array.from({ length: outputs }, (_, c) => {
        let z = thetas[k][columns * outputs + c]
        for (let j = 0; j < columns; j++) z += data[i * columns + j] * thetas[k][j * outputs + c]
        return targetUnits.means[c] + targetUnits.deviations[c] * z
      })
      if (!labels) out.set(scores, i * outputs)
      else out[i] = outputs === 1 ? Number(scores[0] > 0) : mostLikely(scores, outputs, 0)
    }
  }
  return out
}

function warningsOf({ constant }: Prepared, { at }: Trial, largest: number): string[] {
  return [
    ...(constant.length > 0
      ? [
          `${constant.length === 1 ? 'the column' : 'the columns'} ${constant.join(', ')} are constant and left out`,
        ]
      : []),
    ...(at.indefinite
      ? [
          'the Hessian is not positive definite at some coefficients: there, the search took the curvature of a majorizer',
        ]
      : []),
    ...(largest < 1e-6 ? ['no feature helps to predict: all coefficients are next to 0'] : []),
  ]
}
