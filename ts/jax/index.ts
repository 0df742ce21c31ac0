export { type JaxInner, type JaxOuter, type JaxProblemOptions, jaxProblem } from './jaxProblem.ts'
export type { Arrays } from './tree.ts'
