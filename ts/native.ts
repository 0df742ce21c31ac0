/**
 * The whole library on the Node-API addon alone: what does not load is an error, never another backend.
 *
 * @module nhgd/native
 */
import type { Backend } from './backend/backend.ts'
import { checkLoadOptions, type LoadOptions } from './backend/loadOptions.ts'
import { loadNative } from './backend/native.ts'

export * from './library.ts'

/** The native backend (`ERR_BACKEND` with the likely remedy where it does not load); `threads` as in `LoadOptions`. */
export async function loadBackend(options: Pick<LoadOptions, 'threads'> = {}): Promise<Backend> {
  return loadNative(checkLoadOptions(options))
}
