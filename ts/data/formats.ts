/** Extensions of files, and what reads them. */
const formats = {
  npy: 'npy',
  npz: 'npz',
  csv: 'csv',
  tsv: 'csv',
  txt: 'csv',
  idx: 'idx',
  jsonl: 'jsonl',
  ndjson: 'jsonl',
  parquet: 'parquet',
  arrow: 'arrow',
  feather: 'arrow',
} as const

export type Format = (typeof formats)[keyof typeof formats]

/** The endings of names by which formats are told, as errors list them. */
export const endings = `${Object.keys(formats)
  .map((ending) => `.${ending}`)
  .join(', ')} or -ubyte`

/** The file and the array that `set.npz:X` stands for; any other name is a file. */
export function arrayOf(name: string): { readonly path: string; readonly array?: string } {
  const [, path, array] = /^(.+\.npz):([^/\\:]+)$/i.exec(name) ?? []
  return path === undefined ? { path: name } : { path, array }
}

/** The format of a file by its name, or by its first bytes where it came through a pipe. */
export function formatOf(name: string, bytes?: Uint8Array): Format | undefined {
  if (name === '-') return bytes && sniff(bytes)
  const plain = arrayOf(name).path.toLowerCase().replace(/\.gz$/, '')
  if (/-ubyte$/.test(plain)) return 'idx'
  const ending = Object.keys(formats).find((ending) => plain.endsWith(`.${ending}`))
  return formats[ending as keyof typeof formats]
}

/** What bytes without a name are, by how they begin. */
function sniff(bytes: Uint8Array): Format {
  if (bytes[0] === 0x93) return 'npy'
  const first = String.fromCharCode(...bytes.subarray(0, 6))
  if (first.startsWith('PK')) return 'npz'
  if (first.startsWith('PAR1')) return 'parquet'
  if (first === 'ARROW1') return 'arrow'
  if (first.startsWith('{')) return 'jsonl'
  return bytes[0] === 0 && bytes[1] === 0 ? 'idx' : 'csv'
}

/** Whether a file of this name holds a table with titles; what comes through a pipe may. */
export function isTableFile(name: string): boolean {
  const format = formatOf(name)
  return name === '-' || (format !== undefined && !['npy', 'npz', 'idx'].includes(format))
}

/** Whether a file of this name is read as CSV; what comes through a pipe may be. */
export function isCsv(name: string): boolean {
  return name === '-' || formatOf(name) === 'csv'
}

/** Whether a file of this name may hold labels under a name of their own. */
export function namesLabels(name: string): boolean {
  return isTableFile(name) || formatOf(name) === 'npz'
}
