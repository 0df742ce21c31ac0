import type { DType } from '../../ts/backend/binding.ts'
import { choleskyInverse, resident, syrk } from '../../ts/kernels.ts'
import { Random } from '../harness/random.ts'
import { distance, type Row } from '../harness/row.ts'

const [n, k, damping] = [785, 1024, 10]

function factor(dtype: DType): Row {
  const letter = dtype === 'f32' ? 's' : 'd'
  return {
    name: `K-FAC factor (batch ${k}) + inverse, ${dtype}, ${n}²`,
    rival: `OpenBLAS ${letter}syrk + ${letter}potrf + ${letter}potri`,
    bar: 0.9,
    unit: 'inverse',
    flops: n * n * k + n ** 3,
    prepare({ backend, openblas, seed }) {
      const random = new Random(seed)
      const numbers = dtype === 'f32' ? Float32Array : Float64Array
      const x = dtype === 'f32' ? random.floats(n * k) : random.doubles(n * k)
      const [damped, c] = [new numbers(n * n), new numbers(n * n)]
      for (let i = 0; i < n; i++) damped[i * n + i] = damping
      const [rx, start] = [x, damped].map((entries) => resident(backend, entries))
      const [moments, inverse] = [0, 1].map(() => new backend.Vector(n * n, dtype))
      const ours = {
        run: () => {
          moments.copyFrom(start)
          syrk(backend, { n, k, beta: 1 }, rx, moments)
          choleskyInverse(backend, { n }, moments, inverse)
        },
      }
      openblas?.setThreads(1)
      const theirs = openblas && {
        run: () => {
          if (x instanceof Float32Array) openblas.sfactorInverse(n, k, x, damping, c as Float32Array)
          else openblas.dfactorInverse(n, k, x, damping, c as Float64Array)
        },
      }
      const check = () => {
        ours.run()
        theirs?.run()
        const whole = inverse.readF64()
        const lower = (full: Float32Array | Float64Array) =>
          full.filter((_, at) => at % n <= Math.floor(at / n))
        return distance(lower(whole), lower(c))
      }
      return { ours, theirs, check, tolerance: dtype === 'f32' ? 1e-3 : 1e-10 }
    },
  }
}

export const kronecker: readonly Row[] = [factor('f32'), factor('f64')]
