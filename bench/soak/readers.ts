import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { gzipSync } from 'fflate'
import type { Backend } from '../../ts/backend/backend.ts'
import { NhgdError } from '../../ts/backend/errors.ts'
import {
  type File,
  parseFeatures,
  parseSet,
  readCsv,
  readCsvColumn,
  readIdx,
  readNpy,
  readNpz,
  readSafetensors,
  writeNpz,
} from '../../ts/data/index.ts'
import { decodeTable } from '../../ts/data/packages.ts'
import { readArchive, writeArchive } from '../../ts/run/archive.ts'
import { Classifier } from '../../ts/tasks/classifier.ts'

const fixture = (name: string) => readFileSync(new URL(`../../test/fixtures/${name}`, import.meta.url))
const numpy: Record<string, string> = JSON.parse(fixture('numpy.json').toString())
export const saved = (name: string): Uint8Array => Uint8Array.from(Buffer.from(numpy[name], 'base64'))
export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

export const idx = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255)
const wide = Uint8Array.of(0, 0, 14, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0)
export const table = utf8(
  'id,size,"kind, if any",label\n1,0.5,"a ""b""",cat\n2,1e3,"a ""b""","NA"\n3,,x,dog\n4,7,x,dog\n',
)
const lines = utf8(
  '{"id": 1, "size": 0.5, "e": [1, 2], "label": "cat"}\n{"id": null, "size": null, "e": [3, 4], "label": "NA"}\n',
)
const numbers = utf8('x,y\n1,2\n3,-4e2\n')
const tabs = utf8('id\tsize\tlabel\r\n1\t0.5\tcat\r\n2\t-7\tdog\r\n')
const archive = writeArchive({
  about: { version: 1, method: 'nhgd', settings: { rates: [1, 0.5] } },
  tensors: new Map<string, Uint8Array | Float64Array | Float32Array>([
    ['run.point.inner', Float64Array.of(1, 2, 3)],
    ['run.state.u', Float32Array.of(0.5)],
    ['run.state.sampler', Uint8Array.of(1, 2, 3, 4, 5)],
  ]),
})
export const text = { name: 'set.csv' }
export const csvOptions = { label: 'label', texts: ['id'], impute: 'median' } as const

const model = new Classifier({} as Backend, 2, 1, Float64Array.of(1, 2, 3, 4)).save()

async function parsed(name: string, bytes: Uint8Array) {
  const options = { ignore: ['image', 'when', 'checked', 'quality'], impute: 'median' } as const
  return parseSet({ name, bytes, table: await decodeTable(name, bytes, 'features') }, options)
}

/** Whole files, and what reads them. */
export const readers: Record<string, [read: (bytes: Uint8Array) => unknown, files: Uint8Array[]]> = {
  IDX: [
    readIdx,
    [idx, wide, gzipSync(idx), Uint8Array.of(...gzipSync(idx.slice(0, 9)), ...gzipSync(idx.slice(9)))],
  ],
  NPY: [readNpy, ['u1', 'i8', 'f2', 'f8', 'U', 'b1', 'v3', 'fortran3', 'big'].map(saved)],
  NPZ: [
    readNpz,
    [saved('savez'), saved('savezc'), writeNpz({ X: { data: Int16Array.of(1, 2), shape: [2] } })],
  ],
  CSV: [(bytes) => readCsv(bytes, csvOptions), [table, tabs]],
  'CSV column': [(bytes) => readCsvColumn(bytes, 'label'), [table, tabs]],
  'pipe of features': [
    (bytes) => parseFeatures({ name: '-', bytes }),
    [saved('f8'), saved('savez'), idx, numbers],
  ],
  'set of the command': [
    (bytes) => parseSet({ ...text, bytes } satisfies File, csvOptions),
    [table, tabs, gzipSync(table)],
  ],
  'JSON lines': [(bytes) => parseSet({ name: 'set.jsonl', bytes }, csvOptions), [lines, gzipSync(lines)]],
  safetensors: [readSafetensors, [archive]],
  'saved run': [readArchive, [archive]],
  'saved model': [(bytes) => Classifier.load({} as Backend, bytes), [model]],
  Parquet: [
    (bytes) => parsed('a.parquet', bytes),
    ['snappy.parquet', 'zstd.parquet', 'indexed.parquet'].map((name) =>
      Uint8Array.from(fixture(`tables/${name}`)),
    ),
  ],
  Arrow: [
    (bytes) => parsed('a.arrow', bytes),
    ['plain.feather', 'lz4.feather', 'stream.arrow'].map((name) =>
      Uint8Array.from(fixture(`tables/${name}`)),
    ),
  ],
}

const byte = fc.nat(255)
/** Where sizes and counts stand, these do most harm. */
const sizes = fc.constantFrom(0, 1, 0x7f, 0xff, 0xffff, 0x7fffffff, 0xfffffffe, 0xffffffff)
const words = fc.constantFrom(
  "'shape': (1099511627776,), ",
  "'<U0'",
  '1e999',
  '-1',
  '0.5',
  '"',
  '\n',
  '[null]',
  '\ud83d',
  'F64',
)

/** One change at a place, which is a share of the file's length. */
const change = fc.oneof(
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    put: fc.uint8Array({ minLength: 1, maxLength: 4 }),
  }),
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    put: fc.tuple(sizes, fc.boolean()).map(([size, little]) => {
      const bytes = new Uint8Array(4)
      new DataView(bytes.buffer).setUint32(0, size, little)
      return bytes
    }),
  }),
  fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    insert: fc.oneof(
      words.map(utf8),
      fc.array(byte, { maxLength: 9 }).map((x) => Uint8Array.from(x)),
    ),
  }),
  fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), cut: fc.nat(40) }),
)
type Change = {
  readonly at: number
  readonly put?: Uint8Array
  readonly insert?: Uint8Array
  readonly cut?: number
}

function changed(file: Uint8Array, changes: readonly Change[]): Uint8Array {
  let bytes = file.slice()
  for (const { at, put, insert = new Uint8Array(0), cut = 0 } of changes) {
    const from = Math.floor(at * bytes.length)
    if (put) bytes.set(put.subarray(0, bytes.length - from), from)
    else bytes = Uint8Array.of(...bytes.subarray(0, from), ...insert, ...bytes.subarray(from + cut))
  }
  return bytes
}

/** Files like those of a corpus, changed at some places, or with other bytes after their heads. */
const damaged = (files: readonly Uint8Array[]) =>
  fc.oneof(
    {
      weight: 9,
      arbitrary: fc
        .tuple(fc.constantFrom(...files), fc.array(change, { minLength: 1, maxLength: 5 }))
        .map(([file, changes]) => changed(file, changes as Change[])),
    },
    {
      weight: 1,
      arbitrary: fc
        .tuple(fc.constantFrom(...files), fc.nat(12), fc.uint8Array({ maxLength: 60 }))
        .map(([file, head, rest]) => Uint8Array.of(...file.subarray(0, head), ...rest)),
    },
  )

/**
 * Has a reader read damaged files.
 *
 * @throws where it throws what is no typed error that names the argument, or changes the bytes.
 */
export async function fuzzReader(name: string, count: number, seed?: number): Promise<void> {
  const [read, files] = readers[name]
  for (const file of files) await read(file) // they are whole before they are changed
  const property = fc.asyncProperty(damaged(files), async (bytes) => {
    const before = bytes.slice()
    try {
      await read(bytes)
    } catch (error) {
      if (!(error instanceof NhgdError && /^"[^"]*" expected .+, got ./s.test(error.message))) throw error
    }
    if (bytes.some((byte, i) => byte !== before[i])) throw new Error('the bytes were changed')
  })
  await fc.assert(property, { numRuns: count, seed })
}

/** What packages decode takes a hundred times as long. */
const slow = ['Parquet', 'Arrow']

/** Damaged files for each reader, `count` in all; a hundredth for each of those that packages decode. */
export async function fuzzReaders(count: number, seed: number): Promise<{ inputs: number; readers: number }> {
  const names = Object.keys(readers)
  const few = Math.ceil(count / 100)
  const many = Math.ceil((count - few * slow.length) / (names.length - slow.length))
  let inputs = 0
  for (const name of names) {
    const own = slow.includes(name) ? few : many
    await fuzzReader(name, own, seed)
    inputs += own
  }
  return { inputs, readers: names.length }
}
