// Ends with work of a Fisher's thread pending: node … leaving.mjs return|exit MILLISECONDS.
import { Fisher } from '../../ts/backend/fisher.ts'
import { loadBackend } from '../../ts/backend/load.ts'
import { solve } from '../../ts/run/solve.ts'
import { runOptions, smallProblem } from './smallRun.ts'

const [how, milliseconds] = process.argv.slice(2)
const backend = await loadBackend({ backend: 'native' })
const problem = smallProblem(backend, 200)
const { oracles } = problem
const point = problem.start()
const regularizer = await oracles.regularizer(point)
const shape = { ...{ innerLength: oracles.innerLength, layers: oracles.layers, bytes: oracles.bytes } }
const fisher = new Fisher(backend, { ...shape, dtype: 'f64', regularizer: () => regularizer }, point, {
  form: 'dense',
  concurrent: true,
})
const step = new backend.Step(oracles.innerLength, 'f64')
oracles.innerStepFor(point, backend.Batch.all(oracles.samples), step, fisher.handle, 1)
for (let i = 0; i < 20; i++) void fisher.observe(step)
if (how === 'exit') {
  void solve(problem, runOptions(1e6)).result
  setTimeout(() => process.exit(0), Number(milliseconds))
}
