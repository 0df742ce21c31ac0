import { loadBackend } from '../backend/load.ts'
import { version } from './version.ts'

/** What `nhgd info` prints: what runs here, and why other backends do not. */
export async function info(): Promise<Record<string, unknown>> {
  const { backend, version: engine, simd, blas, threads, skipped } = (await loadBackend()).info()
  const { bun, deno } = process.versions as Record<string, string | undefined>
  const runtime = bun ? { bun } : deno ? { deno } : { node: process.version }
  const platform = `${process.platform} ${process.arch}`
  return { package: version, engine, ...runtime, platform, backend, simd, blas, threads, skipped }
}
