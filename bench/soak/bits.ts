// Prints the bits of runs that have to have the same ones: beside the loop and in line, interrupted and not, and of an
// inverse that 1, 2, 3 and 8 threads update.
import { crc32 } from '../../ts/backend/crc32.ts'
import type { FisherSettings } from '../../ts/backend/fisher.ts'
import { loadBackend } from '../../ts/backend/load.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { preconditionedConjugateGradients } from '../../ts/methods/preconditionedConjugateGradients.ts'
import { resume, save, solve } from '../../ts/run/solve.ts'
import { Random } from '../harness/random.ts'
import { bitsOf, smallProblem } from './smallRun.ts'

const backend = await loadBackend({ backend: 'native' })
const forms: (FisherSettings | undefined)[] = [
  { form: 'dense' },
  { form: 'window', length: 40, rows: 'perSample', statistic: 'sampled' },
  { form: 'kronecker', statistic: 'sampled' },
  { form: 'eigenkronecker', basisEvery: 5 },
  { form: 'sketch', rank: 8 },
  undefined,
]
const bits: Record<string, number> = {}
for (const fisher of forms) {
  for (const concurrent of [true, false]) {
    const common = { innerSteps: 12, batchSize: 64, refineSamples: 64, concurrent }
    const method = () =>
      fisher ? nhgd({ ...common, fisher, observe: { every: 1 } }) : preconditionedConjugateGradients(common)
    const options = { method: method(), outerSteps: 8, seed: 2 }
    const problem = smallProblem(backend, 60)
    const name = fisher?.form ?? 'the default method'
    const own = [bitsOf(await solve(problem, options).result)]
    const run = solve(problem, { ...options, method: method(), onStep: ({ step }) => step < 3 })
    await run.result
    own.push(bitsOf(await resume(problem, await save(run), { ...options, method: method() }).result))
    if (own[0] !== own[1]) throw new Error(`${name}: a resumed run has other bits`)
    bits[name] ??= own[0]
    if (bits[name] !== own[0]) throw new Error(`${name}: other bits in line`)
  }
}
const d = 500
for (const threads of [1, 2, 3, 8]) {
  const inverse = new backend.InverseUpdate(d, 1, 'f64', threads)
  const random = new Random(3)
  const [x, y] = [0, 0].map(() => new backend.Vector(d, 'f64'))
  for (let i = 0; i < 20; i++) {
    x.writeF64(random.doubles(d))
    inverse.update(x, 0.9, 0.1)
  }
  inverse.multiply(x, y)
  const own = crc32(new Uint8Array(y.readF64().buffer))
  bits.inverse ??= own
  if (bits.inverse !== own) throw new Error(`${threads} threads: other bits`)
}
console.log(JSON.stringify({ threads: backend.info().threads, bits }))
