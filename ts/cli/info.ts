import type { Backend } from '../backend/backend.ts'
import { loadBackend } from '../backend/load.ts'
import { version } from './version.ts'

/**
 * What `nhgd info` prints: what runs here, and why other backends do not. With `tune` also what kernels chose by the caches
 * of the machine, and why.
 */
export async function info({ tune = false }: { readonly tune?: boolean }): Promise<Record<string, unknown>> {
  const loaded = await loadBackend()
  const { backend, version: engine, simd, blas, threads, skipped } = loaded.info()
  const { bun, deno } = process.versions as Record<string, string | undefined>
  const runtime = bun ? { bun } : deno ? { deno } : { node: process.version }
  const platform = `${process.platform} ${process.arch}`
  return {
    package: version,
    engine,
    ...runtime,
    platform,
    backend,
    simd,
    blas,
    threads,
    skipped,
    ...(tune && { tuning: tuningOf(loaded) }),
  }
}

/** In WebAssembly nothing depends on the machine. */
const tuningOf = ({ tuning }: Backend): unknown => (tuning ? JSON.parse(tuning()) : [])
