/** Table k has the checksum of each byte that k zeros follow. */
const [T0, T1, T2, T3] = tables()

function tables(): Uint32Array[] {
  const first = Uint32Array.from({ length: 256 }, (_, byte) => {
    let c = byte
    for (let bit = 0; bit < 8; bit++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
    return c
  })
  const all = [first]
  while (all.length < 4) all.push((all.at(-1) as Uint32Array).map((c) => first[c & 255] ^ (c >>> 8)))
  return all
}

/** The checksum of gzip and zip (RFC 1952, section 8), four bytes at a time; it goes on from that of bytes before. */
export function crc32(bytes: Uint8Array, before = 0): number {
  let c = ~before
  let at = 0
  for (const end = bytes.length - 3; at < end; at += 4) {
    c ^= bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)
    c = T3[c & 255] ^ T2[(c >>> 8) & 255] ^ T1[(c >>> 16) & 255] ^ T0[c >>> 24]
  }
  for (; at < bytes.length; at++) c = T0[(c ^ bytes[at]) & 255] ^ (c >>> 8)
  return ~c >>> 0
}
