import type { TableLike } from '../backend/table.ts'
import { type ArrowData, verifyArrow, verifyData } from './arrowFile.ts'
import type { Bytes, RowsOf } from './bytes.ts'
import { dataError } from './error.ts'
import { formatOf } from './formats.ts'
import { gunzip } from './gzip.ts'
import { unlz4 } from './lz4.ts'
import { verifyParquet } from './parquetFile.ts'

/** A constant column of doubles takes this many in LZ4, twice over. Parquet has even less for some. */
const MOST_ROWS_PER_BYTE = 64
const FEW_ROWS = 2 ** 20

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
): Promise<TableLike | undefined> {
  const bytes = gunzip(packed, as)
  const format = formatOf(name, bytes)
  if (format === 'parquet') return readParquet(bytes, as)
  return format === 'arrow' ? readArrow(bytes, as) : undefined
}

/** The table in a Parquet file, or some of its rows: groups that hold none of them are not read. */
export async function readParquet(bytes: Bytes, as: string, rowsOf?: RowsOf): Promise<TableLike> {
  const { parquetMetadataAsync, parquetReadObjects, parquetSchema } = await import('hyparquet').catch(
    absent('hyparquet', 'Parquet', as),
  )
  const { parquetHeader } = await import('hyparquet/src/column.js').catch(absent('hyparquet', 'Parquet', as))
  const extra = await import('hyparquet-compressors').catch(() => undefined)
  const slice = (from: number, to = bytes.length) => new Uint8Array(bytes.subarray(from, to)).buffer
  const file = { byteLength: bytes.length, slice }
  const columns = new Map<string, unknown[]>()
  try {
    const metadata = await parquetMetadataAsync(file)
    const count = Number(metadata.num_rows)
    const { from, to } = rowsOf?.(count) ?? { from: 0, to: count }
    const wanted = (first: number, count: number) => !rowsOf || (first < to && first + count > from)
    verifyParquet(bytes, metadata, parquetHeader, FEW_ROWS + MOST_ROWS_PER_BYTE * bytes.length, wanted)
    const options = { file, metadata, ...(extra && { compressors: extra.compressors }) }
    // One column of one group of rows at a time: where several fail at once, nobody could catch all of their errors.
    for (const { element } of parquetSchema(metadata).children) {
      const cells: unknown[] = []
      let first = 0
      for (const { num_rows: count } of metadata.row_groups) {
        const end = first + Number(count)
        if (wanted(first, end - first)) {
          const range = rowsOf
            ? { rowStart: Math.max(first, from), rowEnd: Math.min(end, to) }
            : { rowStart: first, rowEnd: end }
          const rows = await parquetReadObjects({ ...options, columns: [element.name], ...range })
          for (const row of rows) cells.push(row[element.name])
        }
        first = end
      }
      columns.set(element.name, cells)
    }
  } catch (cause) {
    const { message } = cause as Error
    const help = /compress/.test(message) ? ' (npm install hyparquet-compressors reads more codecs)' : ''
    throw dataError(as, 'a Parquet file', `${message}${help}`, { cause })
  }
  const all = [...columns]
  const rows = all[0]?.[1].length ?? 0
  if (all.some(([, cells]) => cells.length !== rows)) {
    throw dataError(as, 'a Parquet file', 'columns of different lengths')
  }
  return {
    numRows: rows,
    schema: { fields: all.map(([name]) => ({ name })) },
    getChild(name) {
      const cells = columns.get(name)
      return cells ? { length: rows, get: (row) => cells[row], toArray: () => cells } : null
    },
  }
}

async function readArrow(bytes: Uint8Array, as: string): Promise<TableLike> {
  const { tableFromIPC, compressionRegistry, CompressionType } = await import('apache-arrow').catch(
    absent('apache-arrow', 'Arrow IPC', as),
  )
  // Pandas compresses Feather files unless it is told not to. Versions before 21 know no codec.
  const { LZ4_FRAME } = CompressionType ?? {}
  if (compressionRegistry?.get(LZ4_FRAME) === null) compressionRegistry.set(LZ4_FRAME, { decode: unlz4 })
  try {
    verifyArrow(bytes, MOST_ROWS_PER_BYTE * bytes.length)
    const table = tableFromIPC(bytes)
    const { numRows, schema } = table
    if (schema.fields.length === 0 || numRows > MOST_ROWS_PER_BYTE * bytes.length) {
      throw new Error(`${schema.fields.length} columns of ${numRows} rows in ${bytes.length} bytes`)
    }
    for (const { data } of table.batches) for (const child of data.children) verifyData(child as ArrowData)
    return table
  } catch (cause) {
    const { message } = cause as Error
    const help = /compress|codec/i.test(message)
      ? ' (save it without compression, or with LZ4: in pandas df.to_feather(…, compression="lz4"))'
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
