import { gzipSync } from 'fflate'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { csvOptions, fuzzReader, idx, readers, saved, table, text, utf8 } from '../bench/soak/readers.ts'
import type { Backend } from '../ts/backend/backend.ts'
import { NhgdError } from '../ts/backend/errors.ts'
import { parseSet, readCsv, readCsvColumn, readIdx, readNpy, readNpz, writeNpz } from '../ts/data/index.ts'
import { readArchive, writeArchive } from '../ts/run/archive.ts'
import { Classifier } from '../ts/tasks/classifier.ts'

// Files that a program, a disk or an enemy has changed: each gives what it holds or a typed error.

const test = suite('changed files')
for (const name of Object.keys(readers)) {
  test(`${name}: what it holds or a typed error`, () =>
    fuzzReader(name, name === 'Parquet' || name === 'Arrow' ? 400 : 1500))
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

test('a header without a title is named as nothing', () => {
  // Found by the soak: the message ended after "got".
  const error = thrown(() => readCsv(utf8('\v\r\n1\t0.5\r\n'), { label: 'label' })) as NhgdError
  assert.match(error.message, /^"file" expected a column "label", got nothing$/)
})

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
