import { type Backend, type BackendInfo, backendOf } from './backend.ts'
import type { Binding } from './binding.ts'
import { NhgdError } from './errors.ts'
import { builtin } from './node.ts'

/** Where the WebAssembly module comes from: its bytes, a compiled module, or a URL to fetch or (`file:`) to read. */
export type WasmSource = BufferSource | WebAssembly.Module | URL | string

interface Glue extends Binding {
  default(input: { module_or_path: WasmSource }): Promise<unknown>
}

let loaded: Promise<Glue> | undefined

/** The WebAssembly module, from `source` or from its place beside this package (`ERR_BACKEND` where it does not load). */
export async function loadWasm(source?: WasmSource, skipped?: BackendInfo['skipped']): Promise<Backend> {
  // A second instance would have handles of its own, so all callers share the first.
  loaded ??= instantiate(source)
  try {
    return backendOf(await loaded, 'wasm', skipped)
  } catch (error) {
    loaded = undefined
    throw new NhgdError('ERR_BACKEND', `the wasm backend does not load: ${remedy(error)}`, { cause: error })
  }
}

/** The module in its place beside this package: one without SIMD where the engine has none. */
function ownModule(): URL {
  return WebAssembly.validate(vectors)
    ? new URL('../../build/wasm/nhgd_bg.wasm', import.meta.url)
    : new URL('../../build/wasm-scalar/nhgd_scalar.wasm', import.meta.url)
}

/** A module of one function of no arguments: i32.const 0, i8x16.splat, drop. */
const vectors = Uint8Array.from(
  '\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x09\x01\x07\0\x41\0\xfd\x0f\x1a\x0b',
  (byte) => byte.charCodeAt(0),
)

async function instantiate(source: WasmSource = ownModule()) {
  // biome-ignore lint/suspicious/noTsIgnore: whether it is there depends on the build
  // @ts-ignore: nor need its own types be there.
  const glue: Glue = await import('../../build/wasm/nhgd.js')
  const file = /^file:/.test(String(source))
  const module = file ? await builtin('node:fs').promises.readFile(new URL(String(source))) : source
  await glue.default({ module_or_path: module as WasmSource })
  return glue
}

function remedy(error: unknown): string {
  const { message } = error as Error
  if (/Content Security Policy|unsafe-eval/.test(message))
    return `${message}; allow 'wasm-unsafe-eval' in script-src`
  if (/fetch|MIME|HTTP|ENOENT|magic/i.test(message)) {
    return `${message}; serve the file nhgd/nhgd.wasm and pass its URL, its bytes or a WebAssembly.Module as "wasm"`
  }
  return message
}
