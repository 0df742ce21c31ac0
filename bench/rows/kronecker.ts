import { choleskyInverse, resident, syrk } from '../../ts/kernels.ts'
import { Random } from '../harness/random.ts'
import { distance, type Row } from '../harness/row.ts'

const [n, k, damping] = [785, 1024, 10]

const factor: Row = {
  name: 'K-FAC factor (batch 1024) + inverse, f32, 785²',
  rival: 'OpenBLAS ssyrk + spotrf + spotri',
  bar: 1,
  unit: 'inverse',
  flops: n * n * k + n ** 3,
  prepare({ backend, openblas, seed }) {
    const x = new Random(seed).floats(n * k)
    const damped = new Float32Array(n * n)
    for (let i = 0; i < n; i++) damped[i * n + i] = damping
    const [rx, start] = [x, damped].map((entries) => resident(backend, entries))
    const [moments, inverse] = [0, 1].map(() => new backend.Vector(n * n, 'f32'))
    const ours = {
      run: () => {
        moments.copyFrom(start)
        syrk(backend, { n, k, beta: 1 }, rx, moments)
        choleskyInverse(backend, { n }, moments, inverse)
      },
    }
    openblas?.setThreads(1)
    const c = new Float32Array(n * n)
    const theirs = openblas && { run: () => openblas.factorInverse(n, k, x, damping, c) }
    const check = () => {
      ours.run()
      theirs?.run()
      const whole = inverse.readF32()
      const lower = (full: Float32Array) => full.filter((_, at) => at % n <= Math.floor(at / n))
      return distance(lower(whole), lower(c))
    }
    return { ours, theirs, check, tolerance: 1e-3 }
  },
}

export const kronecker: readonly Row[] = [factor]
