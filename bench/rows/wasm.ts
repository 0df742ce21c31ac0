import type { Backend } from '../../ts/backend/backend.ts'
import type { Batch } from '../../ts/backend/binding.ts'
import { Fisher } from '../../ts/backend/fisher.ts'
import * as kernels from '../../ts/kernels.ts'
import { preconditionedConjugateGradients } from '../../ts/methods/preconditionedConjugateGradients.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import type { Problem } from '../../ts/problems/problem.ts'
import { Random } from '../harness/random.ts'
import { distance, type Row } from '../harness/row.ts'
import { pictures, weighing } from './data.ts'

/** A kernel on one backend, over resident operands. */
interface Kernel {
  run(): unknown
  result(): ArrayLike<number> | Promise<ArrayLike<number>>
}

type Operands = (length: number, scale?: number) => kernels.Vector

function row(
  name: string,
  prepare: (backend: Backend, operand: Operands, random: Random) => Kernel,
  flops?: number,
): Row {
  return {
    name: `WebAssembly: ${name}`,
    rival: 'native',
    bar: null,
    unit: 'call',
    flops,
    prepare({ native, wasm, seed }) {
      const on = (backend: Backend) => {
        const random = new Random(seed)
        return prepare(
          backend,
          (length, scale) => kernels.resident(backend, random.floats(length, scale)),
          random,
        )
      }
      if (!wasm) throw new Error('the wasm backend does not load: run "npm run setup"')
      const [ours, theirs] = [on(wasm), native && on(native)]
      const check = async () => {
        ours.run()
        theirs?.run()
        return distance(await ours.result(), (await theirs?.result()) ?? [])
      }
      return { ours, theirs, check, tolerance: 2e-3 }
    },
  }
}

const into = (vector: kernels.Vector) => () => vector.readF64()

function gemm(m: number, n: number, k: number): Row {
  const prepare = (backend: Backend, operand: Operands) => {
    const [a, b, c] = [operand(m * k), operand(k * n), operand(m * n)]
    return { run: () => kernels.gemm(backend, { m, n, k }, a, b, c), result: into(c) }
  }
  return row(`gemm f32, ${m}×${k}×${n}`, prepare, 2 * m * n * k)
}

function update(d: number): Row {
  const prepare = (backend: Backend, operand: Operands) => {
    const inverse = new backend.InverseUpdate(d, 1, 'f32', 1)
    const [g, x, y] = [operand(d, Math.sqrt(3 / d)), operand(d), operand(d)]
    const run = () => {
      for (let i = 0; i < 16; i++) inverse.update(g, i % 2 ? 1 / 0.95 : 0.95, 0.05)
    }
    const result = () => {
      inverse.multiply(x, y)
      return y.readF64()
    }
    return { run, result }
  }
  return row(`16 rank-1 updates f32, d = ${d}`, prepare, 16 * 3 * d * d)
}

function blocks(d: number): Row {
  const prepare = (backend: Backend, operand: Operands) => {
    const inverse = new backend.InverseUpdate(d, 1, 'f32', 1)
    const [g, x, y] = [operand(8 * d, Math.sqrt(3 / d)), operand(d), operand(d)]
    const weights = new Float64Array(8).fill(0.05)
    const result = () => {
      inverse.multiply(x, y)
      return y.readF64()
    }
    return { run: () => inverse.updateMany(g, 1, weights), result }
  }
  return row(`rank-8 update f32, d = ${d}`, prepare, 8 * 3 * d * d)
}

const definite = (backend: Backend, random: Random, n: number) =>
  kernels.resident(backend, random.definite(n))

const [n, k, m] = [785, 10, 1024]

/** What a softmax layer needs of a batch of bytes, on weights of ½. */
function layer(name: string, flops: number, run: (backend: Backend, p: Layer) => Kernel): Row {
  return row(
    `${name}, ${m}×784×${k} from u8`,
    (backend, operand, random) => {
      const problem = weighing(backend, pictures(random.seed, m), softmaxRegression({ classes: k }))
      const { outer } = problem.start()
      return run(backend, { problem, theta: operand(n * k, 0.05), outer, all: backend.Batch.all(m), operand })
    },
    flops,
  )
}

interface Layer {
  readonly problem: Problem
  readonly theta: kernels.Vector
  readonly outer: kernels.Vector
  readonly all: Batch
  readonly operand: Operands
}

const cross: Row = row(
  'cross product, 50 000 samples from u8',
  (backend, operand, random) => {
    const problem = weighing(backend, pictures(random.seed), softmaxRegression({ classes: k }))
    const { outer } = problem.start()
    const [theta, u, out] = [operand(n * k, 0.05), operand(n * k), problem.zeros(50_000)]
    const all = backend.Batch.all(50_000)
    const run = () => {
      out.fill(0)
      problem.oracles.crossProduct(problem.point(theta, outer), all, u, 1, out)
    }
    return { run, result: into(out) }
  },
  4 * 50_000 * n * k,
)

/** Ten outer iterations of label cleaning at MNIST's size, after which the Fisher is taken anew; resolves to θ. */
export function cleaning(backend: Backend, seed: number, concurrent: boolean): () => Promise<Float64Array> {
  const problem = weighing(backend, pictures(seed), softmaxRegression({ classes: k }))
  return async () => {
    // Slow enough that rounding errors do not grow from step to step.
    const innerOptimizer = { kind: 'momentum', rate: 0.01, momentum: 0.9 } as const
    const method = preconditionedConjugateGradients({ concurrent, innerOptimizer })
    const point = problem.start()
    const state = await method.init(problem, point, seed)
    for (let k = 0; k < 9; k++) await method.step(problem, point, state)
    return (await method.step(problem, point, state)).inner.readF64()
  }
}

/** AMD's cores do more of native's wide lanes at a time. Browsers do not tell. */
const isAmd = /AMD/.test(globalThis.process?.getBuiltinModule?.('node:os').cpus()[0]?.model ?? '')

const mainJob: Row = {
  name: 'WebAssembly: ten outer iterations of cleaning, 50 000 × 784 from u8',
  rival: 'native',
  bar: isAmd ? 6 : 3.5,
  unit: 'ten iterations',
  prepare({ native, wasm, seed }) {
    if (!wasm) throw new Error('the wasm backend does not load: run "npm run setup"')
    const [ours, theirs] = [cleaning(wasm, seed, false), native && cleaning(native, seed, false)]
    const check = async () => distance(await ours(), (await theirs?.()) ?? [])
    return { ours: { run: ours }, theirs: theirs && { run: theirs }, check, tolerance: 2e-3 }
  },
}

export const wasm: readonly Row[] = [
  mainJob,
  gemm(512, 512, 512),
  gemm(1024, 10, 784),
  row(
    `syrk f32, ${n}×${m}`,
    (backend, operand) => {
      const [a, c] = [operand(n * m), operand(n * n)]
      return { run: () => kernels.syrk(backend, { n, k: m }, a, c), result: into(c) }
    },
    n * n * m,
  ),
  row(
    'symv f32, 2048',
    (backend, operand) => {
      const [a, x, y] = [operand(2048 * 2048), operand(2048), operand(2048)]
      return { run: () => kernels.symv(backend, { n: 2048 }, a, x, y), result: into(y) }
    },
    2 * 2048 ** 2,
  ),
  update(785),
  update(2048),
  blocks(2048),
  row(
    `Cholesky solve f32, ${n}², ${k} sides`,
    (backend, operand, random) => {
      const [a, sides, b] = [definite(backend, random, n), operand(n * k), operand(n * k)]
      const run = () => {
        b.copyFrom(sides)
        kernels.choleskySolve(backend, { n, k }, a, b)
      }
      return { run, result: into(b) }
    },
    n ** 3 / 3 + 2 * n * n * k,
  ),
  row(
    `Cholesky inverse f32, ${n}²`,
    (backend, operand, random) => {
      const [a, inverse] = [definite(backend, random, n), operand(n * n)]
      return { run: () => kernels.choleskyInverse(backend, { n }, a, inverse), result: into(inverse) }
    },
    n ** 3,
  ),
  row(
    'symmetric eigen f32, 256²',
    (backend, operand, random) => {
      const n = 256
      const [a, values, vectors] = [definite(backend, random, n), operand(n), operand(n * n)]
      // Vectors are free in their signs: the values are compared.
      return { run: () => kernels.symmetricEigen(backend, { n }, a, values, vectors), result: into(values) }
    },
    9 * 256 ** 3,
  ),
  row(
    `Kronecker-factored solve f32, ${n} ⊗ ${k}`,
    (backend, operand) => {
      // Any matrices do for the products; the values have to stay away from zero.
      const [one, other] = [n, k].map((length) => kernels.resident(backend, new Float32Array(length).fill(1)))
      const [a, s] = [
        { values: one, vectors: operand(n * n, 1 / Math.sqrt(n)) },
        { values: other, vectors: operand(k * k, 1 / Math.sqrt(k)) },
      ]
      const [sides, b] = [operand(n * k), operand(n * k)]
      const run = () => {
        b.copyFrom(sides)
        kernels.kroneckerSolve(backend, { n, k, damping: 0.1 }, a, s, b)
      }
      return { run, result: into(b) }
    },
    4 * n * k * (n + k),
  ),
  row(
    `per-sample Gram f32, ${m} samples, ${n} × ${k}`,
    (backend, operand) => {
      const [x, e, gram] = [operand(m * n), operand(m * k), operand(m * m)]
      return { run: () => kernels.perSampleGram(backend, { m, n, k }, x, e, gram), result: into(gram) }
    },
    m * m * (n + k),
  ),
  row(
    'conjugate gradients f32, 1024², 10 steps',
    (backend, operand, random) => {
      const [a, b, x] = [definite(backend, random, 1024), operand(1024), operand(1024)]
      const run = () => {
        x.fill(0)
        kernels.conjugateGradients(backend, { n: 1024, tolerance: 0, steps: 10 }, a, b, x)
      }
      return { run, result: into(x) }
    },
    20 * 1024 ** 2,
  ),
  layer('softmax gradient', 4 * m * n * k, (_, { problem, theta, outer, all }) => {
    const out = problem.zeros(n * k)
    return {
      run: () => problem.oracles.innerGradient(problem.point(theta, outer), all, out),
      result: into(out),
    }
  }),
  layer('sensitivities', 4 * m * n * k, (_, { problem, theta, outer, all, operand }) => {
    const [u, q] = [operand(n * k), problem.zeros(m)]
    const run = () => {
      q.fill(0)
      problem.oracles.crossProduct(problem.point(theta, outer), all, u, 1, q)
    }
    return { run, result: into(q) }
  }),
  layer('Kronecker factors', m * n * n, (backend, { problem, theta, outer, all, operand }) => {
    const settings = { form: 'kronecker', statistic: 'expected', damping: 0.1, concurrent: false } as const
    const [fisher, step] = [
      new Fisher(backend, problem.oracles, problem.point(theta, outer), settings),
      new backend.Step(n * k, 'f32'),
    ]
    const [target, direction] = [operand(n * k), problem.zeros(n * k)]
    const run = () => {
      problem.oracles.observe(problem.point(theta, outer), all, step, fisher.handle, 0)
      fisher.handle.tryRefresh(step)
    }
    const result = async () => {
      await fisher.solve(target, direction)
      return direction.readF64()
    }
    return { run, result }
  }),
  cross,
]
