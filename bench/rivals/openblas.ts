import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'

/** What `bench/rivals/openblas` exports; the comments stand there. */
export interface OpenBlas {
  core(): string
  config(): string
  setThreads(threads: number): void
  sgemm(m: number, n: number, k: number, a: Float32Array, b: Float32Array, c: Float32Array): void
  dgemm(m: number, n: number, k: number, a: Float64Array, b: Float64Array, c: Float64Array): void
  saxpy(alpha: number, x: Float32Array, y: Float32Array): void
  sdot(x: Float32Array, y: Float32Array): number
  ssymv(d: number, b: Float32Array, x: Float32Array, y: Float32Array): void
  gemvTwice(m: number, d: number, g: Float32Array, b: Float32Array, y: Float32Array, x: Float32Array): void
  inverseUpdate(
    d: number,
    b: Float32Array,
    g: Float32Array,
    product: Float32Array,
    beta: number,
    gamma: number,
    scale: number,
  ): number
  sfactorInverse(n: number, k: number, x: Float32Array, damping: number, c: Float32Array): void
  dfactorInverse(n: number, k: number, x: Float64Array, damping: number, c: Float64Array): void
  readonly SoftmaxRival: new (
    columns: number,
    classes: number,
    batch: number,
    threads: number,
  ) => SoftmaxRival
  readonly NetworkRival: new (widths: Uint32Array, batch: number) => GradientRival
}

export interface GradientRival {
  gradient(
    features: Uint8Array,
    rows: Uint32Array,
    labels: Uint32Array,
    factors: Float32Array,
    theta: Float32Array,
    gradient: Float32Array,
  ): void
}

export interface SoftmaxRival extends GradientRival {
  sensitivities(
    features: Uint8Array,
    labels: Uint32Array,
    factor: number,
    theta: Float32Array,
    u: Float32Array,
    q: Float32Array,
  ): void
}

const addon = fileURLToPath(new URL('../../build/openblas/openblas.node', import.meta.url))

/** OpenBLAS with the kernels of this processor, or nothing where it isn't installed. */
export function loadOpenBlas(): OpenBlas | null {
  if (!existsSync(addon)) return null
  const { env } = process
  env.OPENBLAS_NUM_THREADS = String(availableParallelism())
  // Its threads spin for some 30 ms after a call, on the cores where ours would run next; 2^18 cycles are 0.1 ms.
  env.OPENBLAS_THREAD_TIMEOUT = '18'
  const better = betterCore(detectedCore())
  if (better) env.OPENBLAS_CORETYPE = better
  return createRequire(import.meta.url)(addon) as OpenBlas
}

/** What OpenBLAS takes this processor for, found out in a process of its own: it looks once. */
function detectedCore(): string {
  const script = 'console.log(require(process.argv[1]).core())'
  return execFileSync(process.execPath, ['-e', script, addon], { encoding: 'utf8' }).trim()
}

/** Builds of OpenBLAS that are older than the processor fall back to kernels of two decades ago, five times too slow. */
function betterCore(detected: string): string | null {
  const info = '/proc/cpuinfo'
  const flags = existsSync(info) ? (/^flags.*$/m.exec(readFileSync(info, 'utf8'))?.[0] ?? '') : ''
  const wide = /SkylakeX|Cooperlake|SapphireRapids/i
  if (/\bavx512f\b/.test(flags)) return wide.test(detected) ? null : 'SkylakeX'
  if (/\bavx2\b/.test(flags)) return /Haswell|Zen/i.test(detected) || wide.test(detected) ? null : 'Haswell'
  return null
}
