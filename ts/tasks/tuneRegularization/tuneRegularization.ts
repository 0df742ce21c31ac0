import { fingerprint, ofFeatures } from '../../backend/fingerprint.ts'
import * as defaults from '../../defaults.ts'
import { Breather } from '../../hypergradient/clock.ts'
import { inStages, type Stages } from '../stages.ts'
import { atOnce, type Pace } from './folds.ts'
import { objective, penaltyAt } from './objective.ts'
import {
  type CheckedOptions,
  checked,
  type TuneProgress,
  type TuneRegularizationOptions,
  type TuneRegularizationResult,
} from './options.ts'
import type { Prepared } from './prepare.ts'
import { coefficientsOf, heldOut, inUnits, lossesOf, modelOf, score, summary } from './results.ts'
import { findStart, follow, isPromising, type Moved, type Trial, wayTo } from './search.ts'
import { setUp } from './setup.ts'

const { worthwhile, leftOut } = defaults.tuneRegularization

/**
 * Learns how strongly, and with which exponent, coefficients are penalised: the strengths and q follow the hypergradient
 * of the cross-validated loss, whose folds are one bilevel problem. A grid of shared strengths gives the start.
 *
 * @throws NhgdError `ERR_RANGE`, `ERR_SHAPE` and `ERR_NOT_FINITE` for bad options or data; `ERR_CHECKPOINT` where the
 * checkpoint is that of other settings or data, or can't be written; what `signal` was aborted with.
 */
export async function tuneRegularization(
  options: TuneRegularizationOptions,
): Promise<TuneRegularizationResult> {
  return inStages(checked(options), about, (given, stages) => tune(given, undefined, stages))
}

const version = 1

/** What tells a run of the task from others. */
function about(options: CheckedOptions): object {
  const { backend, signal, communicator, onProgress, checkpoint, ...given } = options
  const { features, targets, labels, columns, folds, ...own } = given
  const { groups, ...penalty } = own.penalty ?? {}
  const rows = typeof folds === 'object' ? folds.flatMap(({ train, validation }) => [train, validation]) : []
  const data = fingerprint([ofFeatures(features), targets?.data, labels, groups, ...rows])
  return {
    version,
    task: 'tuneRegularization',
    ...own,
    penalty,
    folds: rows.length > 0 ? rows.length / 2 : folds,
    data,
  }
}

/** The same for options that are checked, from another start. */
export async function tune(
  given: CheckedOptions,
  from?: Moved,
  stages?: Stages,
): Promise<TuneRegularizationResult> {
  const began = performance.now()
  const { signal, onProgress } = given
  const breather = new Breather(() => signal?.throwIfAborted())
  const setup = setUp(given, {
    pause: () => breather.due(),
    once: inOrder(stages),
    ranks: stages?.ranks ?? atOnce.ranks,
  })
  const { data, foldRows, shapes, folds, further, start } = setup
  const { strengths, power } = shapes.tuned
  const { ridge: first, none, found } = await findStart(setup, from)

  const path: TuneProgress[] = []
  const visited: Trial[] = []
  const monitor = further && objective(further, shapes.tuned, [found.at.thetas[0]])
  const onTrial = async (next: Trial) => {
    const held = monitor && (await monitor(next.v, false)).value
    const progress: TuneProgress = {
      step: path.length,
      loss: inUnits(data, next.at.value),
      strengths: next.v.slice(0, strengths).map(Math.exp),
      power: penaltyAt(shapes.tuned, next.v).power,
      ...(held !== undefined && { heldOutLoss: inUnits(data, held) }),
      seconds: (performance.now() - began) / 1000,
    }
    path.push(progress)
    visited.push(next)
    onProgress?.(progress)
  }
  // Where no exponent of the grid is better than ridge, there is nothing to follow.
  if (power !== 'learned' || isPromising(found, first)) await follow(folds.tuned, found, onTrial)
  else await onTrial(found)
  const judged = (k: number) => path[k].heldOutLoss ?? path[k].loss
  const bestStep = path.reduce((best, _, k) => (judged(k) < judged(best) ? k : best), 0)
  const tuned = visited[bestStep]

  // One ridge penalty is followed as well where it is what is tuned.
  const isRidge = power === 2 && strengths === 1 && tuned.at.value < first.at.value
  const ridge = isRidge ? tuned : first
  // The simpler ridge penalty stays, unless the folds show that what the search found is better.
  const losses = ({ at }: Trial) => lossesOf(given.backend, data, foldRows, at)
  const kept =
    power === 'learned'
      ? !isBetter(losses(tuned), losses(ridge))
      : power === 2 && ridge.at.value < tuned.at.value
  const chosen = kept ? ridge : tuned
  // The model of all samples goes the way of the folds, since other starts may end in other minima.
  let last = start
  for (const { shape, v } of wayTo(chosen).slice(0, -1))
    last = await setup.fit(last, penaltyAt(shape, v), true)
  const term = penaltyAt(chosen.shape, chosen.v)
  const theta = await setup.fit(last, term)
  const halved = term.power === 2 ? theta : await setup.fit(theta, term.withSmoothing(0.25))
  const largest = theta
    .subarray(0, data.features.columns * data.outputs)
    .reduce((most, x) => Math.max(most, Math.abs(x)), 0)
  const change = theta.reduce((most, x, j) => Math.max(most, Math.abs(x - halved[j])), 0)

  const coefficients = coefficientsOf(data, theta)
  const large = coefficients.filter(({ standardized }) => Math.abs(standardized) >= leftOut * largest)
  const counting = new Set(large.map(({ feature }) => feature))
  return {
    penalty: { strengths: chosen.v.slice(0, strengths).map(Math.exp), power: term.power },
    losses: {
      chosen: score(data, losses(chosen)),
      none: score(data, losses(none)),
      ridge: { ...score(data, losses(ridge)), strength: Math.exp(ridge.v[0]) },
    },
    path,
    bestStep,
    ...(further && bestStep < path.length - 1 && { risesFrom: bestStep + 1 }),
    coefficients: coefficients.toSorted((a, b) => Math.abs(b.standardized) - Math.abs(a.standardized)),
    leftOut: Array.from({ length: data.features.columns }, (_, j) => j).filter(
      (j) => coefficients.length > 0 && !counting.has(j),
    ),
    heldOut: heldOut(given.backend, data, foldRows, chosen.at.thetas),
    ...modelOf(given, data, theta),
    curvature: folds.tuned.folds[0].problem.oracles.curvature,
    smoothingInfluence: largest > 0 ? change / largest : 0,
    warnings: warningsOf(data, chosen, largest),
    seconds: (performance.now() - began) / 1000,
  }
}

/** Keeps the outcomes of work by its order, which depends on earlier outcomes alone. */
function inOrder(stages: Stages | undefined): Pace['once'] {
  let done = 0
  return async (work) => (stages ? stages.take(`work ${done++}`, work) : work())
}

/** Whether the mean gain is a worthwhile share, and more than its standard error (Breiman et al. 1984, 3.4.3). */
function isBetter(losses: readonly number[], before: readonly number[]): boolean {
  const { value: gain, standardError } = summary(before.map((loss, k) => loss - losses[k]))
  return gain > worthwhile * summary(before).value && gain > standardError
}

function warningsOf({ constant, columns }: Prepared, { at }: Trial, largest: number): string[] {
  const named = constant.map((j) => columns?.[j] ?? j).join(', ')
  return [
    ...(constant.length > 0
      ? [
          `${constant.length === 1 ? 'the column' : 'the columns'} ${named} ${constant.length === 1 ? 'is' : 'are'} constant and left out`,
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
