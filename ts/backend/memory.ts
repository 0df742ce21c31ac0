import type { Backend } from './backend.ts'
import type { DType } from './binding.ts'
import { NhgdError } from './errors.ts'
import type { FisherSettings } from './fisher.ts'

/** Bytes that 32-bit addresses reach. */
const wasmLimit = 2 ** 32

/** Throws `ERR_MEMORY` where `name` needs more bytes than the backend can address; without it WebAssembly would trap. */
export function checkMemory(backend: Backend, name: string, bytes: number): void {
  if (backend.info().backend !== 'wasm' || bytes < wasmLimit) return
  throw new NhgdError(
    'ERR_MEMORY',
    `"${name}" expected less than the ${wasmLimit} bytes that WebAssembly can address, got ${bytes}: use the native backend, fewer samples or a smaller form of Fisher`,
  )
}

/** Bytes of an inverse Fisher of d parameters at its largest, 0 for forms whose size the layers decide. */
export function fisherBytes(
  { form = 'window', size = 256 }: FisherSettings,
  d: number,
  dtype: DType,
): number {
  const numbers: Partial<Record<NonNullable<FisherSettings['form']>, number>> = {
    // S, the half of A, and S again while it is factored and inverted.
    dense: 3.5 * d * d,
    window: size * d + 2 * size * size,
    sketch: 2 * size * d + 12 * size * size,
    diagonal: d,
  }
  return (dtype === 'f32' ? 4 : 8) * (numbers[form] ?? 0)
}
