import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { gzipSync, zipSync } from 'fflate'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { NhgdError } from '../ts/backend/errors.ts'
import { matrix } from '../ts/backend/matrix.ts'
import { listed } from '../ts/data/error.ts'
import {
  absentClasses,
  assignFolds,
  cleaningSplit,
  corruptLabels,
  encodeLabels,
  loadMnist,
  type NumericArray,
  parseChecked,
  parseFeatures,
  parseIndices,
  parseLabels,
  parseSet,
  permutation,
  readCsv,
  readCsvColumn,
  readFeatures,
  readIdx,
  readNpy,
  readNpz,
  standardize,
  takeRows,
  toFeatures,
  writeNpy,
  writeNpz,
} from '../ts/data/index.ts'
import { oddColumn } from '../ts/data/standardize.ts'
import { firstRepeated } from '../ts/data/table.ts'

import { Random } from './support/random.ts'

const numpy: Record<string, string> = JSON.parse(
  readFileSync(new URL('./fixtures/numpy.json', import.meta.url), 'utf8'),
)
const saved = (name: string): Uint8Array => Uint8Array.from(Buffer.from(numpy[name], 'base64'))
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

function fails(act: () => unknown, code: string, ...words: string[]): void {
  try {
    act()
  } catch (error) {
    assert.instance(error, NhgdError)
    const { code: got, message } = error as NhgdError
    assert.is(got, code, message)
    for (const word of words) assert.ok(message.includes(word), `"${word}" in: ${message}`)
    return
  }
  assert.unreachable(`expected ${code}`)
}

/** Every proper prefix of a file is refused with a typed error. */
function failsTruncated(file: Uint8Array, read: (bytes: Uint8Array) => unknown): void {
  for (let length = 0; length < file.length; length++) fails(() => read(file.slice(0, length)), 'ERR_DATA')
}

/** Whatever the bytes are: a value or a typed error. */
function neverCrashes(read: (bytes: Uint8Array) => unknown, seed: Uint8Array): void {
  const flips = fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(flips, (changes) => {
      const bytes = seed.slice()
      for (const [at, value] of changes) bytes[at] = value
      try {
        read(bytes)
      } catch (error) {
        assert.instance(error, NhgdError, (error as Error).stack)
      }
    }),
    { numRuns: 300 },
  )
}

const idx = suite('idx')
const pictures = Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 1, 2, 3, 4, 5, 255)

idx('reads bytes and big-endian numbers', () => {
  assert.equal(readIdx(pictures), { data: Uint8Array.of(1, 2, 3, 4, 5, 255), shape: [2, 1, 3] })
  assert.equal(readIdx(Uint8Array.of(0, 0, 9, 1, 0, 0, 0, 1, 255)).data, Int8Array.of(-1))
  assert.equal(readIdx(Uint8Array.of(0, 0, 11, 1, 0, 0, 0, 1, 1, 2)).data, Int16Array.of(258))
  assert.equal(readIdx(Uint8Array.of(0, 0, 12, 1, 0, 0, 0, 1, 0, 0, 1, 0)).data, Int32Array.of(256))
  assert.equal(readIdx(Uint8Array.of(0, 0, 13, 1, 0, 0, 0, 1, 0x3f, 0xc0, 0, 0)).data, Float32Array.of(1.5))
  assert.equal(
    readIdx(Uint8Array.of(0, 0, 14, 1, 0, 0, 0, 1, 0xc0, 4, 0, 0, 0, 0, 0, 0)).data,
    Float64Array.of(-2.5),
  )
})

idx('opens gzip', () => {
  assert.equal(readIdx(gzipSync(pictures)), readIdx(pictures))
})

idx('opens gzip of several members, the last one empty or not', () => {
  const members = [pictures.slice(0, 7), pictures.slice(7), new Uint8Array(0)].map((part) => gzipSync(part))
  for (const several of [members, members.slice(0, 2)]) {
    const bytes = Uint8Array.from(several.flatMap((member) => [...member]))
    assert.equal(readIdx(bytes), readIdx(pictures))
    neverCrashes(readIdx, bytes)
  }
  // A cut that leaves whole members leaves a file, which is too short.
  failsTruncated(Uint8Array.from([...members[0], ...members[1]]), readIdx)
  const noise = new Random(1)
  const long = Uint8Array.from({ length: 70_000 }, () => noise.below(256))
  const header = Uint8Array.of(0, 0, 8, 1, 0, 2, 0x22, 0xe0)
  const twice = [gzipSync(header), gzipSync(long), gzipSync(long)].flatMap((member) => [...member])
  assert.equal(readIdx(Uint8Array.from(twice)).data, Uint8Array.from([...long, ...long]))
  // What starts a member may stand inside of one.
  const inside = Uint8Array.of(
    0,
    0,
    8,
    1,
    0,
    0,
    0,
    40,
    ...new Uint8Array(20),
    0x1f,
    0x8b,
    8,
    ...new Uint8Array(17),
  )
  assert.equal(readIdx(gzipSync(inside, { level: 0 })), readIdx(inside))
})

idx('refuses truncated, overlong and foreign files', () => {
  failsTruncated(pictures, readIdx)
  failsTruncated(gzipSync(pictures), readIdx)
  fails(() => readIdx(Uint8Array.of(...pictures, 0)), 'ERR_DATA', '22 bytes', '23')
  fails(() => readIdx(saved('f4'), 'features'), 'ERR_DATA', '"features" expected an IDX file')
  fails(() => readIdx(Uint8Array.of(0, 0, 8, 2, 255, 255, 255, 255, 255, 255, 255, 255)), 'ERR_DATA')
  neverCrashes(readIdx, pictures)
  neverCrashes(readIdx, gzipSync(pictures))
})

idx('reads pictures as [0, 1] and keeps their shape', () => {
  const { features, imageShape } = toFeatures(readIdx(pictures))
  assert.equal(features, { data: Uint8Array.of(1, 2, 3, 4, 5, 255), rows: 2, columns: 3, scale: 1 / 255 })
  assert.equal(imageShape, [1, 3])
})
idx.run()

const npy = suite('npy')

npy("reads NumPy's own files", () => {
  const arrays: Record<string, NumericArray> = {
    u1: Uint8Array.of(1, 2, 3, 4, 5, 6),
    u2: Uint16Array.of(1, 2, 3, 4, 5, 6),
    u4: Uint32Array.of(1, 2, 3, 4, 5, 6),
    u8: Float64Array.of(1, 2, 3, 4, 5, 6),
    i1: Int8Array.of(-1, -2, -3, -4, -5, -6),
    i2: Int16Array.of(-1, -2, -3, -4, -5, -6),
    i4: Int32Array.of(-1, -2, -3, -4, -5, -6),
    i8: Float64Array.of(-1, -2, -3, -4, -5, -6),
    f4: Float32Array.of(0.5, 1, 1.5, 2, 2.5, 3),
    f8: Float64Array.of(0.5, 1, 1.5, 2, 2.5, 3),
  }
  for (const [type, data] of Object.entries(arrays))
    assert.equal(readNpy(saved(type)), { data, shape: [2, 3] }, type)
  assert.equal(readNpy(saved('b1')), { data: Uint8Array.of(1, 0, 1), shape: [3], boolean: true })
  assert.equal(readNpy(saved('U')), { data: ['cat', 'añ😀', ''], shape: [3] })
  assert.equal(readNpy(saved('scalar')), { data: Float32Array.of(1.5), shape: [] })
  assert.equal(readNpy(saved('empty')), { data: new Float32Array(0), shape: [0, 5] })
})

/** An NPY file of this dtype and these bytes. */
function npyOf(descr: string, shape: string, ...body: number[]): Uint8Array {
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`.padEnd(117)
  return Uint8Array.of(0x93, 78, 85, 77, 80, 89, 1, 0, 118, 0, ...utf8(`${dict}\n`), ...body)
}

npy('reads half floats, big-endian numbers and bytes of text', () => {
  assert.equal(readNpy(saved('f2')), { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] })
  assert.equal(readNpy(saved('big')), { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] })
  // From IEEE 754: the greatest and the least half, the least normal one, −2, infinity and one third.
  const halves = [0x7bff, 0x0001, 0x0400, 0xc000, 0x7c00, 0x3555]
  const values = [65504, 2 ** -24, 2 ** -14, -2, Infinity, 0.333251953125]
  const little = halves.flatMap((bits) => [bits & 255, bits >> 8])
  const big = halves.flatMap((bits) => [bits >> 8, bits & 255])
  assert.equal(readNpy(npyOf('<f2', '6,', ...little)).data, Float32Array.from(values))
  assert.equal(readNpy(npyOf('>f2', '6,', ...big)).data, Float32Array.from(values))
  assert.equal(readNpy(npyOf('>i8', '1,', 0, 0, 0, 0, 0, 0, 1, 2)).data, Float64Array.of(258))
  assert.equal(readNpy(npyOf('>U2', '1,', 0, 0, 0, 97, 0, 1, 0xf6, 0)).data, ['a😀'])
  assert.equal(readNpy(npyOf('|S3', '2,', 97, 0, 0, 0xc3, 0xa9, 98)).data, ['a', 'éb'])
})

npy('refuses text of no width, which could be of any length', () => {
  for (const kind of ['U', 'S'])
    fails(() => readNpy(npyOf(`<${kind}0`, '1000000000,')), 'ERR_DATA', `<${kind}0`)
})

npy('reads all three versions', () => {
  for (const version of ['v2', 'v3']) {
    assert.equal(readNpy(saved(version)), { data: Float64Array.of(1, 2), shape: [2] })
  }
})

npy('turns Fortran order into C order', () => {
  assert.equal(readNpy(saved('fortran3')), {
    data: Int32Array.from({ length: 24 }, (_, i) => i),
    shape: [2, 3, 4],
  })
})

npy('reads at any alignment', () => {
  for (let offset = 0; offset < 9; offset++) {
    const file = new Uint8Array(offset + saved('f8').length)
    file.set(saved('f8'), offset)
    assert.equal(readNpy(file.subarray(offset)), readNpy(saved('f8')))
  }
})

npy('names the types it refuses', () => {
  fails(() => readNpy(saved('object')), 'ERR_DATA', '|O', '.astype(str)')
  fails(() => readNpy(saved('struct')), 'ERR_DATA', "('a', '<i4')")
  fails(() => readNpy(saved('beyond')), 'ERR_DATA', '1152921504606846976')
})

npy('refuses truncated, overlong and foreign files', () => {
  for (const name of ['u1', 'f8', 'i8', 'U', 'v3', 'fortran3']) failsTruncated(saved(name), readNpy)
  fails(() => readNpy(Uint8Array.of(...saved('f4'), 0)), 'ERR_DATA', '24 bytes', '25')
  fails(() => readNpy(pictures), 'ERR_DATA', 'NPY')
  for (const name of ['f8', 'i8', 'U', 'fortran3']) neverCrashes(readNpy, saved(name))
})

npy('writes the bytes that NumPy writes', () => {
  for (const name of ['u1', 'i1', 'u2', 'i2', 'u4', 'i4', 'f4', 'f8', 'b1']) {
    assert.equal(writeNpy(readNpy(saved(name)) as never), saved(name), name)
  }
})

npy('refuses to write a shape that does not fit', () => {
  fails(() => writeNpy({ data: new Float32Array(5), shape: [2, 3] }), 'ERR_SHAPE', '6', '5')
})

const tensors = fc
  .tuple(
    fc.integer({ min: 0, max: 5 }),
    fc.integer({ min: 0, max: 5 }),
    fc.constantFrom(Float32Array, Float64Array, Int16Array),
  )
  .chain(([rows, columns, type]) =>
    fc
      .array(fc.integer({ min: -9999, max: 9999 }), { minLength: rows * columns, maxLength: rows * columns })
      .map((values) => ({ data: type.from(values), shape: [rows, columns] })),
  )

npy('reads what it wrote', () => {
  fc.assert(fc.property(tensors, (tensor) => assert.equal(readNpy(writeNpy(tensor)), tensor)))
})
npy.run()

const npz = suite('npz')

npz("reads NumPy's own archives, stored and deflated", () => {
  assert.equal(readNpz(saved('savez')), {
    X: { data: Float32Array.of(1, 2, 3, 4), shape: [2, 2] },
    y: { data: Float64Array.of(0, 1), shape: [2] },
  })
  assert.equal(readNpz(saved('savezc')), {
    features: { data: Uint8Array.of(1, 2, 3, 4), shape: [2, 2] },
    names: { data: ['a', 'b'], shape: [2] },
  })
})

npz('reads what it wrote, and writes the same bytes each time', () => {
  const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,8}$/)
  fc.assert(
    fc.property(
      fc.dictionary(name, tensors, { minKeys: 1, maxKeys: 4 }),
      fc.boolean(),
      (arrays, compress) => {
        const bytes = writeNpz(arrays, { compress })
        assert.equal(writeNpz(arrays, { compress }), bytes)
        assert.equal(readNpz(bytes), { ...arrays })
      },
    ),
  )
})

npz('dates its entries as NumPy does', () => {
  const date = (archive: Uint8Array): Uint8Array => archive.slice(10, 14)
  assert.equal(date(writeNpz({ X: { data: Uint8Array.of(1), shape: [1] } })), date(saved('savez')))
})

npz('refuses truncated and foreign files', () => {
  failsTruncated(saved('savez'), readNpz)
  failsTruncated(saved('savezc'), readNpz)
  fails(() => readNpz(saved('f4'), 'features'), 'ERR_DATA', '"features"', 'NPZ')
  neverCrashes(readNpz, saved('savez'))
  neverCrashes(readNpz, saved('savezc'))
})

npz('picks an array by name, else by rank, else lists what there is', () => {
  const file = { name: 'set.npz', bytes: saved('savez') }
  assert.equal(parseFeatures(file).features.data, Float32Array.of(1, 2, 3, 4))
  assert.equal(parseLabels(file).labels, Int32Array.of(0, 1))
  assert.equal(parseLabels({ name: 'set.npz', bytes: saved('savezc') }).names, ['a', 'b'])
  const grid = { data: Float32Array.of(1), shape: [1, 1] }
  const twins = { name: 'a.npz', bytes: writeNpz({ left: grid, right: grid }) }
  fails(() => parseFeatures(twins), 'ERR_DATA', 'features or X', 'left [1, 1], right [1, 1]')
})

/** An archive of NPY files. */
const archive = (entries: Record<string, Uint8Array>) => ({
  name: 'a.npz',
  bytes: zipSync(Object.fromEntries(Object.entries(entries).map(([name, npy]) => [`${name}.npy`, npy]))),
})

npz('decodes no array that is not asked for', () => {
  const {
    f4: X,
    v2: y,
    object: meta,
    u1,
  } = Object.fromEntries(['f4', 'v2', 'object', 'u1'].map((n) => [n, saved(n)]))
  const set = archive({ X, y, meta })
  assert.equal(parseFeatures(set).features.data, Float32Array.of(0.5, 1, 1.5, 2, 2.5, 3))
  assert.equal(parseSet(set).labels?.names, ['1', '2'])
  assert.is(parseFeatures(archive({ only: X, meta })).features.rows, 2)
  fails(() => parseFeatures(archive({ meta })), 'ERR_DATA', 'meta', '|O')
  fails(() => parseLabels(archive({ X, y: meta })), 'ERR_DATA', '[y]', '.astype(str)')
  fails(() => parseFeatures(archive({ data: y, indices: y, indptr: y, shape: y })), 'ERR_DATA', 'X.toarray()')
  assert.is(parseFeatures(archive({ X_train: X, y_train: y, X_test: u1 })).features.rows, 2)
})

npz('takes the labels from the array that is named', () => {
  const set = archive({ X: saved('f4'), y: saved('v2'), coarse: npyOf('|S2', '2,', 97, 98, 99, 0) })
  assert.equal(parseSet(set, { label: 'coarse' }).labels?.names, ['ab', 'c'])
  assert.equal(parseLabels(set, { label: 'coarse' }).names, ['ab', 'c'])
  for (const parse of [parseSet, parseLabels])
    fails(() => parse(set, { label: 'fine' }), 'ERR_DATA', 'fine', 'coarse [2]')
})
npz.run()

const csv = suite('csv')

csv('reads features and labels, with quotes, CRLF, a byte-order mark and empty lines', () => {
  const text = '\ufeff"width, cm",kind,height\r\n1.5,"a ""b"", c",-2e3\r\n\r\n 4 ,d, +5\r\n\r\n'
  const table = readCsv(utf8(text), { label: 'kind' })
  assert.equal(table.features, { data: Float64Array.of(1.5, -2000, 4, 5), rows: 2, columns: 2, scale: 1 })
  assert.equal(table.columns, ['width, cm', 'height'])
  assert.equal(table.labels, ['a "b", c', 'd'])
})

csv('reads other delimiters and no label column', () => {
  const table = readCsv(utf8('a;b\n1;2'), { delimiter: ';' })
  assert.equal(table.features.data, Float64Array.of(1, 2))
  assert.is(table.labels, undefined)
})

csv('finds out what separates the columns', () => {
  for (const [end, other] of [';,', '\t,', ',;']) {
    const table = readCsv(
      utf8(`"a${other}",b,kind\n1,2,x\n`.replaceAll(',', end).replace(`"a${end}"`, `"a${other}"`)),
      {
        label: 'kind',
      },
    )
    assert.equal(table.features.data, Float64Array.of(1, 2))
    assert.equal(table.columns, [`a${other}`, 'b'])
    assert.equal(table.labels, ['x'])
  }
  assert.equal(readCsvColumn(utf8('label\na;b\n')), ['a;b'])
  assert.equal(parseSet({ name: 'x.tsv', bytes: utf8('a\tk\n1\tx\n') }, { label: 'k' }).labels?.names, ['x'])
})

csv('refuses a first line of numbers, which is no header', () => {
  for (const text of ['1.5,2\n3,4\n', '0\n1\n', '-1e3\n2\n', '7,8,9\n1,2,3\n']) {
    fails(() => readCsv(utf8(text)), 'ERR_DATA', 'is the header missing?')
    fails(() => readCsvColumn(utf8(text), '1'), 'ERR_DATA', 'is the header missing?')
  }
  // A data frame without names of its own counts its columns.
  assert.is(readCsv(utf8('0,1,2\n5,6,7\n')).features.rows, 1)
  assert.equal(readCsv(utf8('0,1,kind\n5,6,a\n'), { label: 'kind' }).labels, ['a'])
})

csv('takes a label in quotes as it is, whatever it says', () => {
  for (const label of ['NA', 'null', 'None', 'N/A', 'nan']) {
    const text = `x,kind\n1,"${label}"\n2,b\n`
    assert.equal(readCsv(utf8(text), { label: 'kind' }).labels, [label, 'b'])
    assert.equal(readCsvColumn(utf8(text), 'kind'), [label, 'b'])
    fails(() => readCsvColumn(utf8(text.replaceAll('"', '')), 'kind'), 'ERR_DATA', `${label} in row 0`)
  }
  assert.equal(readCsvColumn(utf8('"NA"\nb\n')), ['b'])
})

csv('leaves out columns where they are there', () => {
  const table = readCsv(utf8('a,b,c\n1,x,2\n'), { ignore: ['b', 'd'] })
  assert.equal(table.columns, ['a', 'c'])
  assert.equal(table.features, { data: Float64Array.of(1, 2), rows: 1, columns: 2, scale: 1 })
})

csv('names row and column of missing values', () => {
  for (const missing of ['', 'NA', 'NaN', 'nan', '""', '  ', 'N/A', '#N/A', 'null', 'NULL', 'None', '<NA>']) {
    fails(() => readCsv(utf8(`a,b\n1,2\n3,${missing}\n`)), 'ERR_DATA', 'row 1, column "b"')
    fails(() => readCsv(utf8(`a,b\n1,2\n3,${missing}\n`), { label: 'b' }), 'ERR_DATA', 'row 1, column "b"')
  }
})

csv('names row and column of text and infinity in a feature', () => {
  fails(() => readCsv(utf8('a,b\n1,2\n3,red\n')), 'ERR_DATA', '"red" in row 1, column "b"')
  for (const infinite of ['inf', '-Infinity', '1e999']) {
    fails(() => readCsv(utf8(`a,b\n1,${infinite}\n`)), 'ERR_NOT_FINITE', 'row 0, column "b"')
  }
})

csv('refuses what is not a table', () => {
  fails(() => readCsv(utf8('')), 'ERR_DATA', 'header')
  fails(() => readCsv(utf8('a,b\n')), 'ERR_DATA', 'at least one row')
  fails(() => readCsv(utf8('a,b\n1,2,3\n')), 'ERR_DATA', 'line 2')
  fails(() => readCsv(utf8('a,b\n1\n')), 'ERR_DATA', 'line 2')
  fails(() => readCsv(utf8('a,b\n1,"2\n')), 'ERR_DATA')
  fails(() => readCsv(utf8(',a\n7.5,1\n')), 'ERR_DATA', 'column 1')
  fails(() => readCsv(utf8('a,\n0,1\n')), 'ERR_DATA', 'column 2')
  fails(() => readCsv(utf8('a,a\n0,1\n')), 'ERR_DATA', '"a" twice')
  fails(() => readCsv(utf8('a,b\n0,1\n'), { label: 'kind' }), 'ERR_DATA', 'column "kind"', 'a, b')
  fails(() => readCsv(pictures), 'ERR_DATA', 'UTF-8')
  fails(() => readCsv(Uint8Array.of(0, 65, 0, 10)), 'ERR_DATA', 'binary')
  neverCrashes(readCsv, utf8('a,"b"\r\n1,2.5\r\n3,4e1\r\n'))
})

csv('makes numbers of truth values and of few words, and leaves an index out', () => {
  const text = ',open,colour,size\n0,True,red,1\n1,false,blue,2\n2,yes,red,3\n3,no,blue,4\n'
  const { features, columns, notes } = readCsv(utf8(text))
  assert.equal(columns, ['open', 'colour=blue', 'colour=red', 'size'])
  assert.equal(Array.from(features.data), [1, 0, 1, 1, 0, 1, 0, 2, 1, 0, 1, 3, 0, 1, 0, 4])
  assert.is(notes.length, 2)
  assert.equal(readCsv(utf8('Unnamed: 0,a\n0,5\n1,6\n')).columns, ['a'])
  // A part of a data frame, in any order, keeps the numbers of the whole.
  for (const title of ['', 'Unnamed: 0']) {
    assert.equal(readCsv(utf8(`${title},a\n31,5\n7,6\n`)).columns, ['a'])
  }
  assert.equal(readCsv(utf8('Unnamed: 0,a\n3,5\n3,6\n')).columns, ['Unnamed: 0', 'a'])
  assert.equal(readCsv(utf8('Unnamed: 0,a\n0.5,5\n1,6\n')).columns, ['Unnamed: 0', 'a'])
  fails(() => readCsv(utf8(',a\n0.5,5\n1,6\n')), 'ERR_DATA', 'a name for every column')
})

csv('gives a column of words the words of training', () => {
  const { columns: trained } = readCsv(utf8('kind,a\nred,1\nblue,2\nred,3\nblue,4\n'))
  const one = readCsv(utf8('kind,a\nred,5\n'), { trained })
  assert.equal(one.columns, trained)
  assert.equal(Array.from(one.features.data), [0, 1, 5])
  fails(() => readCsv(utf8('kind,a\nred,5\n')), 'ERR_DATA', '"red" in row 0')
  const other = utf8('kind,a\nred,5\ngreen,6\n')
  fails(() => readCsv(other, { trained }), 'ERR_DATA', '"green" in row 1, column "kind" (which had blue, red')
  const missing = utf8('kind,a\nred,5\n,6\n')
  fails(() => readCsv(missing, { trained }), 'ERR_DATA', 'row 1, column "kind"')
  assert.equal(Array.from(readCsv(missing, { trained, impute: 'median' }).features.data), [0, 1, 5, 0, 0, 6])
})

csv('fills missing values where it is asked to', () => {
  const table = readCsv(utf8('a,b\n1,2\n,4\nNA,4\n5,x\n'.replace('x', '6')), { impute: 'median' })
  assert.equal(Array.from(table.features.data), [1, 2, 3, 4, 3, 4, 5, 6])
  assert.match(table.notes[0], /2 missing values of "a"/)
})

csv('tells all columns that hold no numbers at once', () => {
  const rows = Array.from(
    { length: 50 },
    (_, i) => `${i},word ${i},${i === 3 ? 'NA' : 1},${i === 4 ? 'many' : 2}`,
  )
  const text = utf8(`a,b,c,d\n${rows.join('\n')}\n`)
  fails(
    () => readCsv(text),
    'ERR_DATA',
    '"word 0" in row 0, column "b" (of 50 different texts)',
    'NA in row 3, column "c"',
    '"many" in row 4, column "d"',
    '--impute median',
    '--ignore',
  )
})

csv('reads tables without a header, and columns as text', () => {
  const { features, columns } = readCsv(utf8('1,2\n3,4\n'), { header: false })
  assert.equal(columns, ['x0', 'x1'])
  assert.is(features.rows, 2)
  assert.equal(readCsvColumn(utf8('7\n8\n'), undefined, { header: false }), ['7', '8'])
  const { texts, columns: left } = readCsv(utf8('id,a\nu1,2\n,3\n'), { texts: ['id'] })
  assert.equal(texts, { id: ['u1', ''] })
  assert.equal(left, ['a'])
  fails(() => readCsv(utf8('a\n1\n'), { texts: ['id'] }), 'ERR_DATA', 'column "id"')
})

csv('reads one column whatever the others hold', () => {
  assert.equal(readCsvColumn(utf8('file,label\nx.png,cat\ny.png,dog\n'), 'label'), ['cat', 'dog'])
  assert.equal(readCsvColumn(utf8('label\ncat\n')), ['cat'])
  fails(() => readCsvColumn(utf8('a,b\n1,2\n')), 'ERR_DATA', 'one column or its name', 'a, b')
})

csv('takes a first line of values for no header, and numbers that name columns for one', () => {
  for (const text of ['5.1,3.5,cat\n4.9,3.0,dog', '5,3,1,cat\n4,2,2,dog', '1,cat\n2,dog', '2019,2018\n1,2']) {
    fails(() => readCsv(utf8(text)), 'ERR_DATA', 'a header', '--no-header')
  }
  fails(() => readCsvColumn(utf8('true\nfalse')), 'ERR_DATA', 'a header')
  fails(() => readCsvColumn(utf8('cat\ndog\ncat')), 'ERR_DATA', 'a header', 'cat')
  for (const names of [
    '2019,2020,2021,kind',
    '0,kind',
    '0,1,2',
    'region,age,2020,kind',
    '0.25,0.5,0.75,kind',
  ]) {
    const width = names.split(',').length
    const text = `${names}\n${Array.from({ length: width }, (_, i) => 10 - i)}`
    assert.is(readCsv(utf8(text)).columns.length, width, names)
  }
})

csv('ends lines in every way, also in one file, with and without quotes', () => {
  for (const quote of ['', '"']) {
    const text = utf8(`a,b\r\n1,${quote}2${quote}\n3,4\r5,6\r\n\r\n`)
    assert.equal(Array.from(readCsv(text).features.data), [1, 2, 3, 4, 5, 6])
  }
})

csv('counts missing labels, an empty line of a list among them', () => {
  fails(() => readCsvColumn(utf8('kind\ncat\n\ndog\nNA\n\n')), 'ERR_DATA', 'none in row 1', '2 of 4 values')
  const text = utf8('a,kind\n1,cat\n2,null\n3,\n')
  fails(() => readCsv(text, { label: 'kind' }), 'ERR_DATA', 'null in row 1', '2 of 3 values', 'count from 0')
})

csv('reads decimal commas between semicolons alone', () => {
  const { features, notes } = readCsv(utf8('a;b\n1,5;2\n-3,25;4,0\n'))
  assert.equal(Array.from(features.data), [1.5, 2, -3.25, 4])
  assert.match(notes[0], /^3 numbers have a decimal comma/)
  assert.equal(readCsv(utf8('a;b\n1,5;2\n'), { label: 'a' }).labels, ['1,5'])
  fails(() => readCsv(utf8('a\tb\n1,5\t2\n2\t3\n')), 'ERR_DATA', '"1,5" in row 0')
})

csv('leaves the index of a data frame out of a list', () => {
  assert.equal(readCsvColumn(utf8(',kind\n0,cat\n1,dog\n')), ['cat', 'dog'])
  fails(() => readCsv(utf8('a,b\n1,2'), { required: ['c'] }), 'ERR_DATA', 'a column "c"')
})

csv('reads what somebody checked, in words or in truth values, beside other columns', () => {
  const given = { names: ['cat', 'dog'], labels: [0, 0, 1, 1] }
  const read = (text: string) => {
    const { rows, labels, random } = parseChecked({ name: 'checked.csv', bytes: utf8(text) }, given)
    return [Array.from(rows), Array.from(labels), ...(random ? [random] : [])]
  }
  const words = 'row,"a, note",label\n0,"x, y",right\n3,,\n1,,dog\n2,,wrong\n'
  assert.equal(read(words), [
    [0, 1, 2],
    [0, 1, -1],
  ])
  assert.equal(read('row,right\n0,True\n2,0\n3,\n'), [
    [0, 2],
    [0, -1],
  ])
  assert.equal(read('row;wrong\n0;x\n2;no\n'), [
    [0, 2],
    [-1, 1],
  ])
  assert.equal(read('row,random,label\n0,true,right\n3,1,\n1,,dog\n2,no,wrong\n'), [
    [0, 1, 2],
    [0, 1, -1],
    [true, false, false],
  ])
  fails(() => read('row,label,random\n0,right,perhaps\n'), 'ERR_DATA', 'in the column "random"', 'perhaps')
  fails(() => read('row,right\n0,perhaps\n'), 'ERR_DATA', 'true or false')
  fails(() => read('row,label\n0,1\n'), 'ERR_DATA', 'right, wrong or one of cat, dog')
})

csv('reads lists without a header, arrays by name and pipes by their content', () => {
  const file = (name: string, bytes: Uint8Array) => ({ name, bytes })
  assert.equal(Array.from(parseIndices(file('rows.txt', utf8('3\n7\n')))), [3, 7])
  assert.equal(Array.from(parseIndices(file('rows.csv', utf8('ok\nTrue\nfalse\nTrue\n')))), [0, 2])
  assert.equal(parseLabels(file('kinds.txt', utf8('cat\ndog\ncat\n'))).names, ['cat', 'dog'])
  const array = (...numbers: number[]) => ({ data: Float64Array.from(numbers), shape: [numbers.length, 1] })
  const archive = writeNpz({ X: array(1, 2), emb: array(3, 4), rows: { data: Int32Array.of(5), shape: [1] } })
  assert.equal(Array.from(parseFeatures(file('set.npz:emb', archive)).features.data), [3, 4])
  assert.equal(Array.from(parseSet(file('set.npz:emb', archive)).features.data), [3, 4])
  assert.equal(Array.from(parseSet(file('-', archive)).features.data), [1, 2])
  assert.equal(Array.from(parseSet(file('-', gzipSync(utf8('a,b\n1,2\n')))).features.data), [1, 2])
  fails(() => parseFeatures(file('set.npz:other', archive)), 'ERR_DATA', 'an array named other', 'emb [2, 1]')
  fails(() => parseLabels(file('set.npz', archive), { label: 'kind' }), 'ERR_DATA', 'an array named kind')
  fails(() => parseSet(file('set.parquet', archive)), 'ERR_DATA', 'save it as CSV')
})

csv('fills NaN of arrays with medians too', () => {
  const data = Float32Array.of(1, Number.NaN, 3, 4, 5, 8)
  const bytes = writeNpy({ data, shape: [3, 2] })
  const { features } = parseSet({ name: 'x.npy', bytes }, { impute: 'median' })
  assert.equal(Array.from(features.data), [1, 6, 3, 4, 5, 8])
  fails(() => parseSet({ name: 'x.npy', bytes }), 'ERR_NOT_FINITE', 'row 0, column 1')
  fails(() => parseSet({ name: 'x.npy', bytes }, { as: '--features' }), 'ERR_NOT_FINITE', '--impute median')
})

csv('reads the same with and without quotes', () => {
  const cell = fc.string({ unit: fc.constantFrom('a', 'é', ' ', '\t', '7', '-', '.', ';'), maxLength: 4 })
  const end = fc.constantFrom('\n', '\r\n', '\r')
  fc.assert(
    fc.property(fc.array(fc.tuple(cell, cell), { minLength: 1 }), end, (rows, end) => {
      const read = (form: (text: string) => string) => {
        const lines = [['x', 'y'], ...rows].map((row) => row.map(form).join())
        try {
          return readCsvColumn(utf8(lines.join(end)), 'y')
        } catch (error) {
          return (error as Error).message
        }
      }
      // Spaces within quotes are kept, those around are not.
      assert.equal(
        read((text) => text),
        read((text) => ` "${text.trim()}" `),
      )
    }),
  )
})

csv('reads numbers as they were written', () => {
  const cells = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true }), { minLength: 2, maxLength: 2 })
  fc.assert(
    fc.property(fc.array(cells, { minLength: 1, maxLength: 9 }), (rows) => {
      const text = `a,b\n${rows.map((row) => row.map((x) => (Object.is(x, -0) ? '-0' : x)).join(',')).join('\n')}`
      assert.equal(readCsv(utf8(text)).features.data, Float64Array.from(rows.flat()))
    }),
  )
})
csv('looks at each name of a wide header once', () => {
  const names = Array.from({ length: 100_000 }, (_, i) => `column ${i}`)
  let reads = 0
  const counted = (names: string[]) =>
    new Proxy(names, {
      get(target, key, receiver) {
        if (typeof key === 'string' && /^\d+$/.test(key)) reads++
        return Reflect.get(target, key, receiver)
      },
    })
  assert.is(firstRepeated(counted(names)), undefined)
  assert.is(reads, names.length)
  assert.is(firstRepeated(counted([...names, 'column 7'])), 'column 7')
})

csv.run()

const features = suite('features')

features('keeps u8, f32 and f64, and widens the rest', () => {
  for (const name of ['u1', 'f4', 'f8'])
    assert.equal(toFeatures(readNpy(saved(name))).features.data, readNpy(saved(name)).data)
  assert.instance(toFeatures(readNpy(saved('i2'))).features.data, Float32Array)
  assert.instance(toFeatures(readNpy(saved('i4'))).features.data, Float64Array)
  assert.is(toFeatures(readNpy(saved('u1'))).features.scale, 1)
})

features('names row and column of what is not finite', () => {
  for (const value of [Number.NaN, Infinity, -Infinity]) {
    const data = Float32Array.of(1, 2, 3, 4, value, 6)
    fails(() => toFeatures({ data, shape: [2, 3] }), 'ERR_NOT_FINITE', `${value} in row 1, column 1`)
  }
})

features('refuses one dimension, no samples and text', () => {
  fails(() => toFeatures({ data: Float32Array.of(1), shape: [1] }), 'ERR_SHAPE', '[1]')
  fails(() => toFeatures(readNpy(saved('empty'))), 'ERR_SHAPE', '[0, 5]')
  fails(() => toFeatures({ data: ['a'], shape: [1, 1] }), 'ERR_DTYPE', 'text')
})

features('takes rows in the order asked for', () => {
  const whole = matrix(Uint8Array.of(1, 2, 3, 4, 5, 6), 3, 2, 1 / 255)
  assert.equal(takeRows(whole, [2, 0]), matrix(Uint8Array.of(5, 6, 1, 2), 2, 2, 1 / 255))
  for (const row of [3, -1, 0.5]) fails(() => takeRows(whole, [0, row]), 'ERR_RANGE', `${row} at 1`)
})

features('are read by extension, gzipped or not', async () => {
  const bytes = gzipSync(pictures)
  assert.equal(parseFeatures({ name: 'train-images-idx3-ubyte.gz', bytes }).imageShape, [1, 3])
  assert.equal(parseFeatures({ name: 'A.NPY', bytes: saved('f4') }).features.rows, 2)
  assert.equal(parseFeatures({ name: 'a.csv', bytes: utf8('x,y\n1,a\n') }, { label: 'y' }).columns, ['x'])
  fails(
    () => parseFeatures({ name: 'a.csv', bytes: utf8('y\na\n') }, { label: 'y' }),
    'ERR_DATA',
    'only the labels',
  )
  fails(() => parseFeatures({ name: 'a.parquet', bytes }), 'ERR_DATA', 'to_csv', '"a.parquet"')
  fails(() => parseFeatures({ name: 'a.jpeg', bytes }), 'ERR_DATA', '.npy', '"a.jpeg"')
  for (const path of ['no-such-file.npy', '.']) {
    const error = await readFeatures(path).then(
      () => undefined,
      (reason) => reason,
    )
    assert.instance(error, NhgdError)
    assert.is(error.code, 'ERR_DATA')
    assert.match(error.message, `"${path}"`)
  }
})
features.run()

const labels = suite('labels')

labels('are class indices, numbers in numeric order and text sorted', () => {
  assert.equal(encodeLabels([10, 9, 10, -1]), { labels: Int32Array.of(2, 1, 2, 0), names: ['-1', '9', '10'] })
  assert.equal(encodeLabels(['10', '9.0', '9']), { labels: Int32Array.of(1, 0, 0), names: ['9', '10'] })
  assert.equal(encodeLabels(['dog', '7', 'cat']), {
    labels: Int32Array.of(2, 0, 1),
    names: ['7', 'cat', 'dog'],
  })
})

labels('of a second set keep the classes of the first', () => {
  assert.equal(encodeLabels(['b'], ['a', 'b', 'c']).labels, Int32Array.of(1))
  assert.equal(encodeLabels([2], ['0', '1', '2']).labels, Int32Array.of(2))
  fails(() => encodeLabels(['a', 'z'], ['a', 'b']), 'ERR_DATA', 'one of a, b', 'z at 1')
})

labels('that are fractional, not finite or none are refused', () => {
  fails(() => encodeLabels([0, 0.5]), 'ERR_RANGE', '0.5 at 1')
  fails(() => encodeLabels(['1', '2.5']), 'ERR_RANGE', '2.5 at 1')
  fails(() => encodeLabels([0, Number.NaN]), 'ERR_NOT_FINITE', 'NaN at 1')
  fails(() => encodeLabels([]), 'ERR_SHAPE', 'none')
  fails(() => parseLabels({ name: 'y.npy', bytes: saved('f4') }), 'ERR_SHAPE', '[2, 3]')
})

labels('that are null or undefined are missing', () => {
  for (const gap of [null, undefined])
    fails(() => encodeLabels(['a', gap] as string[]), 'ERR_DATA', `${gap} at 1`)
})

labels('are listed in short messages, however many there are', () => {
  const many = Array.from({ length: 5000 }, (_, i) => `class ${i}`)
  fails(() => encodeLabels(['z'], many), 'ERR_DATA', 'class 19 and 4980 more')
  fails(
    () => readCsvColumn(utf8(`${many.join()}\n${many.join()}\n`), 'z'),
    'ERR_DATA',
    'class 19 and 4980 more',
  )
  assert.is(listed(['x'.repeat(500)]).length, 80)
})

labels('tell which class is absent', () => {
  assert.equal(absentClasses([0, 2, 2], 4), [1, 3])
  assert.equal(absentClasses([0], 3e8, 2), [1, 2])
  assert.equal(absentClasses([1, 0], 2), [])
})

labels('are read from each format', () => {
  assert.equal(parseLabels({ name: 'y.npy', bytes: saved('U') }).names, ['', 'añ😀', 'cat'])
  assert.equal(
    parseLabels({ name: 'y.csv', bytes: utf8('x,y\n1,b\n2,a\n') }, { label: 'y' }).labels,
    Int32Array.of(1, 0),
  )
  const bytes = Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 7, 3)
  assert.equal(parseLabels({ name: 'y-idx1-ubyte', bytes }), {
    labels: Int32Array.of(1, 0),
    names: ['3', '7'],
  })
})

labels('of trusted rows are indices or truth values', () => {
  assert.equal(parseIndices({ name: 'i.npy', bytes: saved('v2') }), Int32Array.of(1, 2))
  assert.equal(parseIndices({ name: 'i.npy', bytes: saved('b1') }), Int32Array.of(0, 2))
  assert.equal(parseIndices({ name: 'i.csv', bytes: utf8('row\n4\n0\n') }), Int32Array.of(4, 0))
  for (const wrong of ['-1', '0.5', 'x']) {
    fails(
      () => parseIndices({ name: 'i.csv', bytes: utf8(`row\n0\n${wrong}\n`) }),
      'ERR_RANGE',
      `${wrong} at 1`,
    )
  }
})
labels('keeps text that is not written as numbers are', () => {
  assert.equal(encodeLabels(['007', '7', '010']).names, ['007', '010', '7'])
  assert.equal(encodeLabels(['1e5', '100000']).names, ['100000', '1e5'])
  assert.equal(encodeLabels(['7', '7.0', '-2']).names, ['-2', '7'])
})

labels.run()

const standardized = suite('standardize')

standardized('has mean 0 and deviation 1, and 0 in constant columns', () => {
  const { features, means, deviations } = standardize(matrix(Float64Array.of(1, 0.1, 3, 0.1, 8, 0.1), 3, 2))
  assert.ok(Math.abs(means[0] - 4) < 1e-15 && Math.abs(deviations[0] - Math.sqrt(26 / 3)) < 1e-15)
  assert.equal([means[1], deviations[1]], [0.1, 0])
  const z = [-3, 0, -1, 0, 4, 0].map((x) => Math.fround(x / Math.sqrt(26 / 3)))
  for (const [i, value] of features.data.entries()) assert.ok(Math.abs(value - z[i]) < 1e-7)
})

standardized('does not depend on the unit, nor lose a large offset', () => {
  const column = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 2, maxLength: 20 })
  fc.assert(
    fc.property(column, (values) => {
      const bytes = standardize(matrix(Uint8Array.from(values), values.length, 1, 1 / 255))
      const shifted = standardize(
        matrix(
          Float64Array.from(values, (x) => 1e3 * x + 1e9),
          values.length,
          1,
        ),
      )
      for (const [i, value] of bytes.features.data.entries()) {
        assert.ok(Math.abs(value - shifted.features.data[i]) < 1e-5)
      }
    }),
  )
})

standardized('finds the column that has an outlier or another scale', () => {
  const random = new Random(2)
  const numbers = random.normals(300 * 4)
  assert.is(oddColumn(matrix(numbers, 300, 4)), undefined)
  const outlier = numbers.with(4 * 7 + 2, -999_999)
  assert.is(oddColumn(matrix(outlier, 300, 4)), 2)
  assert.is(
    oddColumn(
      matrix(
        numbers.map((x, i) => (i % 4 === 1 ? 1e6 : x)),
        300,
        4,
      ),
    ),
    1,
  )
  assert.is(oddColumn(matrix(Uint8Array.of(1, 255), 2, 1)), undefined)
  assert.is(oddColumn(matrix(Uint8Array.of(0, 0, 0, 0, 5, 9), 2, 3)), undefined)
})

standardized('reuses the figures of the training set', () => {
  const train = standardize(matrix(Float64Array.of(0, 5, 2, 5), 2, 2))
  assert.equal(standardize(matrix(Float64Array.of(4, 9), 1, 2), train).features.data, Float32Array.of(3, 0))
  fails(() => standardize(matrix(Float64Array.of(4), 1, 1), train), 'ERR_SHAPE', '2 columns, got 1')
})
standardized.run()

const split = suite('split')
const digits = Int32Array.from({ length: 6000 }, (_, i) => i % 10)
const options = {
  classes: 10,
  trainSize: 5000,
  trustedSize: 1000,
  noise: { kind: 'uniform', rate: 0.5 },
  seed: 3,
} as const

split('parts are disjoint, and only training labels are corrupted', () => {
  const { train, trusted, given } = cleaningSplit(digits, options)
  assert.equal(Int32Array.from([...train, ...trusted]).sort(), Int32Array.from(digits.keys()))
  for (const row of trusted) assert.is(given[row], digits[row])
  const wrong = train.filter((row) => given[row] !== digits[row]).length / train.length
  assert.ok(Math.abs(wrong - 0.45) < 4 * Math.sqrt((0.45 * 0.55) / 5000), `${wrong} of the labels are wrong`)
})

split('depends on the seed, and training not on how many are trusted', () => {
  const { train, trusted, given } = cleaningSplit(digits, options)
  const fewer = cleaningSplit(digits, { ...options, trustedSize: 100 })
  assert.equal(cleaningSplit(digits, options), { train, trusted, given })
  assert.equal(fewer, { train, trusted: trusted.slice(0, 100), given })
  assert.not.equal(cleaningSplit(digits, { ...options, seed: 4 }).train, train)
})

split('refuses sizes, rates and seeds out of range', () => {
  fails(() => cleaningSplit(digits, { ...options, trainSize: 6001 }), 'ERR_RANGE', '"trainSize"', '6001')
  fails(
    () => cleaningSplit(digits, { ...options, trustedSize: 1001 }),
    'ERR_RANGE',
    '"trustedSize"',
    '0 to 1000',
  )
  fails(
    () => cleaningSplit(digits, { ...options, noise: { kind: 'pair', rate: 1.5 } }),
    'ERR_RANGE',
    '"rate"',
  )
  for (const seed of [0.5, Number.NaN, 2 ** 60])
    fails(() => cleaningSplit(digits, { ...options, seed }), 'ERR_RANGE', '"seed"')
})

split('takes every seed that runs take, and all of its bits', () => {
  const orders = [1, 2 ** 32 + 1, 2 ** 33 + 1, Number.MAX_SAFE_INTEGER].map((seed) =>
    permutation(50, seed).join(),
  )
  assert.is(new Set(orders).size, 4)
})

split('noise of pairs goes to the next class', () => {
  assert.equal(corruptLabels([0, 1, 2], 3, { kind: 'pair', rate: 1 }, 1), Int32Array.of(1, 2, 0))
  assert.equal(corruptLabels([0, 1, 2], 3, { kind: 'uniform', rate: 0 }, 1), Int32Array.of(0, 1, 2))
})

split('a permutation is one', () => {
  fc.assert(
    fc.property(fc.nat(200), fc.integer(), (length, seed) => {
      assert.equal(
        permutation(length, seed).sort(),
        Int32Array.from({ length }, (_, i) => i),
      )
    }),
  )
})

split('folds are even, in all and within each class', () => {
  const classes = fc.array(fc.nat(3), { minLength: 5, maxLength: 80 })
  fc.assert(
    fc.property(classes, fc.integer({ min: 2, max: 5 }), fc.integer(), (of, count, seed) => {
      const folds = assignFolds(of, count, seed)
      for (const group of [[0], [1], [2], [3], [0, 1, 2, 3]]) {
        const sizes = Array.from(
          { length: count },
          (_, fold) => of.filter((c, i) => group.includes(c) && folds[i] === fold).length,
        )
        assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `${sizes}`)
      }
    }),
  )
  fails(() => assignFolds([0, 1], 3, 1), 'ERR_RANGE', '"folds"')
})
split.run()

const mnist = suite('mnist')

mnist('holds its 70 000 pictures', async () => {
  const { train, test } = await loadMnist()
  assert.equal([train.features.rows, train.features.columns, test.features.rows], [60000, 784, 10000])
  assert.is(train.features.scale, 1 / 255)
  // Class frequencies and first labels as published with the data.
  const counts = new Array(10).fill(0)
  for (const label of train.labels) counts[label]++
  assert.equal(counts, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949])
  assert.equal([...train.labels.slice(0, 5)], [5, 0, 4, 1, 9])
  assert.equal([...test.labels.slice(0, 5)], [7, 2, 1, 0, 4])
})
mnist.run()
