import { NhgdError } from '../../backend/errors.ts'
import { scoped } from '../../backend/scope.ts'
import { kFolds } from '../../data/folds.ts'
import * as defaults from '../../defaults.ts'
import { Breather } from '../../hypergradient/clock.ts'
import { penalty } from '../../problems/blocks.ts'
import type { FoldRows } from '../../problems/crossValidation.ts'
import { foldMaker } from './folds.ts'
import { sharedStrength, strengthsAt } from './grid.ts'
import { objective, type PenaltyShape, penaltyAt } from './objective.ts'
import {
  type CheckedOptions,
  checked,
  type TuneProgress,
  type TuneRegularizationOptions,
  type TuneRegularizationResult,
} from './options.ts'
import type { PenaltyTerm } from './penaltyTerm.ts'
import { type Prepared, prepare } from './prepare.ts'
import { coefficientsOf, heldOut, inUnits, modelOf, score, summary } from './results.ts'
import { bestOf, follow, type Trial } from './search.ts'

const { grid, worthwhile, few, holdout, leftOut } = defaults.tuneRegularization

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
  return scoped(given.backend, (backend) => tune({ ...given, backend }))
}

async function tune(given: CheckedOptions): Promise<TuneRegularizationResult> {
  const began = performance.now()
  const { backend, seed = 0, signal, onProgress } = given
  const breather = new Breather(() => signal?.throwIfAborted())
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
  const make = foldMaker(backend, data, () => breather.due())
  const { penalised } = make(foldRows)
  const folds = {
    ridge: penalised(penalty({ per, groups, power: 2 })),
    tuned: penalised(penalty({ per, groups, power })),
  }

  // Ridge comes first: its best solutions are where all others start from, so that f depends on v alone.
  const [plain, learned] = [shapeOf(2), shapeOf(power)]
  const zeros = foldRows.map(() => new Float64Array((columns + 1) * data.outputs))
  const shared = (shape: PenaltyShape, q: number) =>
    strengthsAt(data, q).map((s) => sharedStrength(shape, s, q))
  let ridge = await bestOf(folds.ridge, plain, zeros, shared(plain, 2))
  const none = await bestOf(folds.ridge, plain, zeros, [sharedStrength(plain, 1e-6, 2)])
  // With several strengths the search would tell them apart: what is compared has one.
  if (strengths === 1) {
    await follow(folds.ridge, ridge, {
      async onTrial(next) {
        if (next.at.value < ridge.at.value) ridge = next
      },
    })
  }

  // Each exponent starts from the best solutions of the one before, the larger and more nearly convex.
  const way = [ridge]
  for (const q of power === 'learned' ? grid.powers : [power]) {
    const starts = (way.at(-1) as Trial).at.thetas
    way.push(await bestOf(folds.tuned, learned, starts, shared(learned, q)))
  }
  const found = way.slice(1).reduce((best, next) => (next.at.value < best.at.value ? next : best))

  const path: TuneProgress[] = []
  const visited: Trial[] = []
  const further = aside && make([aside]).penalised(penalty({ per, groups, power }))
  const monitor = further && objective(further, learned, [found.at.thetas[0]])
  await follow(folds.tuned, found, {
    // Where no exponent of the grid is better than ridge, there is nothing to follow.
    ...(power === 'learned' && found.at.value >= ridge.at.value && { steps: 0 }),
    async onTrial(next) {
      const held = monitor && (await monitor(next.v, false)).value
      const progress: TuneProgress = {
        step: path.length,
        loss: inUnits(data, next.at.value),
        strengths: next.v.slice(0, strengths).map(Math.exp),
        power: penaltyAt(learned, next.v).power,
        ...(held !== undefined && { heldOutLoss: inUnits(data, held) }),
        seconds: (performance.now() - began) / 1000,
      }
      path.push(progress)
      visited.push(next)
      onProgress?.(progress)
    },
  })
  const judged = (k: number) => path[k].heldOutLoss ?? path[k].loss
  const bestStep = path.reduce((best, _, k) => (judged(k) < judged(best) ? k : best), 0)
  const tuned = visited[bestStep]

  // The simpler ridge penalty stays, unless the folds show that what the search found is better.
  const kept = power === 'learned' ? !isBetter(tuned, ridge) : power === 2 && ridge.at.value < tuned.at.value
  const chosen = kept ? ridge : tuned
  const [all] = make([{ train: everyone, validation: everyone }]).solvers
  const fit = async (term: PenaltyTerm, from: Float64Array) => {
    await breather.due()
    const theta = from.slice()
    all.minimize(theta, term)
    return theta
  }
  // The model of all samples goes the way of the folds, since other starts may end in other minima.
  const before = chosen === ridge ? [] : way.slice(0, way.indexOf(found) + 1)
  let from = zeros[0]
  for (const { shape, v } of before) from = await fit(penaltyAt(shape, v), from)
  const term = penaltyAt(chosen.shape, chosen.v)
  const theta = await fit(term, from)
  const halved = await fit(term.withSmoothing(0.25), from)
  const largest = theta
    .subarray(0, columns * data.outputs)
    .reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  const change = theta.reduce((most, x, j) => Math.max(most, Math.abs(x - halved[j])), 0)

  const coefficients = coefficientsOf(data, theta)
  return {
    penalty: { strengths: chosen.v.slice(0, strengths).map(Math.exp), power: term.power },
    losses: {
      chosen: score(data, chosen.at.losses),
      none: score(data, none.at.losses),
      ridge: { ...score(data, ridge.at.losses), strength: Math.exp(ridge.v[0]) },
    },
    path,
    bestStep,
    ...(aside && bestStep < path.length - 1 && { risesFrom: bestStep + 1 }),
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

/** Whether the mean gain over folds is a worthwhile share, and more than its standard error (Breiman et al. 1984, 3.4.3). */
function isBetter({ at: { losses } }: Trial, { at }: Trial): boolean {
  const { value: gain, standardError } = summary(at.losses.map((loss, k) => loss - losses[k]))
  return gain > worthwhile * at.value && gain > standardError
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
