import { type Backend, type BackendInfo, backendOf } from './backend.ts'
import type { Binding } from './binding.ts'
import { NhgdError } from './errors.ts'
import { builtin } from './node.ts'

let loaded: Binding | undefined

/** The Node-API addon (`ERR_BACKEND` with the likely remedy where it does not load). */
export async function loadNative(skipped?: BackendInfo['skipped']): Promise<Backend> {
  try {
    loaded ??= builtin('node:module').createRequire(import.meta.url)(
      '../../build/native/index.cjs',
    ) as Binding
  } catch (error) {
    throw new NhgdError('ERR_BACKEND', `the native backend does not load: ${remedy(error)}`, { cause: error })
  }
  return backendOf(loaded, 'native', skipped)
}

function remedy(error: unknown): string {
  const { message, code } = error as Error & { code?: string }
  if (/GLIBC|GLIBCXX|musl/.test(message))
    return 'its C library is newer than this system’s; use the wasm backend'
  if (code === 'MODULE_NOT_FOUND' || /Cannot find/.test(message)) {
    return 'it was not built for this platform, or optional packages were left out; run "npm run setup" in a clone, reinstall with optional packages, or use the wasm backend'
  }
  return message
}
