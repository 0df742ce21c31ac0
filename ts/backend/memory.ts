import type { Backend } from './backend.ts'
import type { Oracles } from './binding.ts'
import { NhgdError } from './errors.ts'
import { builtin } from './node.ts'

/**
 * Throws `ERR_MEMORY` where `name` needs more bytes than WebAssembly can address, or than the machine has: WebAssembly
 * would trap, and a native process would end.
 */
export function checkMemory(backend: Backend, name: string, bytes: number): void {
  const wasm = backend.info().backend === 'wasm'
  const limit = wasm ? 2 ** 32 : builtin('node:os').totalmem()
  if (bytes < limit) return
  const expected = `less than the ${limit} bytes that ${wasm ? 'WebAssembly can address' : 'this machine has'}`
  const advice = `use ${wasm ? 'the native backend, ' : ''}fewer samples or a smaller form of Fisher`
  throw new NhgdError('ERR_MEMORY', `"${name}" expected ${expected}, got ${bytes}: ${advice}`)
}

/** Bytes of an inverse Fisher at its largest. */
export function fisherBytes(
  { form = 'window', size = 256, statistic }: { form?: string; size?: number; statistic?: string },
  {
    innerLength: d,
    dtype,
    layers,
  }: Pick<Oracles, 'innerLength' | 'dtype'> & { readonly layers: ArrayLike<number> },
): number {
  const inputs = Array.from(layers).filter((_, at) => at % 2 === 0)
  const outputs = Array.from(layers).filter((_, at) => at % 2 === 1)
  const sum = (terms: number[]) => terms.reduce((total, term) => total + term, 0)
  const factors = sum([...inputs, ...outputs].map((n) => n * n))
  const directions = statistic === 'expected' ? (outputs.at(-1) ?? 1) : 1
  const numbers = {
    // S, the half of A, and S again while it is factored and inverted.
    dense: 3.5 * d * d,
    window: size * d + 2 * size * size,
    // Samples that come beside those that are held, and Gram matrices of up to 1024.
    samples: 2 * size * (sum(inputs) + directions * sum(outputs)) + 3 * Math.min(size, 1024) ** 2,
    sketch: 2 * size * d + 12 * size * size,
    diagonal: d,
    // Factors, those of an observation, and inverses or bases.
    kronecker: 3 * factors,
    eigenkronecker: 3 * factors + 2 * d,
  }
  // An unknown form is the engine's to refuse.
  return (dtype === 'f32' ? 4 : 8) * ((numbers as Record<string, number>)[form] ?? 0)
}
