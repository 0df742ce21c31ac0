export * from './browser.ts'
export { readBytes, readFeatures, readIndices, readLabels } from './files.ts'
export { type DigitSet, loadMnist, type Mnist } from './mnist.ts'
