import { refuseAs } from '../backend/check.ts'
import { type Communicator, gatherJson, gatherValues, together } from '../backend/communicator.ts'
import type { Block } from './blocks.ts'
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
const spreadable = ['sampleWeights', 'fixedWeights', 'learnedTargets', 'penalty']

/** The blocks of the problem of all ranks: weights that are given are those of each rank's own samples. */
export async function gatheredBlocks(
  communicator: Communicator,
  blocks: Readonly<Record<string, Block>>,
): Promise<Record<string, Block>> {
  const gathered: Record<string, Block> = {}
  for (const [name, block] of Object.entries(blocks)) {
    const { kind } = block.settings
    if (communicator.size > 1 && !spreadable.includes(kind)) {
      refuseAs(`hyperparameters.${name}`, `a block of ${spreadable.join(', ')} on several ranks`, `"${kind}"`)
    }
    const fixed = block.fixed && (await gatherValues(communicator, block.fixed))
    gathered[name] = fixed ? { ...block, fixed } : block
  }
  return gathered
}
