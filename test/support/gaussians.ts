import { type Matrix, matrix } from '../../ts/backend/matrix.ts'
import { Random } from './random.ts'

/** Samples of Gaussian classes, some labels of which are wrong. */
export interface Gaussians {
  readonly features: Matrix
  readonly labels: Int32Array
  readonly truth: Int32Array
  /** The last rows; their labels are right. */
  readonly trusted: Int32Array
}

/** `classes` isotropic Gaussians in `columns` dimensions; `noise` of the other rows' labels are replaced by another. */
export function gaussians({
  samples = 600,
  trusted = 90,
  classes = 3,
  columns = 4,
  noise = 0.4,
  scale = 1,
  seed = 1,
} = {}): Gaussians {
  const random = new Random(seed)
  const centres = random.normals(classes * columns, 3)
  const truth = Int32Array.from({ length: samples }, () => random.below(classes))
  const data = Float64Array.from({ length: samples * columns }, (_, i) => {
    const centre = centres[truth[Math.floor(i / columns)] * columns + (i % columns)]
    return scale * (centre + random.normal())
  })
  const first = samples - trusted
  const labels = truth.map((y, i) =>
    i < first && random.uniform() < noise ? (y + 1 + random.below(classes - 1)) % classes : y,
  )
  return {
    features: matrix(data, samples, columns),
    labels,
    truth,
    trusted: Int32Array.from({ length: trusted }, (_, i) => first + i),
  }
}
