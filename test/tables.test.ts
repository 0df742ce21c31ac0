import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { tableFromArrays, tableToIPC } from 'apache-arrow'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { NhgdError } from '../ts/backend/errors.ts'
import { parseChecked } from '../ts/data/checked.ts'
import type { Row } from '../ts/data/columnar.ts'
import {
  parseIndices,
  parseLabels,
  parseSet,
  parseTable,
  readFile,
  readLabels,
  readSet,
} from '../ts/data/index.ts'
import { unlz4 } from '../ts/data/lz4.ts'
import { absent, decodeTable } from '../ts/data/packages.ts'
import { verifyParquet } from '../ts/data/parquetFile.ts'
import { refuses } from './support/errors.ts'
import { Random } from './support/random.ts'

const test = suite('tables')
const path = (name: string) => fileURLToPath(new URL(`fixtures/tables/${name}`, import.meta.url))
const bytes = (text: string) => new TextEncoder().encode(text)
const n = 24

/** What the fixtures hold, by their description. */
const expected = (i: number) => [
  i === 3 ? 0.5 : (i % 7) / 4, // the median of the others
  3 * i - 5,
  i % 2 === 0 ? 1 : 0,
  ...[2, 1, 0].map((colour) => (i % 3 === colour ? 1 : 0)), // NA, green, red
  i / 4,
  i / 4 + 1 / 8,
]

for (const name of ['snappy.parquet', 'zstd.parquet', 'plain.feather', 'lz4.feather', 'stream.arrow']) {
  test(`${name} of pyarrow`, async () => {
    const options = {
      label: 'quality',
      ignore: ['image', 'when'],
      texts: ['checked'],
      impute: 'median',
    } as const
    const { features, columns, labels, texts, notes } = await readSet(path(name), options)
    const colours = ['colour=NA', 'colour=green', 'colour=red']
    assert.equal(columns, ['width', 'count', 'new', ...colours, 'embedding.0', 'embedding.1'])
    assert.is(features.rows, n)
    assert.equal(Array.from(features.data), Array.from({ length: n }, (_, i) => expected(i)).flat())
    assert.equal(labels?.names, ['NA', 'good'])
    assert.equal(
      Array.from(labels?.labels ?? []),
      Array.from({ length: n }, (_, i) => (i + 1) % 2),
    )
    assert.equal(texts?.checked.slice(0, 4), ['good', '', '', 'wrong'])
    assert.is(notes?.length, 2)
    assert.equal((await readLabels(path(name), { label: 'quality' })).names, ['NA', 'good'])
    const given = { names: ['NA', 'good'], labels: labels?.labels ?? [] }
    const file = await readFile(path(name))
    await refuses('ERR_DATA', 'checked', () => parseChecked(file, given))
    await refuses('ERR_DATA', 'features', () => readSet(path(name), { ...options, impute: undefined }))
    await refuses('ERR_DATA', 'features', () => readSet(path(name), { ...options, label: 'grade' }))
    await refuses('ERR_DATA', 'labels', () => readLabels(path(name), { label: 'checked' }))
    await refuses('ERR_DATA', 'labels', () => readLabels(path(name), { label: 'embedding' }))
    await refuses('ERR_DTYPE', 'features', () => readSet(path(name), { ...options, ignore: ['when'] }))
    await refuses('ERR_DATA', 'features', () => readSet(path(name), { ...options, ignore: ['image'] }))
    // The name of a pipe tells nothing; the first bytes do.
    if (name === 'stream.arrow') return
    const piped = { name: '-', bytes: readFileSync(path(name)) }
    const table = await decodeTable('-', piped.bytes, 'features')
    assert.equal(parseSet({ ...piped, table }, options).features, features)
  })
}

test('the index of a data frame is left out', async () => {
  const { columns, features, notes } = await readSet(path('indexed.parquet'))
  assert.equal(columns, ['width', 'count'])
  assert.equal(Array.from(features.data.subarray(0, 4)), [0.25, -2, 1.5, 13])
  assert.is(notes?.length, 1)
})

test('what a package cannot read is told, and what to do', async () => {
  const read = (name: string, bytes: Uint8Array) => decodeTable(name, bytes, 'features')
  await refuses('ERR_DATA', 'features', () => read('a.parquet', bytes('PAR1 and more')))
  await refuses('ERR_DATA', 'features', () =>
    read('a.parquet', readFileSync(path('snappy.parquet')).subarray(0, 900)),
  )
  await refuses('ERR_DATA', 'features', () => read('a.arrow', bytes('no table')))
  await refuses('ERR_DATA', 'features', () => read('a.feather', new Uint8Array()))
  const compressed = await readSet(path('zstd.feather')).catch((error: Error) => error.message)
  assert.match(`${compressed}`, 'compression="lz4"')
  const missing = Promise.reject(new Error('Cannot find package')).catch(
    absent('hyparquet', 'Parquet', '--features'),
  )
  const message = await missing.catch((error: Error) => error.message)
  assert.match(
    `${message}`,
    '"--features" expected the package hyparquet for Parquet (npm install hyparquet)',
  )
  await refuses('ERR_DATA', 'features', () => parseSet({ name: 'a.parquet', bytes: bytes('PAR1') }))
})

test('what a file of Arrow or Parquet claims is not believed before it is there', async () => {
  const fields = [3, 1, 2]
  const table = tableFromArrays({ a: Int32Array.from(fields), s: ['x', 'yy', 'z'] })
  const whole = tableToIPC(table, 'stream')
  const places = Array.from({ length: (whole.length >> 2) - 1 }, (_, i) => 4 * i)
  let refused = 0
  for (const at of places) {
    for (const claim of [0x7fffffff, -2, 0x01000000]) {
      const bytes = Uint8Array.from(whole)
      new DataView(bytes.buffer).setInt32(at, claim, true)
      try {
        const read = parseTable((await decodeTable('a.arrow', bytes, 'features')) as never, { ignore: ['s'] })
        assert.ok(read.features.rows <= 64 * whole.length, `byte ${at}`)
      } catch (error) {
        assert.instance(error, NhgdError, `byte ${at}: ${(error as Error).stack}`)
        refused++
      }
    }
  }
  assert.ok(refused > places.length, `${refused} of ${3 * places.length}`)
  const page = { compressed_page_size: 10, uncompressed_page_size: 10, data_page_header: { num_values: 3 } }
  const meta = { num_values: 3n, total_compressed_size: 11n, data_page_offset: 4n }
  const verify = (column: object, header: object, rows = 3n) => {
    const metadata = {
      num_rows: rows,
      row_groups: [{ num_rows: rows, columns: [{ meta_data: { ...meta, ...column } }] }],
    }
    const readHeader = (reader: { offset: number }) => {
      reader.offset++
      return { ...page, ...header }
    }
    return verifyParquet(new Uint8Array(40), metadata, readHeader as never, 1000)
  }
  verify({}, {})
  for (const [column, header, rows] of [
    [{}, { compressed_page_size: -1 }],
    [{}, { compressed_page_size: 100 }],
    [{}, { uncompressed_page_size: 2 ** 31 - 1 }],
    [{}, { uncompressed_page_size: -1 }],
    [{}, { data_page_header: { num_values: 2 ** 31 - 1 } }],
    [{}, { data_page_header: { num_values: -1 } }],
    [{}, { data_page_header: undefined, dictionary_page_header: { num_values: 2 ** 30 } }],
    [{ num_values: 2n ** 40n }, {}],
    [{ data_page_offset: 2n ** 40n }, {}],
    [{ total_compressed_size: 2n ** 40n }, {}],
    [{}, {}, 2n ** 40n],
    [{}, {}, -1n],
  ] as const) {
    assert.throws(() => verify(column, header, rows), /byte|pages|page|values|rows|claim/)
  }
})

test('damaged files give a table or a typed error', async () => {
  const options = { label: 'quality', ignore: ['image', 'when', 'checked'], impute: 'median' } as const
  const read = async (name: string, bytes: Uint8Array) => {
    try {
      parseSet({ name, bytes, table: await decodeTable(name, bytes, 'features') }, options)
    } catch (error) {
      assert.instance(error, NhgdError, `${(error as Error).stack}`)
    }
  }
  const random = new Random(3)
  for (const name of ['snappy.parquet', 'zstd.parquet']) {
    const whole = readFileSync(path(name))
    for (let run = 0; run < 100; run++) {
      const bytes = Uint8Array.from(whole)
      for (let change = 0; change <= random.below(3); change++) {
        bytes[random.below(bytes.length)] = random.below(256)
      }
      await read(name, bytes)
    }
  }
  for (const name of ['plain.feather', 'lz4.feather', 'stream.arrow']) {
    const whole = readFileSync(path(name))
    for (let length = 0; length < whole.length; length += 97) await read(name, whole.subarray(0, length))
    // Lengths and offsets, which apache-arrow would follow far beyond the end.
    for (let at = 4 * random.below(20); at + 4 <= whole.length; at += 76) {
      const bytes = Uint8Array.from(whole)
      new DataView(bytes.buffer).setInt32(at, 0x7fffffff - random.below(2) * 0x70000000, true)
      await read(name, bytes)
    }
  }
})

test('a frame of LZ4 that is none', () => {
  const frame = (...block: number[]) =>
    Uint8Array.of(4, 34, 77, 24, 0x60, 0x40, 0x82, block.length, 0, 0, 0, ...block, 0, 0, 0, 0)
  const text = (bytes: Uint8Array) => new TextDecoder().decode(unlz4(bytes))
  // Two letters, the four before repeat themselves over their own end, and a last one.
  assert.is(text(frame(0x22, 97, 98, 2, 0, 0x10, 99)), 'ababababc')
  for (const block of [
    [0x50, 97],
    [0x10, 97, 5, 0],
    [0x10, 97, 0, 0],
    [0xf0, 255],
  ]) {
    assert.throws(() => unlz4(frame(...block)), /LZ4/)
  }
  assert.throws(() => unlz4(Uint8Array.of(1, 2, 3, 4, 5)), /LZ4/)
})

const rows: Row[] = [
  { id: 'u1', width: 1.5, new: true, colour: 'red', kind: 'cat' },
  { id: 'u2', width: null, new: false, colour: 'blue', kind: 'NA' },
  { id: 'u3', width: -2, new: true, colour: 'red', kind: 'cat' },
  { id: null, width: 4, new: false, colour: 'blue', kind: 'dog' },
]
const lines = (rows: readonly unknown[]) => bytes(rows.map((row) => `${JSON.stringify(row)}\n`).join('\n'))
const csv = bytes(
  `id,width,new,colour,kind
u1,1.5,true,red,cat
u2,,false,blue,"NA"
u3,-2,true,red,cat
,4,false,blue,dog
`,
)

test('JSON lines, rows and columns in memory are treated as CSV is', () => {
  const options = { label: 'kind', texts: ['id'], impute: 'median' } as const
  const expected = parseSet({ name: 'a.csv', bytes: csv }, options)
  assert.is(expected.notes?.length, 2)
  assert.equal(parseSet({ name: 'a.jsonl', bytes: lines(rows) }, options), expected)
  assert.equal(parseSet({ name: 'a.ndjson.gz', bytes: gzipSync(lines(rows)) }, options), expected)
  assert.equal(parseSet({ name: '-', bytes: lines(rows) }, options), expected)
  assert.equal(parseTable(rows, options), expected)
  const column = (title: string) => rows.map((row) => row[title])
  const table = Object.fromEntries(Object.keys(rows[0]).map((title) => [title, column(title)]))
  assert.equal(parseTable(tableFromArrays(table as never), options), expected)
})

test('labels, indices, masks and checks in JSON lines', () => {
  const file = (rows: readonly unknown[]) => ({ name: 'a.jsonl', bytes: lines(rows) })
  assert.equal(parseLabels(file([{ y: 7 }, { y: 5 }])).names, ['5', '7'])
  assert.equal(parseLabels(file([{ y: 'NA' }, { y: '007' }])).names, ['007', 'NA'])
  assert.equal(parseLabels(file([{ y: true }, { y: false }])).names, ['false', 'true'])
  assert.equal(Array.from(parseIndices(file([{ row: 3 }, { row: 1 }]))), [3, 1])
  assert.equal(Array.from(parseIndices(file([{ ok: false }, { ok: true }]))), [1])
  const given = { names: ['cat', 'dog'], labels: [0, 1, 0] }
  const answers = [
    { row: 2, label: 'dog' },
    { row: 0, label: 'right' },
    { row: 1, label: null },
  ]
  assert.equal(parseChecked(file(answers), given), {
    rows: Uint32Array.of(2, 0),
    labels: Int32Array.of(1, 0),
  })
})

test('a column of lists is a column per entry', () => {
  const { columns, features } = parseTable([{ e: [1, 2] }, { e: Float32Array.of(3, 4) }])
  assert.equal(columns, ['e.0', 'e.1'])
  assert.equal(Array.from(features.data), [1, 2, 3, 4])
  const { features: filled } = parseTable([{ e: [1, 2] }, { e: null }, { e: [3, null] }], {
    impute: 'median',
  })
  assert.equal(Array.from(filled.data), [1, 2, 2, 2, 3, 2])
  assert.equal(parseTable([{ e: [1, 2], x: 5 }], { ignore: ['e'] }).columns, ['x'])
  assert.equal(parseTable([{ e: [1, 2], x: 5 }], { ignore: ['e.0'] }).columns, ['e.1', 'x'])
})

const bad: Record<string, [string, string | readonly Row[]]> = {
  'no rows': ['ERR_DATA', []],
  'no columns': ['ERR_DATA', [{}]],
  'a missing value': ['ERR_DATA', [{ x: 1 }, { x: null }]],
  'a row without the column': ['ERR_DATA', [{ x: 1 }, { y: 1 }]],
  'NaN, which pandas writes for nothing': ['ERR_DATA', [{ x: 1 }, { x: Number.NaN }]],
  infinity: ['ERR_NOT_FINITE', [{ x: 1 }, { x: Number.NEGATIVE_INFINITY }]],
  'text among numbers': ['ERR_DATA', [{ x: 1 }, { x: 'a' }]],
  'blank text among numbers': ['ERR_DATA', [{ x: 1 }, { x: '  ' }]],
  'text that says NA among numbers': ['ERR_DATA', [{ x: 1 }, { x: 'NA' }]],
  'an object': ['ERR_DTYPE', [{ x: { y: 1 } }]],
  'lists of different lengths': ['ERR_SHAPE', [{ x: [1, 2] }, { x: [1] }]],
  'a number among lists': ['ERR_SHAPE', [{ x: [1, 2] }, { x: 1 }]],
  'a list among numbers': ['ERR_DTYPE', [{ x: 1 }, { x: [1, 2] }]],
  'lists of lists': ['ERR_DTYPE', [{ x: [[1], [2]] }]],
  'an object among words': ['ERR_DTYPE', [{ x: 'a' }, { x: {} }]],
  'no JSON': ['ERR_DATA', '{"x": 1}\nx'],
  'a line of a number': ['ERR_DATA', '{"x": 1}\n2'],
  'a line of a list': ['ERR_DATA', '[1, 2]'],
  'an empty file': ['ERR_DATA', '\n'],
}
for (const [name, [code, data]] of Object.entries(bad)) {
  test(`refuses ${name}`, async () => {
    const read = () =>
      typeof data === 'string' ? parseSet({ name: 'a.jsonl', bytes: bytes(data) }) : parseTable(data)
    await refuses(code as 'ERR_DATA', 'features', read)
  })
}

test.run()
