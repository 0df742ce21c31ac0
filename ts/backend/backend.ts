/// <reference lib="esnext.disposable" preserve="true" />
import { arrayType } from './arrays.ts'
import type { Binding, DType, Features, Vector } from './binding.ts'
import { backendCheck, doubles, refuse } from './check.ts'
import { type ErrorCode, NhgdError } from './errors.ts'
import { remember } from './fingerprint.ts'
import { breakHandle, disposal } from './handles.ts'
import { endedBy, hasEnded, refuseEnded } from './instance.ts'
import { mappingOf } from './mapping.ts'
import type { Matrix } from './matrix.ts'
import { featuresCheck, type MatrixLike } from './matrixLike.ts'
import { adopt } from './scope.ts'
import { handle, type Signature, signaturesOf } from './signatures.ts'

/** What a backend runs on. */
export interface BackendInfo {
  readonly backend: 'native' | 'wasm'
  readonly version: string
  /** Instruction set of the kernels, such as `avx512`, `neon`, `relaxed`, `simd128` or `scalar`. */
  readonly simd: string
  /** BLAS behind large products; `none` is the library's own. */
  readonly blas: string
  /** Threads that passes over many samples use at most. */
  readonly threads: number
  /** Backends that were tried first, and why they were passed over. */
  readonly skipped: readonly { readonly backend: string; readonly reason: string }[]
}

/** One of the two bindings, with checked arguments and with errors turned into {@link NhgdError}s. */
export interface Backend extends Omit<Binding, 'info' | 'signatures'> {
  info(): BackendInfo
}

type Calls = Omit<Backend, 'info'>

/** Classes are changed in place, so each binding is done once. */
const checkedBindings = new WeakMap<Binding, Calls>()

/** Wraps a loaded binding, whose passes over many samples use `most` threads at most. */
export function backendOf(
  binding: Binding,
  name: 'native' | 'wasm',
  skipped: BackendInfo['skipped'] = [],
  most?: number,
): Backend {
  const calls = checkedBindings.get(binding) ?? checked(binding)
  checkedBindings.set(binding, calls)
  const { simd, blas, threads: there, version } = JSON.parse(binding.info())
  // WebAssembly has no more threads than helpers were started for; the system starts as many as are wanted.
  const threads = name === 'native' ? (most ?? there) : Math.min(most ?? there, there)
  const info: BackendInfo = { backend: name, version, simd, blas, threads, skipped }
  return { ...calls, info: () => info }
}

/** Copies a vector out, in its own scalar type. */
export function read(vector: Vector): Float32Array | Float64Array {
  return vector.dtype === 'f32' ? vector.readF32() : vector.readF64()
}

/** Copies a vector into an array of its scalar type and length. */
export function readInto(vector: Vector, target: Float32Array | Float64Array): void {
  if (target instanceof Float32Array) vector.readIntoF32(target)
  else vector.readIntoF64(target)
}

/** A copy of a vector that nobody needs any more. */
export function taken(vector: Vector): Float32Array | Float64Array {
  try {
    return read(vector)
  } finally {
    vector.dispose()
  }
}

/** A vector of the backend with the given entries; errors call them `name`. */
export function vector(backend: Backend, entries: ArrayLike<number>, dtype: DType, name = 'entries'): Vector {
  const numbers = entries instanceof Float32Array ? entries : doubles(name, entries)
  const out = new backend.Vector(numbers.length, dtype)
  if (numbers instanceof Float32Array) out.writeF32(numbers, name)
  else out.writeF64(numbers, name)
  return out
}

/** Uploads a matrix in the type it came in. What lies in a mapped file is used there, without a copy. */
export function upload(backend: Backend, features: MatrixLike): Features {
  backendCheck('backend', backend)
  const matrix = featuresCheck('features', features) as Matrix
  return remember(uploaded(backend, matrix), matrix)
}

/** Types that the kernels read. */
const dtypes: Record<string, string> = { Uint8Array: 'u8', Float32Array: 'f32', Float64Array: 'f64' }

function uploaded(backend: Backend, { data, rows, columns, scale = 1 }: Matrix): Features {
  const type = arrayType(data)
  const dtype = dtypes[type as string]
  const mapping = dtype && mappingOf(data)
  if (mapping && backend.Features.mapped) {
    return backend.Features.mapped(mapping, dtype, data.byteOffset, rows, columns, scale)
  }
  if (type === 'Uint8Array') return backend.Features.u8(data as Uint8Array, rows, columns, scale)
  if (type === 'Float32Array') return backend.Features.f32(data as Float32Array, rows, columns, scale)
  if (type === 'Float64Array') return backend.Features.f64(data as Float64Array, rows, columns, scale)
  return refuse('features', 'Uint8Array, Float32Array or Float64Array', data, 'ERR_DTYPE')
}

/** An error of a binding as an {@link NhgdError}; anything else stays as it is. */
export function asNhgdError(error: unknown): unknown {
  const { code, message } = Object(error) as Error & { code?: unknown }
  if (error instanceof NhgdError || typeof code !== 'string') return error
  const known = code.startsWith('ERR_') ? (code as ErrorCode) : 'ERR_DTYPE'
  return new NhgdError(known, message, { cause: error })
}

type Call = (this: unknown, ...args: unknown[]) => unknown
type Class = { prototype: Record<string, unknown> } & (new (...args: unknown[]) => object)

/** The calls of a binding, each of which checks its arguments and throws {@link NhgdError}s. */
function checked(binding: Binding): Calls {
  const members = binding as unknown as Record<string, Call & Class>
  const calls: Record<string, unknown> = {}
  // A class comes before its members.
  for (const [path, signature] of signaturesOf(binding)) {
    const [name, member] = path.split('.')
    const original = members[name]
    if (member === undefined) {
      const isClass = /^[A-Z]/.test(name)
      calls[name] = isClass
        ? standIn(original, name, signature, binding)
        : guarded(original, signature, binding)
    } else if (member === 'dispose') {
      // `standIn` has made more of it.
    } else if (member in original.prototype) {
      const call = guarded(original.prototype[member] as Call, signature, binding, selfOf(name, binding))
      Object.defineProperty(original.prototype, member, { value: call, writable: true, configurable: true })
    } else {
      // An addon's statics can't be redefined, only called from here.
      const call = (original as unknown as Record<string, Call>)[member]
      Object.assign(calls[name] as object, { [member]: guarded(call.bind(original), signature, binding) })
    }
  }
  return calls as unknown as Calls
}

/** A function that stands in for a class: `new` and `instanceof` work as with the class itself. */
function standIn(original: Class, name: string, signature: Signature | null, binding: Binding): Class {
  const construct = signature && guarded((...args) => new original(...args), signature, binding)
  function create(...args: unknown[]) {
    if (construct) return construct(...args)
    return refuse(name, 'one of its static functions', 'new', 'ERR_DTYPE')
  }
  const { prototype } = original
  create.prototype = prototype
  const self = selfOf(name, binding)
  for (const [member, property] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
    const { get } = property as { get?: Call }
    if (get && property.configurable) {
      Object.defineProperty(prototype, member, { ...property, get: guarded(get, null, binding, self) })
    }
  }
  const free = disposal(prototype, () => hasEnded(binding)) as Call
  const dispose = guarded(free, null, binding, selfOf(name, binding, true))
  delete prototype.free
  // Engines without explicit resource management have no such symbol.
  for (const member of ['dispose', Symbol.dispose].filter(Boolean)) {
    Object.defineProperty(prototype, member, { value: dispose, writable: true, configurable: true })
  }
  return create as unknown as Class
}

/** Checks what a method is called on: an object of its class. */
function selfOf(name: string, binding: Binding, anyway?: boolean): (value: unknown) => unknown {
  const check = handle(name, binding, anyway)
  const called = name[0].toLowerCase() + name.slice(1)
  return (value) => check(called, value)
}

/** A call that checks what it is called on, `self`, and its arguments. */
function guarded(
  call: Call,
  signature: Signature | null,
  binding: Binding,
  self: (value: unknown) => unknown = () => refuseEnded(binding),
): Call {
  const run: Call = function (...args) {
    self(this)
    try {
      signature?.check(args)
    } catch (error) {
      throw asNhgdError(error)
    }
    try {
      return adopt(this, call.apply(this, args))
    } catch (error) {
      throw told(endedBy(error, binding), this)
    }
  }
  if (!signature?.later) return run
  return async function (...args) {
    const result = (await run.apply(this, args)) as Partial<Failure> | undefined
    if (result?.code !== undefined) throw told(result, this)
    return result
  }
}

/** The error of a call as an {@link NhgdError}. An object amid whose call the library panicked is used no more. */
function told(error: unknown, self: unknown): unknown {
  const known = asNhgdError(error)
  if (known instanceof NhgdError && known.code === 'ERR_INTERNAL') breakHandle(self)
  return known
}

/** What a promise of the addon resolves to where the call fails: a rejection has no code of its own. */
interface Failure {
  readonly code: string
  readonly message: string
}
