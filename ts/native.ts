/**
 * The whole library on the Node-API addon alone: what does not load is an error, never another backend.
 *
 * @module nhgd/native
 */
import type { Backend } from './backend/backend.ts'
import { loadNative } from './backend/native.ts'

export * from './library.ts'

/** The native backend (`ERR_BACKEND` with the likely remedy where it does not load). */
export function loadBackend(): Promise<Backend> {
  return loadNative()
}
