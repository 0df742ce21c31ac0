// What hyparquet believes of a file, checked: it makes room for the lengths that pages claim.
import type { Bytes } from './bytes.ts'
import { checkUnpacked } from './gzip.ts'

/** The part of a file's metadata that says where its pages are. */
export interface ParquetMetadata {
  readonly num_rows: bigint
  readonly row_groups: readonly {
    readonly num_rows: bigint
    readonly columns: readonly {
      readonly meta_data?: {
        readonly num_values: bigint
        readonly total_compressed_size: bigint
        readonly data_page_offset: bigint
        readonly dictionary_page_offset?: bigint
      }
    }[]
  }[]
}

interface PageHeader {
  readonly compressed_page_size: number
  readonly uncompressed_page_size: number
  readonly data_page_header?: { readonly num_values: number }
  readonly data_page_header_v2?: { readonly num_values: number }
  readonly dictionary_page_header?: { readonly num_values: number }
}

/** Reads the header of a page, and moves on to its content. */
type ReadHeader = (reader: { view: DataView; offset: number }) => PageHeader

/** A page has a megabyte as a rule; up to this size zeros may shrink further than DEFLATE shrinks anything. */
const USUAL = 2 ** 26

/**
 * Throws where the pages of a file claim more rows than `most`, other lengths than they have, or to unpack to more than is
 * worth the memory. Pages of groups of rows that are not `wanted`, by the number of their first row, are not looked at.
 *
 * @throws Error that says what is wrong, RangeError for what lies beyond the end.
 */
export function verifyParquet(
  bytes: Bytes,
  metadata: ParquetMetadata,
  readHeader: ReadHeader,
  most: number,
  wanted: (first: number, count: number) => boolean = () => true,
): void {
  const within = (count: number, what: string) => {
    if (!(count >= 0 && count <= most)) throw new Error(`${count} ${what}`)
  }
  let rows = 0
  for (const { num_rows: count, columns } of metadata.row_groups) {
    rows += Number(count)
    within(rows, 'rows')
    if (!wanted(rows - Number(count), Number(count))) continue
    for (const { meta_data: column } of columns) {
      if (!column) throw new Error('a column in another file')
      const values = Number(column.num_values)
      within(values, 'values in a column')
      const offset = Number(column.dictionary_page_offset ?? column.data_page_offset)
      const end = offset + Number(column.total_compressed_size)
      if (!(offset >= 0 && end <= bytes.length)) throw new Error(`pages from byte ${offset} to ${end}`)
      const chunk = bytes.subarray(offset, end)
      const reader = { view: new DataView(chunk.buffer, chunk.byteOffset, chunk.length), offset: 0 }
      for (let seen = 0; seen < values && reader.offset < chunk.length; ) {
        const header = readHeader(reader)
        const { compressed_page_size: packed, uncompressed_page_size: size } = header
        const data = header.data_page_header ?? header.data_page_header_v2
        const held = (data ?? header.dictionary_page_header)?.num_values ?? 0
        const fits = packed >= 0 && reader.offset + packed <= chunk.length && size >= 0
        if (!fits) throw new Error(`a page of ${packed} bytes at byte ${offset + reader.offset}`)
        if (size > USUAL) checkUnpacked(size, packed)
        if (!(held >= 0) || (data ? seen + held > values : held > Math.max(values, size))) {
          throw new Error(`a page of ${held} values`)
        }
        if (data) seen += held
        reader.offset += packed
      }
    }
  }
}
