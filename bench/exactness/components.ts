import type { Backend } from '../../ts/backend/backend.ts'
import { type Matrix, matrix } from '../../ts/backend/matrix.ts'
import { cleaningSplit, type DigitSet } from '../../ts/data/index.ts'
import { takeRows } from '../../ts/data/tensor.ts'
import { gemm, symmetricEigen, syrk } from '../../ts/kernels.ts'
import type { LabelledSet } from '../../ts/problems/samples.ts'

const samples = 2000
const components = 50

/** Training digits, half of their labels replaced, and validation digits, on the training digits' principal components. */
export function digitComponents(
  backend: Backend,
  { features, labels }: DigitSet,
  seed: number,
): { train: LabelledSet; trusted: LabelledSet } {
  const noise = { kind: 'uniform', rate: 0.5 } as const
  const sizes = { classes: 10, trainSize: samples, trustedSize: samples }
  const { train, trusted, given } = cleaningSplit(labels, { ...sizes, noise, seed })
  const pictures = takeRows(features, train)
  const means = columnMeans(pictures)
  const basis = principalComponents(backend, centred(pictures, means), features.columns)
  const set = (rows: Int32Array): LabelledSet => {
    const projected = new Float64Array(samples * components)
    const sizes = { m: samples, n: components, k: features.columns }
    gemm(backend, sizes, centred(takeRows(features, rows), means), basis, projected)
    return {
      features: matrix(projected, samples, components),
      labels: Int32Array.from(rows, (i) => given[i]),
    }
  }
  return { train: set(train), trusted: set(trusted) }
}

function columnMeans({ data, rows, columns, scale = 1 }: Matrix): Float64Array {
  const means = new Float64Array(columns)
  for (let k = 0; k < data.length; k++) means[k % columns] += (data[k] * scale) / rows
  return means
}

function centred({ data, columns, scale = 1 }: Matrix, means: Float64Array): Float64Array {
  return Float64Array.from(data, (x, k) => x * scale - means[k % columns])
}

/** The eigenvectors of the largest eigenvalues of XᵀX/n, largest first, in the columns of a `columns` × 50 matrix. */
function principalComponents(backend: Backend, x: Float64Array, columns: number): Float64Array {
  const transposed = Float64Array.from(x, (_, k) => x[(k % samples) * columns + Math.floor(k / samples)])
  const covariance = new Float64Array(columns * columns)
  syrk(backend, { n: columns, k: samples, alpha: 1 / samples }, transposed, covariance)
  const [values, vectors] = [new Float64Array(columns), new Float64Array(columns * columns)]
  symmetricEigen(backend, { n: columns }, covariance, values, vectors)
  return Float64Array.from({ length: columns * components }, (_, k) => {
    const [i, j] = [Math.floor(k / components), k % components]
    return vectors[i * columns + columns - 1 - j]
  })
}
