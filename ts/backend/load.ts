import type { Backend, BackendInfo } from './backend.ts'
import { besidePackage, threadedBesidePackage } from './beside.ts'
import { NhgdError } from './errors.ts'
import { checkLoadOptions, type LoadOptions } from './loadOptions.ts'
import { loadWasm } from './wasm.ts'

export type { LoadOptions }

/**
 * Loads the native backend, or WebAssembly where that does not load. `info()` says which one, and why the other was
 * passed over.
 *
 * @throws NhgdError `ERR_BACKEND` where the forced one does not load, or none does: why each does not stands on a line.
 */
export async function loadBackend(options: LoadOptions = {}): Promise<Backend> {
  const wanted = checkLoadOptions(options).backend ?? environment('NHGD_BACKEND') ?? 'auto'
  const onWasm = (skipped?: BackendInfo['skipped']) =>
    loadWasm(options, besidePackage, threadedBesidePackage, skipped)
  if (wanted === 'wasm') return onWasm()
  if (wanted === 'native') return native(options)
  if (wanted !== 'auto') {
    throw new NhgdError('ERR_BACKEND', `"backend" expected native, wasm or auto, got ${wanted}`)
  }
  const failed = await native(options).catch((error: Error) => error)
  if (!(failed instanceof Error)) return failed
  return onWasm([{ backend: 'native', reason: failed.message }]).catch((error: Error) => {
    const reasons = `${failed.message}\n${error.message}`
    throw new NhgdError('ERR_BACKEND', `no backend loads\n${reasons}`, { cause: error })
  })
}

async function native(options: LoadOptions): Promise<Backend> {
  const { process } = globalThis as { process?: { versions?: { node?: string } } }
  if (!process?.versions?.node)
    throw new NhgdError('ERR_BACKEND', 'Node-API addons load in Node, Deno and Bun only')
  return (await import('./native.ts')).loadNative(options)
}

function environment(name: string): string | undefined {
  const { process } = globalThis as { process?: { env?: Record<string, string | undefined> } }
  return process?.env?.[name] || undefined
}
