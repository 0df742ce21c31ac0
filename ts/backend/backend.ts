import type { Binding, DType, Features, Vector } from './binding.ts'
import { type ErrorCode, NhgdError } from './errors.ts'
import type { Matrix } from './matrix.ts'

/** What a backend runs on. */
export interface BackendInfo {
  readonly backend: 'native' | 'wasm'
  readonly version: string
  /** Instruction set of the kernels, such as `avx512`, `neon`, `relaxed`, `simd128` or `scalar`. */
  readonly simd: string
  /** BLAS behind large products; `none` is the library's own. */
  readonly blas: string
  readonly threads: number
  /** Backends that were tried first, and why they were passed over. */
  readonly skipped: readonly { readonly backend: string; readonly reason: string }[]
}

/** One of the two bindings, with errors turned into {@link NhgdError}s. */
export interface Backend extends Omit<Binding, 'info'> {
  info(): BackendInfo
}

/** Classes are changed in place, so each binding is done once. */
const typedBindings = new WeakMap<Binding, Omit<Binding, 'info'>>()

/** Wraps a loaded binding. */
export function backendOf(
  binding: Binding,
  name: 'native' | 'wasm',
  skipped: BackendInfo['skipped'] = [],
): Backend {
  const typedErrors = typedBindings.get(binding) ?? withTypedErrors(binding)
  typedBindings.set(binding, typedErrors)
  const { simd, blas, threads, version } = JSON.parse(binding.info())
  const info: BackendInfo = { backend: name, version, simd, blas, threads, skipped }
  return { ...typedErrors, info: () => info }
}

function withTypedErrors(binding: Binding): Omit<Binding, 'info'> {
  const members = Object.entries(binding)
    .filter(([key, value]) => typeof value === 'function' && key !== 'info')
    .map(([key, value]) => [key, /^[A-Z]/.test(key) ? typed(value) : guarded(value)])
  return Object.fromEntries(members)
}

/** Copies a vector out, in its own scalar type. */
export function read(vector: Vector): Float32Array | Float64Array {
  return vector.dtype === 'f32' ? vector.readF32() : vector.readF64()
}

/** A vector of the backend with the given entries. */
export function vector(backend: Backend, entries: ArrayLike<number>, dtype: DType): Vector {
  const out = new backend.Vector(entries.length, dtype)
  out.writeF64(entries instanceof Float64Array ? entries : Float64Array.from(entries))
  return out
}

/** Uploads a matrix in the type it came in. */
export function upload(backend: Backend, { data, rows, columns, scale = 1 }: Matrix): Features {
  if (data instanceof Uint8Array) return backend.Features.u8(data, rows, columns, scale)
  if (data instanceof Float32Array) return backend.Features.f32(data, rows, columns, scale)
  if (data instanceof Float64Array) return backend.Features.f64(data, rows, columns, scale)
  throw new NhgdError(
    'ERR_DTYPE',
    `"features" expected Uint8Array, Float32Array or Float64Array, got ${Object.prototype.toString.call(data).slice(8, -1)}`,
  )
}

/** An error of a binding as an {@link NhgdError}; anything else stays as it is. */
export function asNhgdError(error: unknown): unknown {
  const code = (error as { code?: unknown } | null)?.code
  if (error instanceof NhgdError) return error
  // wasm-bindgen tells of another class, or of none, without a code.
  const { message } = error as Error
  if (/^expected instance of /.test(message)) {
    return new NhgdError('ERR_DTYPE', `"argument" ${message}, got something else`, { cause: error })
  }
  if (typeof code !== 'string') return error
  if (code.startsWith('ERR_')) return new NhgdError(code as ErrorCode, (error as Error).message)
  return new NhgdError('ERR_DTYPE', (error as Error).message, { cause: error })
}

type Constructor = new (...args: never[]) => object

const standIns = new WeakMap<Constructor, Constructor>()

/** A stand-in for a class whose constructor, statics, methods and getters throw {@link NhgdError}s. */
function typed(base: Constructor): Constructor {
  const known = standIns.get(base)
  if (known) return known
  const construct = guarded((...args: never[]) => new base(...args))
  function create(...args: never[]) {
    return construct(...args)
  }
  const standIn = create as unknown as Constructor
  // An addon's statics can't be redefined, only called from here.
  for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(base))) {
    if (typeof value === 'function') Object.assign(standIn, { [name]: guarded(value.bind(base)) })
  }
  for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(base.prototype))) {
    if (name === 'constructor' || !property.configurable) continue
    const { value, get } = property
    if (typeof value === 'function') property.value = guarded(value)
    if (get) property.get = guarded(get)
    Object.defineProperty(base.prototype, name, property)
  }
  standIn.prototype = base.prototype
  standIns.set(base, standIn)
  return standIn
}

function guarded<This, Args extends unknown[], Result>(
  call: (this: This, ...args: Args) => Result,
): (this: This, ...args: Args) => Result {
  return function (...args) {
    try {
      return call.apply(this, args)
    } catch (error) {
      throw asNhgdError(error)
    }
  }
}
