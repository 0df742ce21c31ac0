import type { Backend } from './backend.ts'
import type { Oracles } from './binding.ts'
import { NhgdError } from './errors.ts'
import { builtin } from './node.ts'
import type { FisherSettings } from './settings.ts'

/**
 * Throws `ERR_MEMORY` where `name` needs more bytes than WebAssembly can address, or than the machine has: WebAssembly
 * would trap, and a native process would end.
 */
export function checkMemory(backend: Backend, name: string, bytes: number): void {
  const wasm = backend.info().backend === 'wasm'
  const limit = wasm ? 2 ** 32 : totalMemory()
  if (bytes < limit) return
  const expected = `less than the ${limit} bytes that ${wasm ? 'WebAssembly can address' : 'this machine has'}`
  const advice = `use ${wasm ? 'the native backend, ' : ''}fewer samples or a smaller form of Fisher`
  throw new NhgdError('ERR_MEMORY', `"${name}" expected ${expected}, got ${bytes}: ${advice}`)
}

/** Bytes of an inverse Fisher at its largest. */
export function fisherBytes(
  settings: FisherSettings,
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
  const bytes = dtype === 'f32' ? 4 : 8
  switch (settings.form) {
    case 'dense': // S, the half of A, and S again while it is factored and inverted
      return bytes * 3.5 * d * d
    case 'window': {
      // Beside the rows the Gram matrix and its factor, in f64; and the rows in f64 where all change at once.
      const { length: m = 256 } = settings
      return bytes * m * d + 8 * (2 * m * m + m * d)
    }
    case 'samples': {
      // Samples that come beside those that are held, and Gram matrices of up to 1024 in f64.
      const { samples: n = 256, statistic } = settings
      const directions = statistic === 'expected' ? (outputs.at(-1) ?? 1) : 1
      return bytes * 2 * n * (sum(inputs) + directions * sum(outputs)) + 8 * 3 * Math.min(n, 1024) ** 2
    }
    case 'sketch': {
      const { rank: k = 256 } = settings
      return bytes * (2 * k * d + 12 * k * k) + 8 * (2 * k * d + 8 * k * k)
    }
    case 'diagonal':
      return bytes * d
    case 'kronecker': // factors, those of an observation, and inverses or bases
      return bytes * 3 * factors
    case 'eigenkronecker':
      return bytes * (3 * factors + 2 * d)
    default: // an unknown form is the engine's to refuse
      return 0
  }
}

/** Deno tells it only where it may; elsewhere nothing is refused beforehand. */
function totalMemory(): number {
  try {
    return builtin('node:os').totalmem()
  } catch {
    return Number.POSITIVE_INFINITY
  }
}
