import { readFileSync } from 'node:fs'
import { tableFromArrays } from 'apache-arrow'
import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadBackend } from '../ts/backend/load.ts'
import { readCsv, readSafetensors, writeCsv, writeSafetensors } from '../ts/data/index.ts'
import { Classifier } from '../ts/tasks/classifier.ts'
import { rankingColumns } from '../ts/tasks/cleanLabels/rankingColumns.ts'
import { readModel, writeModel } from '../ts/tasks/modelFile.ts'
import { refuses } from './support/errors.ts'

const test = suite('models and results as files')
const python = readFileSync(new URL('./fixtures/tables/python.safetensors', import.meta.url))

test('reads what the package of Python wrote', () => {
  const { tensors, metadata } = readSafetensors(python)
  assert.equal(metadata, { classes: '["cat", "dog"]', columns: '["width", "height"]' })
  assert.equal(tensors, {
    theta: { data: Float32Array.of(0, 0.25, 0.5, 0.75, 1, 1.25), shape: [3, 2] },
    half: { data: Float32Array.of(1.5, -2), shape: [2] },
    count: { data: Float64Array.of(1, -(2 ** 40)), shape: [2, 1] },
    ok: { data: Uint8Array.of(1, 0), shape: [2], boolean: true },
    byte: { data: Uint8Array.of(7, 255), shape: [2] },
    one: { data: Float64Array.of(2.5), shape: [] },
    brain: { data: Float32Array.of(1.5, -2), shape: [2] },
  })
})

test('what is written is read again, in the layout of the format', async () => {
  const tensors = {
    a: { data: Int16Array.of(-1, 2, 3, 4, 5, 6), shape: [3, 2] },
    b: { data: Uint8Array.of(1, 0, 1), shape: [3], boolean: true },
    c: { data: Float64Array.of(Math.PI), shape: [] },
    d: { data: new Float32Array(0), shape: [0, 4] },
  }
  const bytes = writeSafetensors({ tensors, metadata: { kind: 'x' } })
  assert.equal(readSafetensors(bytes), { tensors, metadata: { kind: 'x' } })
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true))
  assert.is(length % 8, 0)
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))
  assert.equal(header.b, { dtype: 'BOOL', shape: [3], data_offsets: [12, 15] })
  await refuses('ERR_SHAPE', 'a', () => writeSafetensors({ tensors: { a: { ...tensors.a, shape: [7] } } }))
})

test('changed bytes give tensors or a typed error', async () => {
  await refuses('ERR_DATA', 'file', () => readSafetensors(new Uint8Array(7)))
  await refuses('ERR_DATA', 'file', () => readSafetensors(python.subarray(0, -1)))
  await refuses('ERR_DATA', 'file', () => readSafetensors(Uint8Array.of(...python, 0)))
  await refuses('ERR_DATA', 'file', () => readSafetensors('theta' as never))
  const text = python.toString('latin1')
  for (const [from, to] of [
    ['"F16"', '"F24"'],
    ['[3, 2]', '[4, 2]'],
    ['[3, 2]', '[-3,2]'],
    ['{"__', '["__'],
  ]) {
    const other = Buffer.from(text.replace(from, to), 'latin1')
    await refuses('ERR_DATA', 'file', () => readSafetensors(other))
  }
  const change = fc.record({ at: fc.nat(python.length - 1), byte: fc.nat(255) })
  const changes = fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
    const bytes = Uint8Array.from(python)
    for (const { at, byte } of changes) bytes[at] = byte
    try {
      readSafetensors(bytes)
    } catch (error) {
      assert.is((error as { code?: string }).code, 'ERR_DATA', `${error}`)
    }
  })
  fc.assert(changes, { numRuns: 500 })
})

test('a model is saved and loaded in both formats', async () => {
  const backend = await loadBackend()
  const model = new Classifier(backend, 2, 2, Float64Array.of(1, -1, 0.5, 2, 0, 0.25))
  const rows = [
    [1, 2],
    [-1, 0.5],
  ]
  for (const format of ['npz', 'safetensors'] as const) {
    const loaded = Classifier.load(backend, model.save({ format }))
    assert.equal(loaded.theta, model.theta)
    assert.equal(loaded.probabilities(rows), model.probabilities(rows))
    const names = { classes: ['ä', 'b'], columns: ['"x"', 'y'] }
    const theta = { data: model.theta, shape: [3, 2] }
    assert.equal(readModel(writeModel(format, { theta }, names)), { theta, ...names })
    await refuses('ERR_CHECKPOINT', 'file', () =>
      readModel(writeModel(format, { theta }, { classes: ['a'] })),
    )
    await refuses('ERR_CHECKPOINT', 'theta', () => readModel(writeModel(format, {})))
    const whole = { data: Int32Array.of(1, 2), shape: [2, 1] }
    await refuses('ERR_CHECKPOINT', 'theta', () => readModel(writeModel(format, { theta: whole })))
  }
  assert.equal(Classifier.load(backend, model.save()).theta, model.theta)
  assert.equal(Classifier.load(backend, python).columns, 2)
  assert.equal(readModel(python).classes, ['cat', 'dog'])
  await refuses('ERR_RANGE', 'format', () => model.save({ format: 'pickle' as never }))
  await refuses('ERR_DATA', 'file', () => Classifier.load(backend, Uint8Array.of(1, 2, 3)))
})

const result = {
  ranking: Uint32Array.of(2, 0),
  suggested: Int32Array.of(0, 1, 1),
  weights: Float64Array.of(0.75, 1, 0.25),
  scores: Float64Array.of(0.25, 0, 0.75),
}

test('the ranking as columns for CSV and Arrow', async () => {
  const labels = [0, 1, 0]
  const columns = rankingColumns(result, { labels, names: ['NA', 'a,b'], ids: ['x', 'y', 'z'] })
  const csv = writeCsv(columns)
  assert.is(
    csv,
    'row,given,suggested,weight,score,rank,doubted,id\n2,"NA","a,b",0.25,0.75,1,true,z\n0,"NA","NA",0.75,0.25,2,false,x\n',
  )
  const read = readCsv(new TextEncoder().encode(csv), { label: 'given', texts: ['suggested', 'id'] })
  assert.equal(
    [read.labels, read.texts.suggested],
    [
      ['NA', 'NA'],
      ['a,b', 'NA'],
    ],
  )
  const table = tableFromArrays(columns as never)
  assert.is(table.numRows, 2)
  const cells = table.toArray().map((row) => Object.values(row.toJSON()))
  assert.equal(cells, [
    [2, 'NA', 'a,b', 0.25, 0.75, 1, true, 'z'],
    [0, 'NA', 'NA', 0.75, 0.25, 2, false, 'x'],
  ])
  assert.equal(rankingColumns(result, { labels }).given, Uint32Array.of(0, 0))
  await refuses('ERR_SHAPE', 'labels', () => rankingColumns(result, { labels: [0] }))
  await refuses('ERR_SHAPE', 'ids', () => rankingColumns(result, { labels, ids: ['x'] }))
  await refuses('ERR_SHAPE', 'b', () => writeCsv({ a: [1, 2], b: [1] }))
})

test.run()
