// What apache-arrow believes of a file, checked: its reader takes lengths and offsets as they are, and may loop for ever on
// damaged ones. The layout is that of Arrow's Schema.fbs, Message.fbs and File.fbs in FlatBuffers.

type Verify = (reader: Reader, at: number) => void

/** Bytes of FlatBuffers. Reads beyond the end throw a RangeError. */
class Reader {
  readonly view: DataView
  #tables = 0

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  u32 = (at: number): number => this.view.getUint32(at, true)
  i64 = (at: number): number => Number(this.view.getBigInt64(at, true))
  target = (at: number): number => at + this.u32(at)

  /** Where a field of a table is, if it is there. */
  field(table: number, index: number): number | undefined {
    const vtable = table - this.view.getInt32(table, true)
    const [size, room] = [this.view.getInt16(vtable, true), this.view.getInt16(vtable + 2, true)]
    if (size < 4 || vtable + size > this.view.byteLength) throw new Error(`a table at byte ${table}`)
    const entry = 4 + 2 * index
    if (entry + 2 > size) return undefined
    const offset = this.view.getInt16(vtable + entry, true)
    if (offset < 0 || offset >= room) throw new Error(`a field at byte ${table + offset}`)
    return offset === 0 ? undefined : table + offset
  }

  /** Tables may be shared, so that few bytes stand for a tree without end. An honest one has its own bytes. */
  enter(): void {
    if (++this.#tables > this.view.byteLength / 4) throw new Error('more tables than it has room for')
  }
}

const table =
  (fields: Readonly<Record<number, Verify>>): Verify =>
  (reader, at) => {
    reader.enter()
    for (const [index, verify] of Object.entries(fields)) {
      const field = reader.field(at, Number(index))
      if (field !== undefined) verify(reader, reader.target(field))
    }
  }

const count = (reader: Reader, at: number, size: number): number => {
  const length = reader.u32(at)
  if (at + 4 + length * size > reader.view.byteLength) throw new Error(`${length} entries at byte ${at}`)
  return length
}

/** A vector of entries of some bytes, which are in it. */
const vector =
  (size: number): Verify =>
  (reader, at) => {
    count(reader, at, size)
  }

const tables =
  (verify: Verify): Verify =>
  (reader, at) => {
    const end = at + 4 + 4 * count(reader, at, 4)
    for (let entry = at + 4; entry < end; entry += 4) verify(reader, reader.target(entry))
  }

const text = vector(1)
const metadata = tables(table({ 0: text, 1: text }))
/** A table of numbers and texts alone. */
const bare: Verify = (reader, at) => {
  reader.enter()
  reader.field(at, 0)
}
const field: Verify = (reader, at) =>
  table({ 0: text, 3: bare, 4: table({ 1: bare }), 5: tables(field), 6: metadata })(reader, at)
const schema = table({ 1: tables(field), 2: metadata, 3: vector(8) })

/** Rows and regions of a batch whose body has `body` bytes. */
const batch =
  (body: number, most: number): Verify =>
  (reader, at) => {
    table({ 1: vector(16), 2: vector(16), 3: bare, 4: vector(8) })(reader, at)
    const pairs = (index: number) => {
      const place = reader.field(at, index)
      if (place === undefined) return []
      const from = reader.target(place)
      const pair = (k: number) => [0, 8].map((half) => reader.i64(from + 4 + 16 * k + half))
      return Array.from({ length: reader.u32(from) }, (_, k) => pair(k))
    }
    const length = reader.field(at, 0)
    const rows = [length === undefined ? 0 : reader.i64(length), ...pairs(1).flat()]
    const odd = rows.find((count) => !(count >= 0 && count <= most))
    if (odd !== undefined) throw new Error(`a batch of ${odd} rows`)
    for (const [from, bytes] of pairs(2)) {
      if (!(from >= 0 && bytes >= 0 && from + bytes <= body)) throw new Error(`a buffer from ${from}`)
    }
  }

const headers = { schema: 1, dictionary: 2, batch: 3 } as const

/** Verifies the message at a byte; gives where the next one starts, or nothing at the end of a stream. */
function message(
  bytes: Uint8Array,
  from: number,
  most: number,
  expected: readonly number[],
): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (from + 4 > bytes.length) return undefined
  const marked = view.getInt32(from, true) === -1
  const start = from + (marked ? 8 : 4)
  const length = view.getInt32(start - 4, true)
  if (length === 0) return undefined
  if (!(length > 0 && start + length <= bytes.length))
    throw new Error(`a message of ${length} bytes at ${from}`)
  const reader = new Reader(bytes.subarray(start, start + length))
  const root = reader.target(0)
  const bodyField = reader.field(root, 3)
  const body = bodyField === undefined ? 0 : reader.i64(bodyField)
  const next = start + length + body
  if (!(body >= 0 && next <= bytes.length)) throw new Error(`a body of ${body} bytes at ${from}`)
  const kindField = reader.field(root, 1)
  const kind = kindField === undefined ? 0 : reader.view.getUint8(kindField)
  // apache-arrow would look for a batch again and again where another message is.
  if (!expected.includes(kind)) throw new Error(`a message of kind ${kind} at ${from}`)
  const own = batch(body, most)
  const header = kind === headers.schema ? schema : kind === headers.dictionary ? table({ 1: own }) : own
  table({ 2: header, 4: metadata })(reader, root)
  return next
}

const MAGIC = 'ARROW1'

/**
 * Throws where what apache-arrow would go by leads beyond the file, or claims more than `most` rows.
 *
 * @throws Error that says what is wrong, RangeError for what lies beyond the end.
 */
export function verifyArrow(bytes: Uint8Array, most: number): void {
  if (String.fromCharCode(...bytes.subarray(0, 6)) !== MAGIC) {
    for (let at: number | undefined = 0; at !== undefined; )
      at = message(bytes, at, most, Object.values(headers))
    return
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const end = bytes.length - 10
  const length = view.getInt32(end, true)
  if (!(length > 0 && length <= end)) throw new Error(`a footer of ${length} bytes`)
  const reader = new Reader(bytes.subarray(end - length, end))
  const root = reader.target(0)
  const blocks = (kind: number) => (reader: Reader, at: number) => {
    let before = 0
    for (let k = 0; k < count(reader, at, 24); k++) {
      const block = at + 4 + 24 * k
      const from = reader.i64(block)
      const parts = reader.view.getInt32(block + 8, true) + reader.i64(block + 16)
      if (!(from >= before && parts > 0 && from + parts <= end)) throw new Error(`a block at ${from}`)
      before = from + parts
      message(bytes, from, most, [kind])
    }
  }
  table({ 1: schema, 2: blocks(headers.dictionary), 3: blocks(headers.batch), 4: metadata })(reader, root)
}

/** A column as apache-arrow holds it. */
export interface ArrowData {
  readonly typeId: number
  readonly length: number
  readonly stride: number
  readonly nullCount: number
  readonly values?: ArrayLike<unknown>
  readonly valueOffsets?: ArrayLike<number | bigint>
  readonly nullBitmap?: Uint8Array
  readonly children?: readonly ArrowData[]
  readonly dictionary?: { readonly data: readonly ArrowData[] }
}

const types = { null: 1, bool: 6, union: 14, dictionary: -1, fixedSizeList: 16, struct: 13 } as const
const bytesOfTexts = [4, 5, 19, 20]
const lists = [12, 17, 21]
const views = [23, 24]

/**
 * Throws where a column has room for fewer values than it claims, or where its offsets fall or lead beyond.
 *
 * @throws Error
 */
export function verifyData(data: ArrowData): void {
  const {
    typeId,
    length,
    stride,
    nullCount,
    values,
    valueOffsets,
    nullBitmap,
    children = [],
    dictionary,
  } = data
  const holds = (there: number | undefined, wanted: number) => {
    if (!((there ?? 0) >= wanted)) throw new Error(`a column of ${length} rows with room for fewer`)
  }
  if (nullCount > 0 && typeId !== types.null) holds(8 * (nullBitmap?.length ?? 0), length)
  if (bytesOfTexts.includes(typeId) || lists.includes(typeId)) {
    offsetsWithin(valueOffsets, length, (lists.includes(typeId) ? children[0]?.length : values?.length) ?? 0)
  } else if (typeId === types.fixedSizeList) holds(children[0]?.length, length * stride)
  else if (typeId === types.struct) for (const child of children) holds(child.length, length)
  else if (typeId === types.bool) holds(8 * (values?.length ?? 0), length)
  else if (typeId === types.union || views.includes(typeId)) throw new Error('a column of unions or views')
  else if (typeId !== types.null) holds(values?.length, length * stride)
  for (const child of [...children, ...(dictionary?.data ?? [])]) verifyData(child)
}

function offsetsWithin(offsets: ArrayLike<number | bigint> = [], length: number, end: number): void {
  let before = 0
  for (let i = 0; length > 0 && i <= length; i++) {
    const offset = Number(offsets[i])
    if (!(offset >= before && offset <= end)) throw new Error(`a row that starts at ${offset} of ${end}`)
    before = offset
  }
}
