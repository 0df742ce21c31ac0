import { NhgdError } from '../../backend/errors.ts'
import { kFolds } from '../../data/folds.ts'
import * as defaults from '../../defaults.ts'
import { penalty } from '../../problems/blocks.ts'
import type { FoldRows } from '../../problems/crossValidation.ts'
import { atOnce, type Folds, foldMaker } from './folds.ts'
import type { PenaltyShape } from './objective.ts'
import type { CheckedOptions, TunedPenalty } from './options.ts'
import type { PenaltyTerm } from './penaltyTerm.ts'
import { type Prepared, prepare } from './prepare.ts'
import type { InnerSolver } from './solver.ts'

const { few, holdout } = defaults.tuneRegularization

/** What a search works on. */
export interface Setup {
  readonly data: Prepared
  readonly foldRows: readonly FoldRows[]
  /** One ridge penalty or several, and the penalty that is tuned. */
  readonly shapes: { readonly ridge: PenaltyShape; readonly tuned: PenaltyShape }
  readonly folds: { readonly ridge: Folds; readonly tuned: Folds }
  /** Rows that no fold has, with the penalty that is tuned, where there are many strengths. */
  readonly further?: Folds
  /** θ to start from: 0, or a network's random weights. */
  readonly start: Float64Array
  /** θ of all samples under a penalty, from another θ, or near to it where `rough` is enough. */
  fit(from: Float64Array, penalty: PenaltyTerm, rough?: boolean): Promise<Float64Array>
}

/** Samples, folds and penalties. */
export function setUp(given: CheckedOptions, pace = atOnce): Setup {
  const { backend, seed = 0 } = given
  const data = prepare(given)
  const { rows, columns } = data.features
  const { per = 'all', groups } = given.penalty ?? {}
  const isNetwork = data.model.kind === 'mlp'
  const { power = isNetwork ? 2 : 'learned' } = given.penalty ?? {}
  const shapeOf = (q: number | 'learned') => shape(data, per, groups, q)
  const make = foldMaker(backend, data, pace)
  const everyone = Uint32Array.from({ length: rows }, (_, i) => i)
  const all = foldsOf(given, data, seed)
  const aside = shapeOf(2).strengths > few ? asideOf(given, data, all, seed) : undefined
  const foldRows = aside ? inside(given, data, all, aside, seed) : all
  const { penalised, start: startOf } = make(foldRows)
  const tuned = penalty({ per, groups, power })
  const start = isNetwork ? startOf(seed) : new Float64Array((columns + 1) * data.outputs)
  let solver: InnerSolver | undefined
  const fit = (from: Float64Array, penalty: PenaltyTerm, rough?: boolean) =>
    pace.once(async () => {
      await pace.pause()
      solver ??= make([{ train: everyone, validation: everyone }]).solvers[0]
      const theta = from.slice()
      await solver.minimize(theta, penalty, rough)
      return theta
    })
  return {
    data,
    foldRows,
    shapes: { ridge: shapeOf(2), tuned: shapeOf(power) },
    folds: { ridge: penalised(penalty({ per, groups, power: 2 })), tuned: penalised(tuned) },
    ...(aside && { further: make([aside]).penalised(tuned) }),
    start,
    fit,
  }
}

function shape(
  { features: { columns }, outputs, model }: Prepared,
  per: TunedPenalty['per'],
  groups: ArrayLike<number> | undefined,
  power: number | 'learned',
): PenaltyShape {
  const of = (j: number, layer: number) => {
    if (per === 'group') return (groups as ArrayLike<number>)[j]
    return per === 'feature' ? j : per === 'layer' ? layer : 0
  }
  const widths = [columns, ...(model.kind === 'mlp' ? model.hidden : []), outputs]
  const all: number[] = []
  for (const [layer, width] of widths.slice(1).entries()) {
    for (let j = 0; j < widths[layer]; j++) for (let c = 0; c < width; c++) all.push(of(j, layer))
    for (let c = 0; c < width; c++) all.push(-1)
  }
  const strengths = all.reduce((most, k) => Math.max(most, k), 0) + 1
  return { groups: Int32Array.from(all), strengths, power }
}

/** The folds that were asked for. */
function foldsOf(
  { folds = defaults.tuneRegularization.folds }: CheckedOptions,
  { labels, features: { rows } }: Prepared,
  seed: number,
): readonly FoldRows[] {
  if (typeof folds === 'number') return kFolds(labels ?? rows, folds, seed)
  for (const [k, fold] of folds.entries()) {
    for (const part of ['train', 'validation'] as const) {
      const beyond = Array.from(fold[part]).find((i) => !(Number.isInteger(i) && i >= 0 && i < rows))
      if (beyond !== undefined) {
        throw new NhgdError('ERR_RANGE', `"folds[${k}].${part}" expected rows below ${rows}, got ${beyond}`)
      }
    }
  }
  return folds
}

/**
 * Rows to hold out further: a share of all, or what the last of the user's folds leaves out, which keeps groups together
 * and is the latest where folds are ordered by time. Two folds leave nothing to train on beside that. Of a single
 * hold-out it is one half.
 */
function asideOf(
  { folds }: CheckedOptions,
  { labels, features: { rows } }: Prepared,
  all: readonly FoldRows[],
  seed: number,
): FoldRows | undefined {
  if (typeof folds !== 'object') return kFolds(labels ?? rows, Math.round(1 / holdout), seed + 1)[0]
  if (all.length > 1) return all.length > 2 ? all.at(-1) : undefined
  const [{ train, validation }] = all
  const own = Uint32Array.from(validation)
  if (own.length < 2) return undefined
  const [half] = kFolds(labels ? own.map((i) => labels[i]) : own.length, 2, seed + 1)
  return { train, validation: half.validation.map((i) => own[i]) }
}

/** The folds of the rows that are not held out further. */
function inside(
  { folds = defaults.tuneRegularization.folds }: CheckedOptions,
  { labels }: Prepared,
  all: readonly FoldRows[],
  aside: FoldRows,
  seed: number,
): readonly FoldRows[] {
  const own = Uint32Array.from(aside.train)
  if (typeof folds === 'number') {
    return kFolds(labels ? own.map((i) => labels[i]) : own.length, folds, seed).map(
      ({ train, validation }) => ({
        train: train.map((i) => own[i]),
        validation: validation.map((i) => own[i]),
      }),
    )
  }
  const away = new Set(Array.from(aside.validation))
  const within = (part: ArrayLike<number>) => Uint32Array.from(part).filter((i) => !away.has(i))
  return (all.length === 1 ? all : all.slice(0, -1))
    .map(({ train, validation }) => ({ train: within(train), validation: within(validation) }))
    .filter(({ train, validation }) => train.length > 0 && validation.length > 0)
}
