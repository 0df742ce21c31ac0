// Each rank's part of a set, on ranks of this process.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parquetMetadataAsync } from 'hyparquet'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Communicator } from '../ts/backend/communicator.ts'
import { loadBackend } from '../ts/backend/load.ts'
import { matrix } from '../ts/backend/matrix.ts'
import {
  fitShardStandardization,
  fitStandardization,
  type NumericArray,
  readFeatures,
  readLabelShard,
  readLabels,
  readSet,
  readShard,
  writeNpy,
} from '../ts/data/index.ts'
import { oneRank } from '../ts/library.ts'
import { refuses } from './support/errors.ts'
import { localRanks } from './support/localRanks.ts'
import { Random } from './support/random.ts'

const test = suite('shards')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-shards-'))
test.after(() => rmSync(folder, { recursive: true }))
const path = (name: string) => join(folder, name)
const fixture = fileURLToPath(new URL('fixtures/tables/snappy.parquet', import.meta.url))

function npy(name: string, data: NumericArray, shape: readonly number[]): string {
  writeFileSync(path(name), writeNpy({ data, shape }))
  return path(name)
}

const onEach = <T>(ranks: number, work: (communicator: Communicator) => Promise<T>) =>
  Promise.all(localRanks(ranks).map(work))

/** The numbers of the parts, one after the other. */
const numbersOf = (parts: readonly { features: { data: ArrayLike<number> } }[]) =>
  parts.flatMap(({ features }) => Array.from(features.data))

test('ranks take the rows of one NPY file, whatever its type, mapped or not', async () => {
  const backend = await loadBackend({ backend: 'native' })
  const [rows, width] = [7, 6]
  const values = Array.from({ length: rows * width }, (_, i) => (37 * i) % 101)
  for (const [type, shape] of [
    [Uint8Array, [rows, 2, 3]],
    [Float32Array, [rows, width]],
    [Float64Array, [rows, width]],
    [Int16Array, [rows, width]],
  ] as const) {
    const file = npy('whole.npy', type.from(values), shape)
    const whole = await readFeatures(file)
    for (const given of [{}, { backend }]) {
      const parts = await onEach(3, (communicator) => readShard(file, { communicator, ...given }))
      assert.equal(
        parts.map(({ from, count, features }) => [from, count, features.rows]),
        [
          [0, 7, 2],
          [2, 7, 2],
          [4, 7, 3],
        ],
      )
      assert.equal(numbersOf(parts), Array.from(whole.features.data))
      for (const { features, imageShape } of parts) {
        assert.equal([features.scale, imageShape], [whole.features.scale, whole.imageShape])
      }
    }
  }
})

test('an NPY file in Fortran order and one of the other byte order are shared out by rows', async () => {
  const header = (descr: string, fortran: string) => {
    const dict = `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': (4, 2), }`.padEnd(117)
    return [
      0x93,
      ...new TextEncoder().encode('NUMPY'),
      1,
      0,
      118,
      0,
      ...new TextEncoder().encode(`${dict}\n`),
    ]
  }
  writeFileSync(path('f.npy'), Uint8Array.of(...header('|u1', 'True'), 0, 2, 4, 6, 1, 3, 5, 7))
  const shorts = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((x) => [0, x])
  writeFileSync(path('big.npy'), Uint8Array.of(...header('>i2', 'False'), ...shorts))
  for (const name of ['f.npy', 'big.npy']) {
    const parts = await onEach(2, (communicator) => readShard(path(name), { communicator }))
    assert.equal(numbersOf(parts), [0, 1, 2, 3, 4, 5, 6, 7])
  }
})

test('rows of other ranks are not looked at', async () => {
  const backend = await loadBackend({ backend: 'native' })
  const file = npy('odd.npy', Float32Array.of(1, 2, 3, Number.NaN), [4, 1])
  for (const given of [{}, { backend }]) {
    const [first, second] = await Promise.allSettled(
      // Apart, since what fails on one rank fails on all.
      [0, 1].map((rank) =>
        readShard(file, { communicator: { ...oneRank, rank, size: 2 } as never, ...given }),
      ),
    )
    assert.is(first.status, 'fulfilled')
    assert.is((second as PromiseRejectedResult).reason.code, 'ERR_NOT_FINITE')
  }
  const bytes = readFileSync(fixture)
  const own = Uint8Array.from(bytes)
  const { row_groups: groups } = await parquetMetadataAsync(own.buffer)
  for (const { meta_data } of groups[2].columns) {
    const at = Number(meta_data?.dictionary_page_offset ?? meta_data?.data_page_offset)
    own.fill(255, at, at + Number(meta_data?.total_compressed_size))
  }
  writeFileSync(path('broken.parquet'), own)
  const options = { ignore: ['width', 'image', 'when', 'checked'], label: 'quality' }
  const errors = await Promise.allSettled(
    [0, 1].map((rank) =>
      readShard(path('broken.parquet'), { communicator: { ...oneRank, rank, size: 2 } as never, ...options }),
    ),
  )
  assert.is((errors[1] as PromiseRejectedResult).reason.code, 'ERR_DATA')
  assert.is(errors[0].status, 'fulfilled')
})

test('ranks take the rows of a table, with the classes and words of all', async () => {
  const options = { ignore: ['width', 'image', 'when', 'checked'], label: 'quality' }
  const whole = await readSet(fixture, options)
  for (const ranks of [1, 2]) {
    const parts = await onEach(ranks, (communicator) => readShard(fixture, { communicator, ...options }))
    assert.equal(numbersOf(parts), Array.from(whole.features.data))
    assert.equal(
      parts.flatMap(({ labels }) => Array.from(labels?.labels ?? [])),
      Array.from(whole.labels?.labels ?? []),
    )
    for (const { columns, labels } of parts) {
      assert.equal([columns, labels?.names], [whole.columns, whole.labels?.names])
    }
  }
  await refuses('ERR_RANGE', 'impute', () =>
    onEach(2, (communicator) =>
      readShard(fixture, { communicator, impute: 'median', ignore: ['image', 'when'] }),
    ),
  )
})

test('files of parts are shared out in the order of their numbers', async () => {
  const rows = ['red,1,b', 'red,2,b', 'green,3,c', 'green,4,c', 'blue,5,a', 'blue,6,a', 'red,7,a', 'red,8,a']
  const csv = (lines: readonly string[]) => ['colour,size,kind', ...lines].join('\n')
  for (const [k, number] of [1, 2, 10, 11].entries()) {
    writeFileSync(path(`part-${number}.csv`), csv(rows.slice(2 * k, 2 * k + 2)))
  }
  writeFileSync(path('all.csv'), csv(rows))
  const whole = await readSet(path('all.csv'), { label: 'kind' })
  const labels = await readLabels(path('all.csv'), { label: 'kind' })
  for (const ranks of [2, 4]) {
    const given = { label: 'kind', trained: whole.columns }
    const parts = await onEach(ranks, (communicator) =>
      readShard(path('part-*.csv'), { communicator, ...given }),
    )
    assert.equal(numbersOf(parts), Array.from(whole.features.data))
    for (const name of ['part-*.csv', 'all.csv']) {
      const own = await onEach(ranks, (communicator) =>
        readLabelShard(path(name), { communicator, label: 'kind' }),
      )
      for (const found of [own, parts.map(({ labels }) => labels)]) {
        assert.equal(
          found.flatMap((part) => Array.from(part?.labels ?? [])),
          Array.from(labels.labels),
        )
        for (const part of found) assert.equal(part?.names, labels.names)
      }
    }
  }
  await refuses('ERR_DATA', 'features', () =>
    onEach(5, (communicator) => readShard(path('part-*.csv'), { communicator })),
  )
})

test('one CSV file is read whole, and then shared out', async () => {
  writeFileSync(path('holes.csv'), 'a,b,kind\n1,2,x\n,4,y\n5,6,x\n3,8,y\n')
  const given = { label: 'kind', impute: 'median' } as const
  const whole = await readSet(path('holes.csv'), given)
  const parts = await onEach(3, (communicator) => readShard(path('holes.csv'), { communicator, ...given }))
  assert.equal(numbersOf(parts), Array.from(whole.features.data))
  assert.equal(
    parts.flatMap(({ labels }) => Array.from(labels?.labels ?? [])),
    Array.from(whole.labels?.labels ?? []),
  )
})

test('means and deviations are those of all rows', async () => {
  const [rows, columns] = [50, 3]
  const data = new Random(3).normals(rows * columns).map((x, i) => (i % columns === 2 ? 7 : 1000 + x))
  const whole = fitStandardization(matrix(data, rows, columns, 0.5))
  const starts = [0, 1, 30, rows]
  const parts = await onEach(3, (communicator) => {
    const [from, to] = starts.slice(communicator.rank)
    return fitShardStandardization(
      matrix(data.slice(from * columns, to * columns), to - from, columns, 0.5),
      {
        communicator,
      },
    )
  })
  for (const part of parts) {
    for (const name of ['means', 'deviations'] as const) {
      for (const [j, x] of whole[name].entries())
        assert.ok(Math.abs(part[name][j] - x) < 1e-10, `${part[name][j]}`)
    }
    assert.is(part.deviations[2], 0)
  }
  await refuses('ERR_SHAPE', 'features', () =>
    onEach(2, (communicator) => {
      const width = 1 + communicator.rank
      return fitShardStandardization(matrix(new Float64Array(width), 1, width), { communicator })
    }),
  )
})

test('what is wrong on one rank, and other options, are refused by name', async () => {
  const file = npy('few.npy', Float64Array.of(1, 2), [2, 1])
  await refuses('ERR_SHAPE', 'features', () => onEach(3, (communicator) => readShard(file, { communicator })))
  await refuses('ERR_DATA', 'features', () => readShard(path('absent-*.npy'), { communicator: oneRank }))
  await refuses('ERR_DATA', 'features', () => readShard(path('absent.npy'), { communicator: oneRank }))
  await refuses('ERR_RANGE', 'communicator', () => readShard(file, { communicator: {} as Communicator }))
  await refuses('ERR_RANGE', 'options', () => readShard(file, { communicator: oneRank, other: 1 } as never))
  await refuses('ERR_RANGE', 'communicator', () => readLabelShard(file, {} as never))
})

test.run()
