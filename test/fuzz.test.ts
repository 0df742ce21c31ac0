import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { gzipSync } from 'fflate'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Backend } from '../ts/backend/backend.ts'
import { NhgdError } from '../ts/backend/errors.ts'
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
} from '../ts/data/index.ts'
import { readArchive, writeArchive } from '../ts/run/archive.ts'
import { Classifier } from '../ts/tasks/classifier.ts'

// Files that a program, a disk or an enemy has changed: each gives what it holds or a typed error.

const test = suite('changed files')
const numpy: Record<string, string> = JSON.parse(
  readFileSync(new URL('./fixtures/numpy.json', import.meta.url), 'utf8'),
)
const saved = (name: string): Uint8Array => Uint8Array.from(Buffer.from(numpy[name], 'base64'))
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

const idx = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255)
const wide = Uint8Array.of(0, 0, 14, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0)
const table = utf8(
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
const text = { name: 'set.csv' }
const csvOptions = { label: 'label', texts: ['id'], impute: 'median' } as const

/** Whole files, and what reads them. */
const readers: Record<string, [read: (bytes: Uint8Array) => unknown, files: Uint8Array[]]> = {
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

for (const [name, [read, files]] of Object.entries(readers)) {
  test(`${name}: what it holds or a typed error`, () => {
    for (const file of files) read(file) // they are whole before they are changed
    const file = fc.oneof(
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
    const property = fc.property(file, (bytes) => {
      const before = bytes.slice()
      try {
        read(bytes)
      } catch (error) {
        assert.instance(error, NhgdError, (error as Error).stack)
        assert.match((error as Error).message, /^"[^"]*" expected .+, got ./s)
      }
      assert.equal(bytes, before)
    })
    fc.assert(property, { numRuns: 1500 })
  })
}

/** Every file that differs from `file` in one bit is refused, or read as if it did not. */
function holdsEachBit(file: Uint8Array, read: (bytes: Uint8Array) => unknown): number {
  const whole = read(file)
  let refused = 0
  for (let bit = 0; bit < 8 * file.length; bit++) {
    const flipped = file.slice()
    flipped[bit >> 3] ^= 1 << (bit & 7)
    try {
      assert.equal(read(flipped), whole, `bit ${bit}`)
    } catch (error) {
      assert.instance(error, NhgdError, `bit ${bit}: ${error}`)
      assert.is((error as NhgdError).code, 'ERR_DATA')
      refused++
    }
  }
  return refused
}

test('archives, gzip files and saved models have no bit that changes what is read', () => {
  const grid = { data: Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8), shape: [4, 2] }
  const model = new Classifier({} as Backend, 2, 3, grid.data).save()
  const load = (bytes: Uint8Array) => Classifier.load({} as Backend, bytes).theta
  for (const [file, read] of [
    [saved('savez'), readNpz],
    [saved('savezc'), readNpz],
    [writeNpz({ a: grid, b: grid }, { compress: true }), readNpz],
    [gzipSync(idx), readIdx],
    [gzipSync(table), (bytes: Uint8Array) => parseSet({ ...text, bytes }, csvOptions)],
    [model, load],
  ] as const) {
    const refused = holdsEachBit(file, read)
    assert.ok(refused > 4 * file.length, `${refused} of ${8 * file.length}`)
  }
})

/** Where `find` stands in a file. */
const placeOf = (file: Uint8Array, ...find: number[]) =>
  file.findIndex((_, at) => find.every((byte, i) => file[at + i] === byte))

test('no length that a file claims is believed before it is there', () => {
  const huge = "{'descr': '<f8', 'fortran_order': False, 'shape': (1048576, 1048576), }".padEnd(117)
  const npy = Uint8Array.of(
    0x93,
    78,
    85,
    77,
    80,
    89,
    1,
    0,
    118,
    0,
    ...utf8(`${huge}\n`),
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
  )
  const ranks = utf8(`{'descr': '|u1', 'fortran_order': True, 'shape': (${'1, '.repeat(20_000)}), }`)
  const many = Uint8Array.of(
    0x93,
    78,
    85,
    77,
    80,
    89,
    1,
    0,
    ranks.length & 255,
    ranks.length >> 8,
    ...ranks,
    1,
  )
  const archived = writeArchive({ about: {}, tensors: new Map([['a', Uint8Array.of(1)]]) })
  const text = new TextDecoder('latin1').decode(archived)
  const claim = text.replace('[1]', '[9e15]').replace('[0,1]', '[0,9e15]')
  // A gzip file of three megabytes that claims two gigabytes, and archives whose directory claims four.
  const packed = new Uint8Array(3e6)
  packed.set(gzipSync(Uint8Array.of(1)).subarray(0, 10))
  packed.fill(0x80, packed.length - 1)
  const archives = [saved('savez'), saved('savezc')].map((file) => {
    const forged = file.slice()
    forged.fill(0xff, placeOf(file, 0x50, 0x4b, 1, 2) + 24, placeOf(file, 0x50, 0x4b, 1, 2) + 27)
    return forged
  })
  const zeros = gzipSync(new Uint8Array(2 ** 26))
  for (const [name, read, bytes, code] of [
    ['IDX', readIdx, Uint8Array.of(0, 0, 8, 2, 0, 16, 0, 0, 0, 16, 0, 0), 'ERR_DATA'],
    ['NPY', readNpy, npy, 'ERR_DATA'],
    ['dimensions', readNpy, many, 'ERR_DATA'],
    ['stored NPZ', readNpz, archives[0], 'ERR_DATA'],
    ['deflated NPZ', readNpz, archives[1], 'ERR_DATA'],
    ['gzip', readIdx, packed, 'ERR_DATA'],
    ['zeros that unpack to what they claim', readIdx, zeros, 'ERR_DATA'],
    ['saved run', readArchive, Uint8Array.from(claim, (letter) => letter.charCodeAt(0)), 'ERR_CHECKPOINT'],
  ] as const) {
    const error = thrown(() => read(bytes))
    assert.instance(error, NhgdError, name)
    assert.is((error as NhgdError).code, code, `${name}: ${error}`)
  }
})

function thrown(act: () => unknown): unknown {
  try {
    act()
  } catch (error) {
    return error
  }
  return undefined
}

test('what is no bytes is refused by name, and a Buffer is left as it was', () => {
  for (const read of [readIdx, readNpy, readNpz, readCsv, readCsvColumn] as ((value: never) => unknown)[]) {
    for (const value of [undefined, null, 'text', [1, 2], new ArrayBuffer(4), new Float64Array(2)]) {
      const error = thrown(() => read(value as never)) as NhgdError
      assert.is(error.code, 'ERR_DTYPE', `${read.name}: ${error}`)
      assert.match(error.message, /^"file" expected a Uint8Array, got /)
    }
  }
  for (const value of [undefined, null, 'text', new Float64Array(2)]) {
    assert.is((thrown(() => readArchive(value as never)) as NhgdError).code, 'ERR_CHECKPOINT')
  }
  // Its `slice` would not copy: at an odd offset, and where the byte order changes.
  for (const name of ['f8', 'big', 'U']) {
    const pool = Buffer.concat([Buffer.from([0]), saved(name)])
    const [buffer, before] = [pool.subarray(1), Uint8Array.from(pool)]
    assert.equal(readNpy(buffer), readNpy(saved(name)), name)
    assert.equal(Uint8Array.from(pool), before, name)
  }
})

test.run()
