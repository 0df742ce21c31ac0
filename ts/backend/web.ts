import type { Backend } from './backend.ts'
import { NhgdError } from './errors.ts'
import type { LoadOptions } from './loadOptions.ts'
import type { ThreadedSource } from './threads.ts'
import { loadWasm, type OwnModule } from './wasm.ts'

/** `loadBackend` where there is WebAssembly alone; it loads the module `own` unless the caller gives another. */
export async function loadOnWeb(
  { backend = 'auto', ...options }: LoadOptions,
  own: OwnModule,
  threaded?: ThreadedSource,
): Promise<Backend> {
  if (backend !== 'auto' && backend !== 'wasm') {
    throw new NhgdError(
      'ERR_BACKEND',
      `"backend" expected wasm or auto in a build for the web, got ${backend}`,
    )
  }
  return loadWasm(options, own, threaded)
}
