export type { FileMapper } from '../backend/mapping.ts'
export * from './browser.ts'
export {
  type Residence,
  readBytes,
  readFeatures,
  readFile,
  readIndices,
  readLabels,
  readSet,
  readValues,
} from './files.ts'
export { type DigitSet, loadMnist, type Mnist } from './mnist.ts'
export { fitShardStandardization, type Ranked, readLabelShard, readShard, type Shard } from './shard.ts'
