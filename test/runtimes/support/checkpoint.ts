// A run that stops, goes on from its file (the argument), and ends as one that did not stop.
import { exact, loadBackend, quadratic, resume, solve } from '../../../ts/index.ts'

const [file] = process.argv.slice(2)
const backend = await loadBackend({ backend: 'wasm' })
const problem = quadratic({ backend, h: [2], c: [1], c0: [0.5], q: [1], t: [1], mu: 0.1 })
const options = { method: exact({ innerSteps: 2 }), outerSteps: 6 }
const checkpoint = { file, everySteps: 2, keep: 2 }
await solve(problem, { ...options, checkpoint, onStep: ({ step }) => step < 5 }).result
const { outer, resumed } = await resume(problem, file, options).result
const whole = await solve(problem, options).result
console.log(JSON.stringify({ outer: Array.from(outer), whole: Array.from(whole.outer), resumed }))
