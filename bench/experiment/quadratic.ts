import { Matrix, solve as solveDense } from 'ml-matrix'
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { read } from '../../ts/backend/backend.ts'
import { loadBackend } from '../../ts/backend/load.ts'
import { amigo } from '../../ts/methods/amigo.ts'
import { conjugateGradients } from '../../ts/methods/conjugateGradients.ts'
import { exact } from '../../ts/methods/exact.ts'
import { f2sa } from '../../ts/methods/f2sa.ts'
import { maSoba } from '../../ts/methods/maSoba.ts'
import type { Method } from '../../ts/methods/method.ts'
import { mrbo } from '../../ts/methods/mrbo.ts'
import { neumann } from '../../ts/methods/neumann.ts'
import { nhgd } from '../../ts/methods/nhgd.ts'
import { nystrom } from '../../ts/methods/nystrom.ts'
import { oneStep } from '../../ts/methods/oneStep.ts'
import { qnbo } from '../../ts/methods/qnbo.ts'
import { saba } from '../../ts/methods/saba.ts'
import { soba } from '../../ts/methods/soba.ts'
import { unrolled } from '../../ts/methods/unrolled.ts'
import { quadratic } from '../../ts/problems/quadratic.ts'
import { solve } from '../../ts/run/solve.ts'
import { countCalls } from './count.ts'

const [d, p, mu] = [50, 10, 0.1]
const loop = { innerSteps: 20, innerOptimizer: { kind: 'momentum', rate: 0.1 } } as const
const rate = 0.3

/** What has no layers has no Kronecker factors: a window of rows is the Fisher here. */
const methods: Readonly<Record<string, () => Method>> = {
  nhgd: () => nhgd({ ...loop, fisher: { form: 'window', rows: 'perSample', length: d, damping: 1e-3 } }),
  exact: () => exact(loop),
  amigo: () => amigo({ ...loop, rate }),
  conjugateGradients: () => conjugateGradients(loop),
  f2sa: () => f2sa({ innerSteps: 20, rate }),
  maSoba: () => maSoba({ rate }),
  mrbo: () => mrbo({ rate, linearRate: rate, terms: 10 }),
  neumann: () => neumann({ ...loop, rate }),
  nystrom: () => nystrom(loop),
  oneStep: () => oneStep({ innerOptimizer: { kind: 'sgd', rate }, scale: rate }),
  qnbo: () => qnbo(loop),
  saba: () => saba({ rate }),
  soba: () => soba({ rate }),
  unrolled: () => unrolled({ innerSteps: 20, depth: 20, rate }),
}

/** Distance to the known minimum of Φ after the outer steps, for each method with the better of two outer rates. */
export async function quadraticTable() {
  const backend = await loadBackend()
  const { parts, answer, curvature } = problemWithAnswer()
  const checkpoints = [10, 100, 1000]
  const last = checkpoints[checkpoints.length - 1]

  async function run(method: string, share: number) {
    const problem = quadratic({ backend, ...parts })
    const calls = countCalls(problem.oracles, 1)
    const distance: Record<number, number> = {}
    const { status } = await solve(problem, {
      method: methods[method](),
      outerOptimizer: { kind: 'sgd', rate: share / curvature },
      outerSteps: last,
      onStep({ step, point }) {
        if (checkpoints.includes(step)) distance[step] = off(read(point.outer), answer)
      },
    }).result
    return { problem: 'quadratic', method, share, status, distance, calls }
  }

  const entries = []
  for (const method of Object.keys(methods)) {
    const tries = [await run(method, 1), await run(method, 0.1)]
    const end = ({ distance }: (typeof tries)[0]) => distance[last] ?? Number.POSITIVE_INFINITY
    entries.push(end(tries[0]) <= end(tries[1]) ? tries[0] : tries[1])
  }
  const header = [
    'method',
    ...checkpoints.map((step) => `after ${step}`),
    'gradients',
    'Hessian products',
    'status',
  ]
  const rows = entries.map(({ method, share, status, distance, calls }) => [
    method,
    ...checkpoints.map((step) => distance[step]?.toExponential(1) ?? '–'),
    String(calls.gradients.calls),
    String(calls.hessianProducts.calls),
    String(share),
    status,
  ])
  const line = (row: readonly string[]) =>
    row
      .map((cell) => cell.padEnd(20))
      .join('')
      .trimEnd()
  const text = [
    `‖v − v*‖ / ‖v*‖ on a quadratic, d = ${d}, p = ${p}, outer rates in units of 1 / tr ∇²Φ`,
    line(header),
    ...rows.map(line),
  ]
  return { text: text.join('\n'), entries }
}

/** H with eigenvalues from 0.05 to 1, the rest random; Φ is quadratic, so its minimum is the solution of a system. */
function problemWithAnswer() {
  const generator = xoroshiro128plus(1)
  const random = (rows: number, columns: number) =>
    new Matrix(
      Array.from({ length: rows }, () =>
        Array.from({ length: columns }, () => 2 * uniformFloat64(generator) - 1),
      ),
    )
  const basis = orthonormal(random(d, d))
  const eigenvalues = Array.from({ length: d }, (_, i) => 0.05 * 20 ** (i / (d - 1)))
  const h = basis.mmul(Matrix.diag(eigenvalues)).mmul(basis.transpose())
  const [c, c0, t] = [random(d, p), random(d, 1), random(d, 1)]
  const q = Matrix.eye(d)
  const m = solveDense(h, c) // θ* = m v + H⁻¹c₀
  const rest = Matrix.sub(t, solveDense(h, c0))
  const hessian = Matrix.add(m.transpose().mmul(m), Matrix.eye(p).mul(mu))
  const answer = solveDense(hessian, m.transpose().mmul(rest)).to1DArray()
  const flat = (a: Matrix) => a.to1DArray()
  const parts = { h: flat(h), c: flat(c), c0: flat(c0), q: flat(q), t: flat(t), mu }
  // The trace bounds the largest eigenvalue.
  return { parts, answer, curvature: hessian.trace() }
}

/** Gram–Schmidt on the columns. */
function orthonormal(a: Matrix): Matrix {
  for (let j = 0; j < a.columns; j++) {
    const column = a.getColumnVector(j)
    for (let k = 0; k < j; k++) {
      const other = a.getColumnVector(k)
      column.sub(Matrix.mul(other, other.dot(column)))
    }
    a.setColumn(j, column.div(column.norm()).to1DArray())
  }
  return a
}

function off(v: ArrayLike<number>, answer: readonly number[]): number {
  const square = (x: readonly number[]) => x.reduce((sum, y) => sum + y * y, 0)
  return Math.sqrt(square(answer.map((x, i) => v[i] - x)) / square(answer))
}
