import type { Mapping } from './binding.ts'

/** A backend that may map files into memory, as the native one does. */
export interface FileMapper {
  readonly Mapping?: { open(path: string): Mapping }
}

/** The files that arrays lie in. */
const mappings = new WeakMap<ArrayBufferLike, Mapping>()

/**
 * All bytes of a regular file that is not empty, as the system reads them when somebody looks; nothing from a backend that
 * can't map files. Features that are uploaded from a part of them are used where they lie.
 *
 * @throws NhgdError `ERR_DATA` for a file that can't be mapped.
 */
export function mapFile(backend: FileMapper, path: string): Uint8Array | undefined {
  const mapping = backend.Mapping?.open(path)
  const bytes = mapping?.view()
  if (mapping && bytes) mappings.set(bytes.buffer, mapping)
  return bytes
}

/** The file that an array lies in, if it is one. */
export function mappingOf({ buffer }: { readonly buffer: ArrayBufferLike }): Mapping | undefined {
  return mappings.get(buffer)
}
