/** Bits of a frame's flags. */
const flags = { dictionary: 1, contentSize: 8, blockChecksum: 16 } as const
const STORED = 0x80000000

/**
 * The content of an LZ4 frame (LZ4 Frame Format 1.6), which Arrow's compressed buffers are; checksums are not looked at.
 *
 * @throws Error for bytes that are no such frame, or that end too early.
 */
export function unlz4(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.getUint32(0, true) !== 0x184d2204) throw new Error('no LZ4 frame')
  const has = (flag: number) => (bytes[4] & flag) !== 0
  const out = new Output(4 * bytes.length)
  let at = 7 + (has(flags.contentSize) ? 8 : 0) + (has(flags.dictionary) ? 4 : 0)
  for (;;) {
    const size = view.getUint32(at, true)
    if (size === 0) return out.content()
    const block = bytes.subarray(at + 4, at + 4 + (size & ~STORED))
    at += 4 + block.length + (has(flags.blockChecksum) ? 4 : 0)
    if (size & STORED) out.copy(block)
    else decode(block, out)
  }
}

/** One block: literals and what repeats of the output, in turns. It may repeat what blocks before it gave. */
function decode(block: Uint8Array, out: Output): void {
  let at = 0
  const lengthFrom = (first: number): number => {
    let length = first
    for (let byte = first === 15 ? 255 : 0; byte === 255; length += byte) byte = block[at++]
    return length
  }
  while (at < block.length) {
    const token = block[at++]
    const literals = lengthFrom(token >> 4)
    if (!(at + literals <= block.length)) throw new Error('an LZ4 block that ends too early')
    out.copy(block.subarray(at, at + literals))
    at += literals
    if (at === block.length) return
    const distance = block[at] | (block[at + 1] << 8)
    at += 2
    out.repeat(distance, 4 + lengthFrom(token & 15))
  }
}

class Output {
  #data: Uint8Array
  #length = 0

  constructor(room: number) {
    this.#data = new Uint8Array(room)
  }

  copy(part: Uint8Array): void {
    this.#reserve(part.length)
    this.#data.set(part, this.#length)
    this.#length += part.length
  }

  /** Appends what stands `distance` before the end, which may overlap itself. */
  repeat(distance: number, length: number): void {
    const from = this.#length - distance
    if (!(distance > 0 && from >= 0 && length >= 0)) throw new Error('an LZ4 block that repeats nothing')
    this.#reserve(length)
    for (let i = 0; i < length; i++) this.#data[this.#length + i] = this.#data[from + i]
    this.#length += length
  }

  content(): Uint8Array {
    return this.#data.slice(0, this.#length)
  }

  #reserve(length: number): void {
    if (this.#length + length <= this.#data.length) return
    const wider = new Uint8Array(2 * (this.#length + length))
    wider.set(this.#data.subarray(0, this.#length))
    this.#data = wider
  }
}
