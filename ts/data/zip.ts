import { inflateSync } from 'fflate'
import { crc32 } from '../backend/crc32.ts'
import { checkUnpacked } from './gzip.ts'

const END = 0x06054b50
const END_64 = 0x06064b50
const LOCATOR_64 = 0x07064b50
const ENTRY = 0x02014b50
const LOCAL = 0x04034b50
/** Bits of an entry's flags. */
const ENCRYPTED = 1
const UTF_8 = 0x800
/** Stands for a number that an extra field of zip64 holds. */
const ELSEWHERE = 0xffffffff

interface Entry {
  readonly name: string
  readonly deflated: boolean
  readonly checksum: number
  readonly size: number
  readonly packed: Uint8Array
}

/**
 * The files of a zip archive whose names `wanted` accepts, stored or deflated (APPNOTE 6.3.10, zip64 too). What is said
 * twice has to agree, and checksums have to be right. Files that are stored are views of `bytes`.
 *
 * @throws Error that says what is wrong, and in which file.
 */
export function unzip(bytes: Uint8Array, wanted: (name: string) => boolean): Map<string, Uint8Array> {
  const entries = [...directory(bytes)].filter(({ name }) => wanted(name))
  checkUnpacked(
    entries.reduce((sum, { size }) => sum + size, 0),
    bytes.length,
  )
  return new Map(entries.map((entry) => [entry.name, content(entry)]))
}

function content({ name, deflated, checksum, size, packed }: Entry): Uint8Array {
  const whole = deflated ? inflateSync(packed, { out: new Uint8Array(size) }) : packed
  if (whole.length === size && crc32(whole) === checksum) return whole
  throw new Error(`the checksum or the length of "${name}" is wrong`)
}

/** What the directory at the end of an archive says of its files. */
function* directory(bytes: Uint8Array): Generator<Entry> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const u16 = (at: number) => view.getUint16(at, true)
  const u32 = (at: number) => view.getUint32(at, true)
  const u64 = (at: number) => Number(view.getBigUint64(at, true))
  const end = endOf(bytes, u16, u32)
  const large = end >= 20 && u32(end - 20) === LOCATOR_64 ? u64(end - 12) : undefined
  if (large !== undefined && u32(large) !== END_64) throw new Error('its directory is damaged')
  const [count, length, start] =
    large === undefined
      ? [u16(end + 10), u32(end + 12), u32(end + 16)]
      : [u64(large + 32), u64(large + 40), u64(large + 48)]
  let at = start
  for (let i = 0; i < count; i++) {
    if (u32(at) !== ENTRY) throw new Error(`its directory is damaged at byte ${at}`)
    const [flags, method, checksum] = [u16(at + 8), u16(at + 10), u32(at + 16)]
    const [nameLength, extraLength, commentLength] = [u16(at + 28), u16(at + 30), u16(at + 32)]
    const extra = at + 46 + nameLength
    const name = bytes.subarray(at + 46, extra)
    const text = new TextDecoder(flags & UTF_8 ? 'utf-8' : 'latin1').decode(name)
    // Numbers that did not fit stand in the extra field 1, in this order.
    let [field, to] = [extra, extra + extraLength]
    while (field < to && u16(field) !== 1) field += 4 + u16(field + 2)
    field += 4
    const [size, packedSize, local] = [u32(at + 24), u32(at + 20), u32(at + 42)].map((number) => {
      if (number !== ELSEWHERE || large === undefined) return number
      field += 8
      return u64(field - 8)
    })
    const localName = bytes.subarray(local + 30, local + 30 + u16(local + 26))
    const from = local + 30 + u16(local + 26) + u16(local + 28)
    to = from + packedSize
    const agrees =
      u32(local) === LOCAL &&
      u16(local + 8) === method &&
      ((u16(local + 6) ^ flags) & UTF_8) === 0 &&
      name.length === localName.length &&
      name.every((byte, i) => byte === localName[i])
    if (!agrees || to > start) throw new Error(`the header of "${text}" at byte ${local} is damaged`)
    if (flags & ENCRYPTED) throw new Error(`"${text}" is encrypted`)
    if (method !== 0 && method !== 8) throw new Error(`"${text}" is compressed by method ${method}`)
    yield { name: text, deflated: method === 8, checksum, size, packed: bytes.subarray(from, to) }
    at = extra + extraLength + commentLength
  }
  if (at !== start + length || at !== (large ?? end)) throw new Error('its directory is damaged')
}

/** Where the last record of an archive starts; a comment may follow it. */
function endOf(bytes: Uint8Array, u16: (at: number) => number, u32: (at: number) => number): number {
  for (let at = bytes.length - 22; at >= 0 && at > bytes.length - 22 - 2 ** 16; at--) {
    if (u32(at) === END && at + 22 + u16(at + 20) === bytes.length) return at
  }
  throw new Error('it has no directory at its end')
}
