// A run that is killed at any moment: node … killed.ts FILE STEPS KEEP. It says `started` before its first step.
import { loadBackend } from '../../ts/backend/load.ts'
import { solve } from '../../ts/run/solve.ts'
import { runOptions, smallProblem } from './smallRun.ts'

const [file, steps] = process.argv.slice(2)
const backend = await loadBackend({ backend: 'native' })
console.log('started')
await solve(smallProblem(backend), {
  ...runOptions(Number(steps)),
  checkpoint: { file, everySteps: 1, resume: true, keep: 2 },
}).result
console.log('ended')
