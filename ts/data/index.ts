export * from './browser.ts'
export { readBytes, readFeatures, readFile, readIndices, readLabels, readSet, readValues } from './files.ts'
export { type DigitSet, loadMnist, type Mnist } from './mnist.ts'
