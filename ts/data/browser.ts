export { type CheckedFile, checkedColumn, type GivenLabels, parseChecked } from './checked.ts'
export type { Row, TableData } from './columnar.ts'
export { type CsvOptions, readCsv, readCsvColumn } from './csv.ts'
export { type Fold, groupFolds, holdOut, kFolds, timeFolds } from './folds.ts'
export { readIdx } from './idx.ts'
export { absentClasses, encodeLabels, type Labels } from './labels.ts'
export { readNpy, writeNpy } from './npy.ts'
export { pickArray, readNpz, writeNpz } from './npz.ts'
export {
  type File,
  parseFeatures,
  parseIndices,
  parseLabels,
  parseSet,
  parseTable,
  parseValues,
  type ReadSet,
  type SetOptions,
} from './read.ts'
export { readSafetensors, type Safetensors, writeSafetensors } from './safetensors.ts'
export {
  assignFolds,
  cleaningSplit,
  corruptLabels,
  type Noise,
  permutation,
  type Split,
  type SplitOptions,
} from './split.ts'
export { fitStandardization, type Standardization, standardize } from './standardize.ts'
export type { Table, TableOptions } from './table.ts'
export { checkFinite, type Features, type NumericArray, type Tensor, takeRows, toFeatures } from './tensor.ts'
export { type Columns, writeCsv } from './writeCsv.ts'
