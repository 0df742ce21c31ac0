import type { TableLike } from '../backend/table.ts'
import type { Row, TableData } from './columnar.ts'
import { dataError } from './error.ts'
import { formatOf } from './formats.ts'
import { gunzip } from './gzip.ts'

/**
 * The table in a file of a format that an optional package reads: hyparquet (with hyparquet-compressors where that is
 * installed) for Parquet, apache-arrow for Arrow IPC and Feather. Nothing for other formats.
 *
 * @throws NhgdError `ERR_DATA` where the package is not installed, or can't read the file.
 */
export async function decodeTable(
  name: string,
  packed: Uint8Array,
  as: string,
): Promise<TableData | undefined> {
  const bytes = gunzip(packed, as)
  const format = formatOf(name, bytes)
  if (format === 'parquet') return readParquet(bytes, as)
  return format === 'arrow' ? readArrow(bytes, as) : undefined
}

async function readParquet(bytes: Uint8Array, as: string): Promise<Row[]> {
  const { parquetReadObjects } = await import('hyparquet').catch(absent('hyparquet', 'Parquet', as))
  const extra = await import('hyparquet-compressors').catch(() => undefined)
  // A Buffer's `slice` would not copy.
  const { buffer, byteOffset, byteLength } = bytes
  const own = new Uint8Array(buffer, byteOffset, byteLength)
  const slice = (from: number, to?: number) => own.slice(from, to).buffer
  const file = { byteLength, slice }
  try {
    return await parquetReadObjects({ file, ...(extra && { compressors: extra.compressors }) })
  } catch (cause) {
    const { message } = cause as Error
    const help = /compress/.test(message) ? ' (npm install hyparquet-compressors reads more codecs)' : ''
    throw dataError(as, 'a Parquet file', `${message}${help}`, { cause })
  }
}

async function readArrow(bytes: Uint8Array, as: string): Promise<TableLike> {
  const { tableFromIPC } = await import('apache-arrow').catch(absent('apache-arrow', 'Arrow IPC', as))
  try {
    const table = tableFromIPC(bytes)
    if (table.schema.fields.length > 0) return table
    throw new Error('no columns')
  } catch (cause) {
    const { message } = cause as Error
    const help = /compress|codec/i.test(message)
      ? ' (save it without compression: in pandas df.to_feather(…, compression="uncompressed"))'
      : ''
    throw dataError(as, 'an Arrow IPC file', `${message}${help}`, { cause })
  }
}

/** Throws `ERR_DATA` that says what to install. Bundlers leave an `import` alone that has a `catch`, if there is no package. */
export function absent(name: string, format: string, as: string): (cause: unknown) => never {
  return (cause) => {
    throw dataError(as, `the package ${name} for ${format} (npm install ${name})`, 'none', { cause })
  }
}
