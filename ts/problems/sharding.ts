import { refuseAs } from '../backend/check.ts'
import { type Communicator, gatherJson, gatherValues, together } from '../backend/communicator.ts'
import type { Block } from './blocks.ts'
import type { Model } from './model.ts'
import { columnsOf, countOf, type SampleSet, withFeaturesOf } from './samples.ts'
import type { Starts } from './sharded.ts'

/** The samples of all ranks, in rank order. */
interface GatheredSet {
  /** All samples with their targets; a rank's own features stand for those that other ranks hold. */
  readonly set: SampleSet
  readonly starts: Starts
  /** The numbers that all ranks know. */
  readonly known: readonly ArrayLike<number>[]
}

/** Gathers the labels or targets of a set whose samples are spread over ranks; the features stay where they are. */
export async function gatheredSet(
  communicator: Communicator,
  set: SampleSet,
  name: string,
): Promise<GatheredSet> {
  const own = { count: countOf(set), columns: columnsOf(set), labels: 'labels' in set && !!set.labels }
  const all = await gatherJson(communicator, own)
  for (const [rank, { count, columns, labels }] of all.entries()) {
    const on = `on rank ${rank}`
    if (count === 0) refuseAs(name, `at least one sample on each rank`, `none ${on}`, 'ERR_SHAPE')
    if (columns !== all[0].columns) {
      refuseAs(`${name} features`, `${all[0].columns} columns on each rank`, `${columns} ${on}`, 'ERR_SHAPE')
    }
    if (labels !== all[0].labels) refuseAs(name, 'either labels or targets on all ranks', `others ${on}`)
  }
  const starts = [0]
  for (const { count } of all) starts.push(starts[starts.length - 1] + count)
  const part = await together(communicator, () => withFeaturesOf(set, starts, communicator.rank, name))
  const targets = await gatherValues(communicator, part.targets)
  return { set: part.whole(targets), starts, known: [targets, Float64Array.of(own.columns)] }
}

/** Blocks that a rank's oracles can pull back to the places of its own samples. */
const spreadable = [
  'sampleWeights',
  'fixedWeights',
  'weightNetwork',
  'learnedInputs',
  'learnedTargets',
  'penalty',
]

/**
 * The blocks of the problem of all ranks: weights and signals that are given are those of each rank's own samples, and so
 * are the features that learned inputs start from.
 */
export async function gatheredBlocks(
  communicator: Communicator,
  blocks: Readonly<Record<string, Block>>,
  model: Model,
  train: SampleSet,
  starts: Starts,
): Promise<Record<string, Block>> {
  const gathered: Record<string, Block> = {}
  for (const [name, block] of Object.entries(blocks)) {
    const { settings } = block
    const { kind } = settings
    if (communicator.size > 1 && !spreadable.includes(kind)) {
      refuseAs(`hyperparameters.${name}`, `a block of ${spreadable.join(', ')} on several ranks`, `"${kind}"`)
    }
    const whole: { -readonly [K in keyof Block]: Block[K] } = { ...block }
    if (kind === 'weightNetwork')
      whole.settings = { ...settings, rows: await signalRows(communicator, settings, starts) }
    if (block.fixed) whole.fixed = await gatherValues(communicator, block.fixed)
    if (kind === 'learnedInputs' && !settings.prior) {
      const own = await together(communicator, () => Float64Array.from(block.start(0, { model, train })))
      const inputs = await gatherValues(communicator, own)
      whole.start = () => inputs
    }
    gathered[name] = whole
  }
  return gathered
}

/** How many rows the signals of all ranks have: one per sample that is no anchor, and further ones on the last rank. */
async function signalRows(
  communicator: Communicator,
  { rows, anchors }: { readonly rows: number; readonly anchors: number },
  starts: Starts,
): Promise<number> {
  const all = await gatherJson(communicator, rows)
  const free = starts[communicator.size] - anchors
  for (const [rank, rows] of all.slice(0, -1).entries()) {
    const wanted = Math.max(0, Math.min(starts[rank + 1], free) - starts[rank])
    if (rows === wanted) continue
    refuseAs('signals', `${wanted} rows, one per sample on rank ${rank}`, `${rows}`, 'ERR_SHAPE')
  }
  return all.reduce((sum, rows) => sum + rows, 0)
}
