import type { Binding } from './binding.ts'
import { builtin } from './node.ts'

/** Where the WebAssembly module comes from: its bytes, a compiled module, or a URL to fetch or (`file:`) to read. */
export type WasmSource = BufferSource | WebAssembly.Module | URL | string

/** What JavaScript knows of one instance: wasm-bindgen's glue, each of whose instances has classes of its own. */
export interface Glue extends Binding {
  default(input: { module_or_path: WasmSource }): Promise<{ memory: WebAssembly.Memory }>
  /** Lets go of the instance; what is called on its objects later does nothing. */
  end(): void
}

/** The source itself, or the bytes of the file that it names. */
export async function contents(source: WasmSource): Promise<WasmSource> {
  if (!/^file:/.test(String(source))) return source
  return (await builtin('node:fs').promises.readFile(new URL(String(source)))) as WasmSource
}

/** A compiled module, which other threads can be given. */
export async function compiled(source: WasmSource): Promise<WebAssembly.Module> {
  const given = await contents(source)
  if (given instanceof WebAssembly.Module) return given
  const url = typeof given === 'string' || given instanceof URL
  return WebAssembly.compile(url ? await (await fetch(given)).arrayBuffer() : given)
}
