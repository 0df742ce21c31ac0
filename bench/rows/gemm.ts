import type { DType } from '../../ts/backend/binding.ts'
import { gemm as product, resident } from '../../ts/kernels.ts'
import { Random } from '../harness/random.ts'
import { distance, type Row } from '../harness/row.ts'

function row(m: number, n: number, k: number, dtype: DType): Row {
  return {
    name: `gemm ${dtype}, ${m}×${k}×${n}`,
    rival: `OpenBLAS ${dtype === 'f32' ? 'sgemm' : 'dgemm'}`,
    bar: n < m ? 0.9 : 1,
    unit: 'product',
    flops: 2 * m * n * k,
    prepare({ backend, openblas, seed }) {
      const random = new Random(seed)
      const numbers = (length: number) => (dtype === 'f32' ? random.floats(length) : random.doubles(length))
      const [a, b, c] = [numbers(m * k), numbers(k * n), numbers(m * n)]
      const [ra, rb, rc] = [a, b, c].map((x) => resident(backend, x))
      const ours = { run: () => product(backend, { m, n, k }, ra, rb, rc) }
      openblas?.setThreads(1)
      const theirs = openblas && {
        run: () => {
          if (a instanceof Float32Array) openblas.sgemm(m, n, k, a, b as Float32Array, c as Float32Array)
          else openblas.dgemm(m, n, k, a, b as Float64Array, c as Float64Array)
        },
      }
      const check = () => {
        ours.run()
        theirs?.run()
        return distance(rc.readF64(), c)
      }
      return { ours, theirs, check, tolerance: dtype === 'f32' ? 1e-5 : 1e-13 }
    },
  }
}

export const gemm: readonly Row[] = (['f32', 'f64'] as const).flatMap((dtype) => [
  row(512, 512, 512, dtype),
  row(1024, 10, 784, dtype),
])
