import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { matrix } from '../ts/backend/matrix.ts'
import * as data from '../ts/data/index.ts'
import { refuses } from './support/errors.ts'
import { junk, refusesJunk } from './support/junk.ts'

const test = suite('the boundary of nhgd/data')
const utf8 = (text: string) => new TextEncoder().encode(text)
const bytes = utf8('a,b\n1,2\n3,4\n')
const file = { name: 'a.csv', bytes }
const tensor = { data: Float64Array.of(1, 2, 3, 4), shape: [2, 2] }

test('what makes no sense is a typed error of every function, or the caller’s own', async () => {
  // After the last place comes what errors call the first argument.
  const named = {
    ...{ readIdx: 1, readNpy: 1, readNpz: 1, readSafetensors: 1, readFile: 1, readBytes: 1 },
    ...{ readCsv: 2, encodeLabels: 2, parseChecked: 2, checkedColumn: 2, toFeatures: 1, checkFinite: 1 },
  }
  const good = { bytes, file, tensor, matrix: matrix(tensor.data, 2, 2), one: 1, numbers: [0, 1, 1], two: 2 }
  const { loadMnist: _, ...functions } = data
  const values = { ...junk, ...good }
  const before = [
    ['numbers', 'two'],
    ['bytes', 'undefined'],
    ['object', 'list'],
    ['numbers', 'two', 'object'],
  ]
  const count = await refusesJunk(functions, values, named, before)
  assert.ok(count > 15_000, `${count}`)
})

/** Options of a function, and values that each of them refuses. */
const refused: [name: string, call: (options: never) => unknown, options: object][] = [
  [
    'readCsv',
    (options) => data.readCsv(bytes, options),
    { label: 1, ignore: 'a', texts: [1], impute: 'mean', header: 1 },
  ],
  ['readCsv', (options) => data.readCsv(bytes, options), { delimiter: '', required: [null], other: 1 }],
  [
    'readCsvColumn',
    (options) => data.readCsvColumn(bytes, 'a', options),
    { header: null, delimiter: '"', label: 'a' },
  ],
  [
    'parseSet',
    (options) => data.parseSet(file, options),
    { label: null, ignore: {}, as: 1, impute: true, header: 'no' },
  ],
  ['parseTable', (options) => data.parseTable([{ a: 1 }], options), { label: 1, header: true, as: null }],
  ['parseFeatures', (options) => data.parseFeatures(file, options), { label: 1, as: {}, other: 1 }],
  ['parseLabels', (options) => data.parseLabels(file, options), { label: 1, names: 'ab', header: 0, as: 1 }],
  ['parseValues', (options) => data.parseValues(file, options), { label: 1, header: 0, names: ['a'] }],
  ['parseIndices', (options) => data.parseIndices(file, options), { header: 0, as: 1, label: 'a' }],
  ['readSet', (options) => data.readSet('no file', options), { as: 1 }],
  ['writeNpz', (options) => data.writeNpz({ tensor }, options), { compress: 1, level: 6 }],
  [
    'cleaningSplit',
    (options) =>
      data.cleaningSplit([0, 1], {
        ...{ classes: 2, trainSize: 1, trustedSize: 1, seed: 1, noise: { kind: 'pair', rate: 0.5 } },
        ...(options as object),
      }),
    { classes: 0, trainSize: 3, trustedSize: 1.5, seed: '1', noise: 1, other: 1 },
  ],
  [
    'parseSet',
    (given) => data.parseSet({ ...file, ...(given as object) }),
    { name: 1, bytes: [1], table: 1 },
  ],
  [
    'parseChecked',
    (given) => data.parseChecked(file, { names: ['a'], labels: [0], ...(given as object) }),
    { names: 'a', labels: 1 },
  ],
  [
    'writeNpy',
    (given) => data.writeNpy({ ...tensor, ...(given as object) }),
    { shape: [-1, 2], data: [1, 2], boolean: 1 },
  ],
]

test('each option is refused by its name, and so is one that nobody knows', async () => {
  for (const [name, call, options] of refused) {
    for (const [key, value] of Object.entries(options)) {
      let error: unknown
      try {
        await call({ [key]: value } as never)
      } catch (thrown) {
        error = thrown
      }
      assert.match(`${error}`, key, `${name}, ${key}: ${error}`)
      assert.match(`${error}`, /^NhgdError: "/, `${name}, ${key}: ${error}`)
    }
  }
})

test('numbers that are none are refused at any place', async () => {
  const noise = { kind: 'pair', rate: 0.5 } as const
  for (const odd of [Number.NaN, Number.POSITIVE_INFINITY]) {
    for (let at = 0; at < 4; at++) {
      const labels = [0, 1, 0, 1].with(at, odd)
      for (const call of [
        () => data.assignFolds(labels, 2, 0),
        () => data.kFolds(labels, 2),
        () => data.corruptLabels(labels, 2, noise, 1),
        () => data.cleaningSplit(labels, { classes: 2, trainSize: 2, trustedSize: 1, noise, seed: 1 }),
        () =>
          data.standardize(matrix(new Float64Array(8), 2, 4), {
            means: Float64Array.from(labels),
            deviations: new Float64Array(4),
          }),
        () => data.encodeLabels(labels),
        () => data.standardize(matrix(Float64Array.from(labels), 2, 2)),
        () =>
          data.standardize(
            matrix(Float64Array.from(labels), 2, 2),
            data.standardize(matrix(tensor.data, 2, 2)),
          ),
      ]) {
        await refuses('ERR_NOT_FINITE', '(labels|samples|features|standardization.means)', call)
      }
    }
  }
})

test('what a file cannot hold is not written', async () => {
  await refuses('ERR_DTYPE', 'data', () => data.writeNpy({ data: BigInt64Array.of(1n), shape: [1] } as never))
  await refuses('ERR_DTYPE', 'data', () =>
    data.writeNpy({ data: Float64Array.of(1), shape: [1], boolean: true }),
  )
  await refuses('ERR_DTYPE', 'x', () =>
    data.writeSafetensors({ tensors: { x: { data: BigInt64Array.of(1n), shape: [1] } } } as never),
  )
  await refuses('ERR_RANGE', 'tensors', () => data.writeSafetensors({ tensors: { __metadata__: tensor } }))
  await refuses('ERR_DTYPE', 'cell', () => data.writeCsv({ a: [{}] } as never))
  const tensors = Object.fromEntries(['__proto__', '2', '1'].map((name) => [name, tensor]))
  assert.equal(Object.keys(data.readSafetensors(data.writeSafetensors({ tensors })).tensors).sort(), [
    '1',
    '2',
    '__proto__',
  ])
})

test.run()
