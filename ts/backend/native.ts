import { type Backend, backendOf } from './backend.ts'
import type { Binding } from './binding.ts'
import { NhgdError } from './errors.ts'
import { type LoadOptions, threadsOf } from './loadOptions.ts'
import { builtin } from './node.ts'
import { type Remedies, withRemedy } from './remedy.ts'

let loaded: Binding | undefined

/** Loads the Node-API addon (`ERR_BACKEND`, with the likely remedy, where it does not load). */
export async function loadNative({ threads }: Pick<LoadOptions, 'threads'> = {}): Promise<Backend> {
  try {
    loaded ??= builtin('node:module').createRequire(import.meta.url)(
      '../../build/native/index.cjs',
    ) as Binding
  } catch (error) {
    const reason = withRemedy(error, remedies)
    throw new NhgdError('ERR_BACKEND', `the native backend does not load: ${reason}`, { cause: error })
  }
  return backendOf(loaded, 'native', [], threadsOf(threads))
}

const remedies: Remedies = [
  [/GLIBC/, 'this system’s C library is older than the addon’s: use a newer system, or the wasm backend'],
  [
    /(libopenblas|libblas).*cannot open shared object/,
    'install OpenBLAS, or build without NHGD_BLAS by "npm run setup"',
  ],
  [/cannot open shared object|Library not loaded/, 'install that library, or use the wasm backend'],
  [
    /ELF|file too short|mach-o|incompatible architecture|not a valid Win32|musl/i,
    'the addon is another platform’s or broken: remove node_modules and install here',
  ],
  [/addons is disabled/, 'run without --no-addons, or use the wasm backend'],
  [/ffi access/, 'or use the wasm backend'],
  [/version mismatch/, 'remove node_modules and install again'],
  [
    /Cannot find (module|native)|index\.cjs/,
    'it was not built for this platform, or optional packages were left out: run "npm run setup" in a clone, reinstall with optional packages, or use the wasm backend; in a bundle for Node, keep nhgd external',
  ],
]
