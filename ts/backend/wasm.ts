import { type Backend, type BackendInfo, backendOf } from './backend.ts'
import type { Binding } from './binding.ts'
import { NhgdError } from './errors.ts'
import { whenEnded } from './instance.ts'
import { checkLoadOptions, type LoadOptions, threadsOf } from './loadOptions.ts'
import { type Remedies, withRemedy } from './remedy.ts'
import { type Simd, simd } from './simd.ts'
import { loadThreaded, type ThreadedSource, wantsThreads } from './threads.ts'
import { contents, type Glue, type WasmSource } from './wasmSource.ts'

interface Loaded {
  readonly binding: Binding
  /** Lets go of the instance. */
  readonly end: () => void
  readonly threads: boolean
  readonly skipped: BackendInfo['skipped']
}

let loaded: Promise<Loaded> | undefined

/** The module that a build has of its own; `relaxed` as in `LoadOptions`. */
export type OwnModule = (relaxed?: boolean) => WasmSource | Promise<WasmSource>

/**
 * Loads the WebAssembly module that the caller hands over, or the build's own. Where threads are wanted, it loads the
 * module with threads instead, if the build has one and its helpers start. `ERR_BACKEND` where no module loads.
 */
export async function loadWasm(
  options: Omit<LoadOptions, 'backend'>,
  own: OwnModule,
  ownThreaded?: ThreadedSource,
  skipped: BackendInfo['skipped'] = [],
): Promise<Backend> {
  const { wasm, relaxed, threads: wanted } = checkLoadOptions(options)
  const source = () => wasm ?? own(relaxed)
  const threaded = ownThreaded && wantsThreads(options, ownThreaded)
  // A second instance would have handles of its own, so all callers share the first.
  loaded ??= lasting(instantiate(source, threaded, threadsOf(wanted)))
  try {
    const { binding, threads, skipped: more } = await loaded
    const late = threaded && !threads && more.length === 0 ? [tooLate] : []
    const other = otherSimd(relaxed, JSON.parse(binding.info()).simd)
    return backendOf(binding, 'wasm', [...skipped, ...more, ...late, ...other], threadsOf(wanted))
  } catch (error) {
    loaded = undefined
    const reason = withRemedy(error, remedies)
    throw new NhgdError('ERR_BACKEND', `the wasm backend does not load: ${reason}`, { cause: error })
  }
}

/** An instance that is shared until a trap ends it; whoever loads then gets a fresh one. */
async function lasting(instance: Promise<Loaded>): Promise<Loaded> {
  const { binding, end } = await instance
  whenEnded(binding, () => {
    loaded = undefined
    end()
  })
  return instance
}

const tooLate = { backend: 'wasm with threads', reason: 'the module without threads is loaded already' }

/** Says that the loaded module is not of the kind that was asked for. */
function otherSimd(relaxed: boolean | undefined, loaded: Simd): BackendInfo['skipped'] {
  if (relaxed === undefined || relaxed === (loaded === 'relaxed')) return []
  if (!relaxed) return [{ backend: 'wasm without relaxed SIMD', reason: 'the module that is loaded has it' }]
  const reason = simd() === 'relaxed' ? 'the module that is loaded has none' : 'this engine has none'
  return [{ backend: 'wasm with relaxed SIMD', reason }]
}

async function instantiate(
  source: () => WasmSource | Promise<WasmSource>,
  threaded: ThreadedSource | undefined,
  most: number | undefined,
): Promise<Loaded> {
  const skipped: { backend: string; reason: string }[] = []
  if (threaded) {
    try {
      const { binding, end } = await loadThreaded(threaded, most)
      return { binding, end, threads: true, skipped }
    } catch (error) {
      skipped.push({ backend: 'wasm with threads', reason: (error as Error).message })
    }
  }
  // biome-ignore lint/suspicious/noTsIgnore: whether it is there depends on the build
  // @ts-ignore: nor need its own types be there.
  const { instance }: { instance: () => Glue } = await import('../../build/wasm/nhgd.js')
  const glue = instance()
  await glue.default({ module_or_path: await contents(await source()) })
  return { binding: glue, end: glue.end, threads: false, skipped }
}

const handOver = 'serve the file nhgd/nhgd.wasm and pass its URL, its bytes or a WebAssembly.Module as "wasm"'
const remedies: Remedies = [
  [/Content Security Policy|unsafe-eval/, "allow 'wasm-unsafe-eval' in script-src"],
  [/disallowed by embedder/, 'pass the WebAssembly.Module that the runtime made of nhgd/nhgd.wasm as "wasm"'],
  [
    /WebAssembly is not defined|find variable: WebAssembly/,
    'this engine has no WebAssembly: it may be switched off',
  ],
  [/relaxed/i, 'this engine has no relaxed SIMD: pass nhgd/nhgd.wasm as "wasm"'],
  [/simd/i, 'this engine has no SIMD: pass nhgd/nhgd_scalar.wasm as "wasm"'],
  [/read access/, 'run with --allow-read, or pass the module’s bytes as "wasm"'],
  [/out of memory|could not allocate/i, 'close what else holds memory, or run elsewhere'],
  [
    /Import #|requires a callable|import object/,
    'the module is another version’s: take nhgd/nhgd.wasm of this one',
  ],
  [/Invalid URL/, 'in a bundle for Node, keep nhgd external, or pass the module’s bytes as "wasm"'],
  [/fetch|MIME|HTTP|ENOENT|magic|response/i, handOver],
  [/Cannot find module/, 'run "npm run setup" in a clone, or reinstall'],
]
