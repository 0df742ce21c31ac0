import { CholeskyDecomposition, EigenvalueDecomposition, Matrix } from 'ml-matrix'
import { choleskyInverse, gemm, resident, symmetricEigen } from '../../ts/kernels.ts'
import { softmaxRegression } from '../../ts/problems/model.ts'
import { Random } from '../harness/random.ts'
import { distance, type Row } from '../harness/row.ts'
import * as naive from '../rivals/naive.ts'
import { pictures, regularization, weighing } from './data.ts'

// What runs without anything native. Ours takes typed arrays here and copies them, as a first user would.

const [order, d, batch] = [256, 785, 1024]
const flat = (rows: number[][]) => Float64Array.from(rows.flat())

const product: Row = {
  name: `gemm f64 on typed arrays, ${order}³`,
  rival: 'naive JavaScript',
  bar: null,
  unit: 'product',
  flops: 2 * order ** 3,
  prepare({ backend, seed }) {
    const random = new Random(seed)
    const [a, b] = [random.doubles(order ** 2), random.doubles(order ** 2)]
    const [c, expected] = [new Float64Array(order ** 2), new Float64Array(order ** 2)]
    const ours = { run: () => gemm(backend, { m: order, n: order, k: order }, a, b, c) }
    const theirs = { run: () => naive.gemm(order, order, order, a, b, expected) }
    const check = () => {
      ours.run()
      theirs.run()
      return distance(c, expected)
    }
    return { ours, theirs, check, tolerance: 1e-12 }
  },
}

const update: Row = {
  name: `dense rank-1 f64, d = ${d}`,
  rival: 'naive JavaScript',
  bar: null,
  unit: 'update',
  flops: 3 * d * d,
  prepare({ backend, seed }) {
    const g = new Random(seed).doubles(d).map((x) => x * Math.sqrt(3 / d))
    const inverse = new backend.InverseUpdate(d, 1, 'f64', 1)
    const [a, scratch] = [new Float64Array(d * d), new Float64Array(d)]
    for (let i = 0; i < d; i++) a[i * d + i] = 1
    const [ours, y] = [resident(backend, g), new backend.Vector(d, 'f64')]
    // β and 1/β in turn, so that A stays moderate.
    const run = (update: (beta: number) => void) => () => [0.95, 1 / 0.95].forEach(update)
    const pair = {
      ours: { units: 2, run: run((beta) => inverse.update(ours, beta, 0.05)) },
      theirs: { units: 2, run: run((beta) => naive.inverseUpdate(d, a, g, scratch, beta, 0.05)) },
    }
    const check = () => {
      pair.ours.run()
      pair.theirs.run()
      inverse.multiply(ours, y)
      naive.gemm(d, 1, d, a, g, scratch)
      return distance(y.readF64(), scratch)
    }
    return { ...pair, check, tolerance: 1e-10 }
  },
}

const step: Row = {
  name: 'inner step 1024×784×10 from u8, in JavaScript',
  rival: 'naive JavaScript',
  bar: null,
  unit: 'step',
  flops: 4 * batch * d * 10,
  prepare({ backend, seed }) {
    const data = pictures(seed)
    const problem = weighing(backend, data, softmaxRegression({ classes: 10 }))
    const { outer } = problem.start()
    const random = new Random(seed)
    const theta = random.floats(d * 10, 0.05)
    const rows = random.whole(batch, data.samples)
    const [inner, out, indices] = [problem.vector(theta), problem.zeros(d * 10), backend.Batch.of(rows)]
    const gradient = new Float32Array(d * 10)
    const { features, labels, columns } = data
    const ours = { run: () => problem.oracles.innerGradient(problem.point(inner, outer), indices, out) }
    const run = () => naive.softmaxGradient(features, columns, rows, labels, 0.5 / batch, theta, gradient)
    const check = () => {
      ours.run()
      run()
      return distance(
        out.readF32(),
        gradient.map((g, i) => g + 2 * regularization * theta[i]),
      )
    }
    return { ours, theirs: { run }, check, tolerance: 1e-3 }
  },
}

const sensitivities: Row = {
  name: 'cross product, 10 000 samples from u8, in JavaScript',
  rival: 'naive JavaScript',
  bar: null,
  unit: 'product',
  flops: 4 * 10_000 * d * 10,
  prepare({ backend, seed }) {
    const data = pictures(seed, 10_000)
    const problem = weighing(backend, data, softmaxRegression({ classes: 10 }))
    const { outer } = problem.start()
    const random = new Random(seed)
    const [theta, u] = [random.floats(d * 10, 0.05), random.floats(d * 10)]
    const [inner, direction, out] = [problem.vector(theta), problem.vector(u), problem.zeros(data.samples)]
    const all = backend.Batch.all(data.samples)
    const ours = {
      run: () => problem.oracles.crossProduct(problem.point(inner, outer), all, direction, 1, out),
    }
    const q = new Float32Array(data.samples)
    const { features, labels, columns } = data
    const factor = 0.25 / data.samples // σ′(0) / n
    const theirs = { run: () => naive.sensitivities(features, columns, labels, factor, theta, u, q) }
    const check = () => {
      out.fill(0)
      ours.run()
      theirs.run()
      return distance(out.readF32(), q)
    }
    return { ours, theirs, check, tolerance: 1e-3 }
  },
}

const mlProduct: Row = {
  ...product,
  name: `${product.name}, again`,
  rival: 'ml-matrix mmul',
  prepare({ backend, seed }) {
    const random = new Random(seed)
    const [a, b] = [random.doubles(order ** 2), random.doubles(order ** 2)]
    const c = new Float64Array(order ** 2)
    const [left, right] = [a, b].map((entries) => Matrix.from1DArray(order, order, entries))
    const ours = { run: () => gemm(backend, { m: order, n: order, k: order }, a, b, c) }
    const check = () => {
      ours.run()
      return distance(c, flat(left.mmul(right).to2DArray()))
    }
    return { ours, theirs: { run: () => left.mmul(right) }, check, tolerance: 1e-12 }
  },
}

const mlCholesky: Row = {
  name: `Cholesky inverse f64 on typed arrays, ${order}²`,
  rival: 'ml-matrix CholeskyDecomposition',
  bar: null,
  unit: 'inverse',
  flops: order ** 3,
  prepare({ backend, seed }) {
    const a = Float64Array.from(new Random(seed).definite(order))
    const inverse = new Float64Array(order ** 2)
    const matrix = Matrix.from1DArray(order, order, a)
    const eye = Matrix.eye(order, order)
    const ours = { run: () => choleskyInverse(backend, { n: order }, a, inverse) }
    const theirs = { run: () => new CholeskyDecomposition(matrix).solve(eye) }
    const check = () => {
      ours.run()
      return distance(inverse, flat(theirs.run().to2DArray()))
    }
    return { ours, theirs, check, tolerance: 1e-10 }
  },
}

const mlEigen: Row = {
  name: `symmetric eigen f64 on typed arrays, ${order}²`,
  rival: 'ml-matrix EigenvalueDecomposition',
  bar: null,
  unit: 'decomposition',
  flops: 9 * order ** 3,
  prepare({ backend, seed }) {
    const a = Float64Array.from(new Random(seed).definite(order))
    const [values, vectors] = [new Float64Array(order), new Float64Array(order ** 2)]
    const matrix = Matrix.from1DArray(order, order, a)
    const ours = { run: () => symmetricEigen(backend, { n: order }, a, values, vectors) }
    const theirs = { run: () => new EigenvalueDecomposition(matrix, { assumeSymmetric: true }) }
    const check = () => {
      ours.run()
      return distance(values, Float64Array.from(theirs.run().realEigenvalues).sort())
    }
    return { ours, theirs, check, tolerance: 1e-10 }
  },
}

export const javascript: readonly Row[] = [
  product,
  update,
  step,
  sensitivities,
  mlProduct,
  mlCholesky,
  mlEigen,
]
