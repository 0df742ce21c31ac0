import { arrayType } from '../backend/arrays.ts'
import { checkOptions, refuse, something } from '../backend/check.ts'
import { METADATA, packTensors, unpackTensors } from '../backend/safetensors.ts'
import { dataError } from './error.ts'
import { text } from './given.ts'
import { decodeNumbers } from './npy.ts'
import { type NumericArray, storable, type Tensor } from './tensor.ts'

/** Types of safetensors, as NumPy calls them. */
const types: Readonly<Record<string, string>> = {
  ...{ F64: 'f8', F32: 'f4', F16: 'f2', BF16: 'bf2', BOOL: 'b1' },
  ...{ I64: 'i8', I32: 'i4', I16: 'i2', I8: 'i1', U64: 'u8', U32: 'u4', U16: 'u2', U8: 'u1' },
}

/** Tensors by name, and texts about them. */
export interface Safetensors<Data = NumericArray> {
  readonly tensors: Readonly<Record<string, Tensor<Data>>>
  readonly metadata?: Readonly<Record<string, string>>
}

const checks = { tensors: something, metadata: something }

/**
 * Writes the format safetensors; byte arrays marked `boolean` become `BOOL`.
 *
 * @throws NhgdError `ERR_SHAPE` for a shape that does not hold its numbers.
 */
export function writeSafetensors(archive: Safetensors): Uint8Array {
  const { tensors, metadata = {} } = checkOptions(archive, checks, ['tensors'])
  for (const [key, value] of Object.entries(metadata)) text(`metadata.${key}`, value)
  const stored = Object.entries(tensors).map(([name, tensor]) => {
    const { data, shape, boolean } = storable(tensor, name)
    if (name === METADATA) refuse('tensors', `other names than "${METADATA}"`, name)
    const letter = (arrayType(data) ?? 'U')[0]
    const dtype = boolean ? 'BOOL' : `${letter}${8 * data.BYTES_PER_ELEMENT}`
    return [
      name,
      { dtype, shape, bytes: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) },
    ] as const
  })
  return packTensors(new Map(stored), metadata)
}

/**
 * Reads the format safetensors. 64-bit integers become `Float64Array`; halves of both kinds become `Float32Array`.
 *
 * @throws NhgdError `ERR_DATA` for foreign, truncated and damaged bytes, and for integers beyond ±2⁵³.
 */
export function readSafetensors(bytes: Uint8Array, name = 'file'): Required<Safetensors> {
  const failure = (got: string, cause?: unknown) => dataError(name, 'a safetensors file', got, { cause })
  const { metadata, tensors } = unpackTensors(bytes, failure)
  const read = Array.from(tensors(), ([tensor, { dtype, shape, bytes }]) => {
    const data = decodeNumbers(bytes, types[dtype], `${name}[${tensor}]`)
    return [tensor, { data, shape, ...(dtype === 'BOOL' && { boolean: true }) }] as const
  })
  const texts = Object.entries(metadata).map(([key, text]) => [key, String(text)])
  return { tensors: Object.fromEntries(read), metadata: Object.fromEntries(texts) }
}
