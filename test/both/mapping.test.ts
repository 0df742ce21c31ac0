import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'fflate'
import * as assert from 'uvu/assert'
import { type Backend, taken, upload, vector } from '../../ts/backend/backend.ts'
import type { ErrorCode } from '../../ts/backend/errors.ts'
import { mapFile, mappingOf } from '../../ts/backend/mapping.ts'
import type { Matrix, Numbers } from '../../ts/backend/matrix.ts'
import { type NumericArray, readFeatures, readSet, writeNpy } from '../../ts/data/index.ts'
import { predictor, softmaxRegression } from '../../ts/problems/model.ts'
import { same } from '../support/close.ts'
import { refuses } from '../support/errors.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('mapping')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-mapping-'))
test.after(() => rmSync(folder, { recursive: true }))

const [rows, columns] = [7, 6]
const numbers = new Random(2).normals(rows * columns)
const bytes = Uint8Array.from(numbers, (x) => Math.round(128 + 40 * x))
const isNative = (backend: Backend) => backend.info().backend === 'native'

function written(name: string, content: Uint8Array): string {
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

const npy = (name: string, data: NumericArray, shape: readonly number[] = [rows, columns]) =>
  written(name, writeNpy({ data, shape }))

/** An NPY file whose header is another than that of {@link writeNpy}, of the same length. */
function changed(name: string, data: NumericArray, from: string, to: string): string {
  const text = Buffer.from(writeNpy({ data, shape: [rows, columns] })).toString('latin1')
  return written(name, Buffer.from(text.replace(from, to), 'latin1'))
}

function predictions(backend: Backend, features: Matrix): ArrayLike<number> {
  const theta = vector(backend, new Random(3).normals(2 * (columns + 1)), 'f64')
  const model = predictor(backend, softmaxRegression({ classes: 2 }))
  return taken(model.probabilities(theta, upload(backend, features), backend.Batch.all(rows)))
}

test('features of a mapped file give the bits of those that are read, and are not copied', async ({
  backend,
}) => {
  const files: [path: string, data: Numbers][] = [
    [npy('u1.npy', bytes), bytes],
    [npy('pictures.npy', bytes, [rows, 2, 3]), bytes],
    [npy('f4.npy', Float32Array.from(numbers)), Float32Array.from(numbers)],
    [npy('f8.npy', numbers), numbers],
    [written('u1.idx', Uint8Array.of(0, 0, 8, 2, 0, 0, 0, rows, 0, 0, 0, columns, ...bytes)), bytes],
  ]
  for (const [path, data] of files) {
    const { features } = await readFeatures(path, { backend })
    const before = readFileSync(path)
    same(features.data, data)
    const read = (await readFeatures(path)).features
    same(predictions(backend, features), predictions(backend, read))
    assert.is(mappingOf(features.data) !== undefined, isNative(backend), path)
    // What lies in the file itself follows the array: there is no second copy.
    const used = upload(backend, features)
    features.data.fill(0)
    const theta = vector(backend, new Random(3).normals(2 * (columns + 1)), 'f64')
    const model = predictor(backend, softmaxRegression({ classes: 2 }))
    const after = taken(model.probabilities(theta, used, backend.Batch.all(rows)))
    const zeros = predictions(backend, { ...read, data: read.data.map(() => 0) as Numbers })
    same(after, isNative(backend) ? zeros : predictions(backend, read))
    assert.equal(readFileSync(path), before, 'the file stays as it is')
  }
})

test('a part of a mapped array is a matrix of its own', async ({ backend }) => {
  const { features } = await readFeatures(npy('part.npy', numbers), { backend })
  const part = { ...features, rows: 3, data: features.data.subarray(2 * columns, 5 * columns) }
  const theta = vector(backend, new Random(3).normals(2 * (columns + 1)), 'f64')
  const model = predictor(backend, softmaxRegression({ classes: 2 }))
  const own = taken(model.probabilities(theta, upload(backend, part), backend.Batch.all(3)))
  same(own, Array.from(predictions(backend, features)).slice(4, 10))
})

test('files in another order or type are read as without a backend', async ({ backend }) => {
  const swapped = Float64Array.from(numbers)
  for (let at = 0; at < swapped.length; at++) new Uint8Array(swapped.buffer, 8 * at, 8).reverse()
  const paths = [
    changed('big.npy', swapped, "'<f8'", "'>f8'"),
    changed('fortran.npy', numbers, "'fortran_order': False", "'fortran_order': True "),
    npy(
      'i4.npy',
      Int32Array.from(numbers, (x) => 100 * x),
    ),
    written('packed.npy.gz', gzipSync(writeNpy({ data: numbers, shape: [rows, columns] }))),
    written(
      'table.csv',
      Buffer.from(`a,b\n${Array.from({ length: rows }, (_, i) => `${i},${i * i}`).join('\n')}`),
    ),
  ]
  for (const path of paths) {
    const [mapped, read] = [await readSet(path, { backend }), await readSet(path)]
    assert.equal(mapped, read, path)
  }
})

test('a mapped file is refused where a read one is', async ({ backend }) => {
  const odd = numbers.with(2 * columns + 1, Number.NaN)
  const refused: [code: ErrorCode, path: string][] = [
    ['ERR_NOT_FINITE', npy('nan.npy', odd)],
    ['ERR_SHAPE', npy('flat.npy', numbers, [rows * columns])],
    ['ERR_DATA', written('short.npy', writeNpy({ data: numbers, shape: [rows, columns] }).subarray(0, -8))],
    ['ERR_DATA', written('empty.npy', new Uint8Array(0))],
    [
      'ERR_DATA',
      written(
        'foreign.npy',
        Uint8Array.from({ length: 100 }, (_, i) => i),
      ),
    ],
    ['ERR_DATA', folder],
    ['ERR_DATA', join(folder, 'nowhere.npy')],
  ]
  for (const [code, path] of refused) {
    await refuses(code, 'features', () => readFeatures(path))
    await refuses(code, 'features', () => readFeatures(path, { backend }))
  }
  for (const odd of [{}, 'native', 1, null]) {
    await refuses('ERR_RANGE', 'backend', () =>
      readFeatures(npy('f8.npy', numbers), { backend: odd as never }),
    )
  }
})

test('numbers beyond a mapped file, or not aligned in it, are refused', async ({ backend }) => {
  const path = npy('edges.npy', numbers)
  if (!isNative(backend)) {
    assert.is(mapFile(backend, path), undefined, 'WebAssembly has no files')
    return
  }
  const mapping = backend.Mapping?.open(path) as never
  const { length } = mapFile(backend, path) as Uint8Array
  const of = (dtype: string, offset: number, rows: number) => () =>
    backend.Features.mapped?.(mapping, dtype, offset, rows, columns, 1)
  await refuses('ERR_SHAPE', 'mapping', of('f64', length - 8 * columns * rows + 8, rows))
  await refuses('ERR_SHAPE', 'mapping', of('f64', 4, 1))
  await refuses('ERR_SHAPE', 'mapping', of('u8', 0, 2 ** 50))
  await refuses('ERR_RANGE', 'dtype', of('i4', 0, 1))
  await refuses('ERR_DATA', 'path', () => backend.Mapping?.open(folder))
  const twice = backend.Mapping?.open(path)
  assert.is(twice?.view().length, length)
  await refuses('ERR_RANGE', 'view', () => twice?.view())
})

test.run()
