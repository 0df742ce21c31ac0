import { execFileSync } from 'node:child_process'
import { cpus } from 'node:os'
import type { Backend } from '../../ts/backend/backend.ts'
import { type Simd, simd as wasmSimd } from '../../ts/backend/simd.ts'
import { gemm, resident } from '../../ts/kernels.ts'
import type { OpenBlas } from '../rivals/openblas.ts'
import { Random } from './random.ts'

/** What the rows ran on. */
export interface Machine {
  readonly processor: string
  readonly platform: string
  readonly node: string
  readonly backend: string
  readonly simd: string
  readonly blas: string
  readonly threads: number
  readonly openblas: string | null
  /** Flops per second at the nominal clock with two fused multiply-adds of full width per cycle; null where unknown. */
  readonly nominalFlops: number | null
  /** What the engine takes of WebAssembly's. */
  readonly wasmSimd: Simd
  /** Arithmetic of a native vector instruction over that of WebAssembly's: lanes, and multiply-add fused or not. */
  readonly wasmFactor: number | null
}

/** What one thread can do at most, measured in the same run. */
export interface Limits {
  /** The fastest f32 product of order 512, ours or OpenBLAS's, in flops per second. */
  readonly peakFlops: number
  /** y ← y + αx over 2 × 128 MB: bytes read and written per second. */
  readonly triadBandwidth: number
  /** xᵀy over the same: bytes read per second. */
  readonly readBandwidth: number
}

export function machine(backend: Backend, openblas: OpenBlas | null): Machine {
  const { simd, blas, threads, backend: name } = backend.info()
  const lanes: Record<string, number> = { avx512: 16, avx2: 8, neon: 4 }
  const processor = cpus()[0]
  return {
    processor: processor?.model ?? 'unknown',
    platform: `${process.platform}-${process.arch}`,
    node: process.version,
    backend: name,
    simd,
    blas,
    threads,
    openblas: openblas && `${openblas.config()}, core in use ${openblas.core()}`,
    nominalFlops: processor?.speed && simd.startsWith('avx') ? processor.speed * 1e6 * lanes[simd] * 4 : null,
    wasmSimd: wasmSimd(),
    wasmFactor: lanes[simd] ? (lanes[simd] / 4) * (wasmSimd() === 'relaxed' ? 1 : 2) : null,
  }
}

/** The best of this moment and of `before`. */
export function limits(backend: Backend, openblas: OpenBlas | null, before?: Limits): Limits {
  openblas?.setThreads(1)
  const now = { peakFlops: peak(backend, openblas), ...bandwidth(backend, openblas) }
  if (!before) return now
  return {
    peakFlops: Math.max(now.peakFlops, before.peakFlops),
    triadBandwidth: Math.max(now.triadBandwidth, before.triadBandwidth),
    readBandwidth: Math.max(now.readBandwidth, before.readBandwidth),
  }
}

/** The commit that is measured, with a plus where files differ from it. */
export function commit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8', stdio: 'pipe' }).trim()
  try {
    return git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain', '-uno') ? '+' : '')
  } catch {
    return 'unknown'
  }
}

function peak(backend: Backend, openblas: OpenBlas | null): number {
  const n = 512
  const [a, b] = [1, 2].map((seed) => new Random(seed).floats(n * n))
  const c = new Float32Array(n * n)
  const [ra, rb, rc] = [a, b, c].map((x) => resident(backend, x))
  const ours = () => gemm(backend, { m: n, n, k: n }, ra, rb, rc)
  return (2 * n ** 3) / least(20, ours, openblas && (() => openblas.sgemm(n, n, n, a, b, c)))
}

function bandwidth(backend: Backend, openblas: OpenBlas | null) {
  const length = 1 << 25
  const [x, y] = [1, 0].map((value) => new Float32Array(length).fill(value))
  const [rx, ry] = [x, y].map((entries) => resident(backend, entries))
  const triad = least(5, () => ry.axpy(0.5, rx), openblas && (() => openblas.saxpy(0.5, x, y)))
  const read = least(5, () => rx.dot(ry), openblas && (() => openblas.sdot(x, y)))
  for (const vector of [rx, ry]) vector.dispose()
  return { triadBandwidth: (12 * length) / triad, readBandwidth: (8 * length) / read }
}

/** Seconds of the fastest of all runs. */
function least(runs: number, ...works: (null | (() => unknown))[]): number {
  let best = Number.POSITIVE_INFINITY
  for (let i = 0; i < runs; i++) {
    for (const work of works) {
      if (!work) continue
      const start = performance.now()
      work()
      best = Math.min(best, performance.now() - start)
    }
  }
  return best / 1000
}
