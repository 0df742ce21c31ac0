import {
  Bool,
  Decimal,
  Dictionary,
  Field,
  FixedSizeList,
  Float16,
  Float32,
  Float64,
  Int32,
  Int64,
  makeBuilder,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  tableFromArrays,
  Utf8,
  type Vector,
  vectorFromArray,
} from 'apache-arrow'
import { MatrixTransposeView, Matrix as MlMatrix } from 'ml-matrix'
import * as assert from 'uvu/assert'
import type { ErrorCode } from '../../ts/backend/errors.ts'
import { type Matrix, matrix } from '../../ts/backend/matrix.ts'
import { type MatrixLike, toMatrix } from '../../ts/backend/matrixLike.ts'
import { encodeLabels } from '../../ts/data/labels.ts'
import { standardize } from '../../ts/data/standardize.ts'
import { takeRows } from '../../ts/data/tensor.ts'
import { exact } from '../../ts/methods/exact.ts'
import { bilevel } from '../../ts/problems/bilevel.ts'
import { penalty, weightNetwork } from '../../ts/problems/blocks.ts'
import { linearRegression, softmaxRegression } from '../../ts/problems/model.ts'
import { quadratic } from '../../ts/problems/quadratic.ts'
import { reweighting } from '../../ts/problems/reweighting.ts'
import { hypergradient } from '../../ts/run/hypergradient.ts'
import { Classifier } from '../../ts/tasks/classifier.ts'
import { cleanLabels } from '../../ts/tasks/cleanLabels/cleanLabels.ts'
import { distill } from '../../ts/tasks/distill/distill.ts'
import { valueData } from '../../ts/tasks/influence/influence.ts'
import { Regressor } from '../../ts/tasks/tuneRegularization/regressor.ts'
import { tuneRegularization } from '../../ts/tasks/tuneRegularization/tuneRegularization.ts'
import { refuses } from '../support/errors.ts'
import { Random } from '../support/random.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('matrices')

/** [1 2 3; 4 5 6]. */
const six = [1, 2, 3, 4, 5, 6]
const rows = [
  [1, 2, 3],
  [4, 5, 6],
]
const embeddings = new FixedSizeList(3, new Field('item', new Float32()))

/** A table with rows of numbers as lists. */
function listTable(lists: readonly (readonly (number | null)[] | null)[], type = embeddings): Table {
  const builder = makeBuilder({ type, nullValues: [null] })
  for (const list of lists) builder.append(list as never)
  return tableOf({ e: builder.finish().toVector() })
}

function tableOf(columns: Record<string, Vector>): Table {
  return new Table(columns)
}

/** Two batches, the second of which is cut from a longer one. */
function inBatches(): Table {
  const schema = new Schema(['a', 'b', 'c'].map((name) => new Field(name, new Float64(), true)))
  const batch = (a: number[], b: number[], c: number[]) => {
    const children = [a, b, c].map((values) => vectorFromArray(values, new Float64()).data[0])
    const type = new Struct(schema.fields)
    return new RecordBatch(schema, makeData({ type, length: a.length, children }))
  }
  return new Table(schema, [batch([9, 1], [9, 2], [9, 3]), batch([4, 9], [5, 9], [6, 9])]).slice(1, 3)
}

/** A tensor as Transformers.js has it: a proxy, whose properties are those of its class. */
class ProxiedTensor {
  readonly #dims: readonly number[]
  readonly #data: Float32Array

  constructor(data: Float32Array, dims: readonly number[]) {
    this.#data = data
    this.#dims = dims
    // biome-ignore lint/correctness/noConstructorReturn: as there
    return new Proxy(this, {
      get: (tensor, key) => (key === '0' ? tensor : Reflect.get(tensor, key, tensor)),
    })
  }

  get dims() {
    return this.#dims
  }

  get data() {
    return this.#data
  }

  stride(): number[] {
    return [3, 1]
  }
}

const forms: Record<string, MatrixLike> = {
  'a tensor of Transformers.js': new ProxiedTensor(Float32Array.from(six), [2, 3]),
  'a matrix of the library': matrix(Float32Array.from(six), 2, 3),
  'a tensor with dims, as of ONNX Runtime': {
    type: 'float32',
    data: Float32Array.from(six),
    dims: [2, 3],
  } as never,
  'a tensor of 64-bit integers': { data: BigInt64Array.from(six.map(BigInt)), dims: [2, 3] },
  'a tensor of half precision in its bits': {
    type: 'float16',
    data: Uint16Array.of(0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600),
    dims: [2, 3],
  } as never,
  'a tensor with a shape': { data: Int8Array.from(six), shape: [2, 3] },
  'a tensor with a shape in a typed array': { data: six, shape: Int32Array.of(2, 3) } as never,
  'a tensor of three dimensions': { data: Float32Array.from(six), dims: [2, 1, 3] },
  'an ndarray': { data: Float64Array.from(six), shape: [2, 3], stride: [3, 1], offset: 0 },
  'a transposed ndarray': {
    data: Float32Array.of(1, 4, 2, 5, 3, 6),
    shape: [2, 3],
    stride: [1, 2],
    offset: 0,
  },
  'a part of an ndarray': {
    data: Float32Array.of(0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6),
    shape: [2, 3],
    stride: [6, 2],
    offset: 2,
  },
  'an ndarray in reverse': {
    data: Float32Array.of(6, 5, 4, 3, 2, 1),
    shape: [2, 3],
    stride: [-3, -1],
    offset: 5,
  },
  'a matrix of ml-matrix': new MlMatrix(rows),
  'a view of ml-matrix': new MatrixTransposeView(new MlMatrix(rows).transpose()),
  'an array of arrays': rows,
  'an array of typed arrays': rows.map((row) => Float32Array.from(row)),
  'a table of columns': tableFromArrays({
    a: Float32Array.of(1, 4),
    b: Float64Array.of(2, 5),
    c: Int32Array.of(3, 6),
  }),
  'a table of several batches, sliced': inBatches(),
  'a table of lists': listTable(rows),
  'a table of lists, sliced': listTable([[9, 9, 9], ...rows, [9, 9, 9]]).slice(1, 3),
  'a table of lists in several batches': listTable(rows.slice(0, 1)).concat(listTable(rows.slice(1))),
  'a column beside lists': tableOf({
    a: vectorFromArray([1n, 4n], new Int64()),
    e: listTable(
      rows.map((row) => row.slice(1)),
      new FixedSizeList(2, new Field('item', new Float64())) as never,
    ).getChild('e') as Vector,
  }),
  'columns of half precision': tableOf({
    a: vectorFromArray([1, 4], new Float16()),
    b: vectorFromArray([2, 5], new Float16()),
    c: vectorFromArray([3, 6], new Float16()),
  }),
}

for (const [name, form] of Object.entries(forms)) {
  test(`toMatrix: ${name}`, () => {
    const { data, rows, columns, scale = 1 } = toMatrix(form)
    assert.equal([rows, columns, scale], [2, 3, 1])
    assert.equal(Array.from(data), six)
  })
}

test('types are kept where the kernels read them', () => {
  const typeOf = (value: MatrixLike) => toMatrix(value).data.constructor
  const bytes = Uint8Array.from(six)
  assert.is(toMatrix({ data: bytes, dims: [2, 3] }).data, bytes)
  assert.is(typeOf({ data: Uint8ClampedArray.from(six), dims: [2, 3] }), Uint8Array)
  assert.is(typeOf({ data: Int16Array.from(six), dims: [2, 3] }), Float32Array)
  assert.is(typeOf({ data: Int32Array.from(six), dims: [2, 3] }), Float64Array)
  assert.is(typeOf([Uint8Array.of(1, 2), Uint8Array.of(3, 4)]), Uint8Array)
  assert.is(typeOf([Uint8Array.of(1, 2), Float32Array.of(0.5, 4)]), Float64Array)
  assert.is(typeOf(listTable(rows)), Float32Array)
  assert.is(typeOf(tableFromArrays({ a: Float64Array.of(0.1, 0.2) })), Float64Array)
  assert.equal(Array.from(toMatrix(tableFromArrays({ a: [true, false] })).data), [1, 0])
})

const inf = Number.POSITIVE_INFINITY
const bad: Record<string, [ErrorCode, unknown]> = {
  'no matrix': ['ERR_RANGE', 'matrix'],
  'a function': ['ERR_RANGE', () => six],
  nothing: ['ERR_SHAPE', []],
  'rows without numbers': ['ERR_SHAPE', [[], []]],
  'rows of different lengths': ['ERR_SHAPE', [[1, 2], [3]]],
  'numbers beside rows': ['ERR_DTYPE', [[1, 2], 3]],
  'text in a row': ['ERR_DTYPE', [[1, 'a']]],
  'a hole in a row': ['ERR_DATA', [[1, null]]],
  'a list of numbers': ['ERR_DTYPE', [1, 2, 3]],
  'one dimension': ['ERR_SHAPE', { data: Float32Array.of(1, 2), dims: [2] }],
  'a dimension of nothing': ['ERR_SHAPE', { data: new Float32Array(), dims: [0, 3] }],
  'too few numbers': ['ERR_SHAPE', { data: Float32Array.of(1, 2, 3), dims: [2, 2] }],
  'a shape that is no array': ['ERR_SHAPE', { data: Float32Array.of(1, 2), shape: 2 }],
  'a negative dimension': ['ERR_RANGE', { data: Float32Array.of(1, 2), shape: [-1, -2] }],
  'a tensor of text': ['ERR_DTYPE', { data: ['a', 'b'], dims: [2, 1] }],
  'a tensor whose numbers have to be awaited': ['ERR_DTYPE', { data: () => six, shape: [2, 3] }],
  'a tensor on the GPU': [
    'ERR_DTYPE',
    {
      dims: [1, 1],
      get data() {
        throw new Error('The data is not on CPU.')
      },
    },
  ],
  'integers that are not exact': ['ERR_DATA', { data: BigInt64Array.of(2n ** 60n), dims: [1, 1] }],
  'strides beyond the data': [
    'ERR_SHAPE',
    { data: new Float32Array(6), shape: [2, 3], stride: [3, 1], offset: 1 },
  ],
  'strides before the data': [
    'ERR_SHAPE',
    { data: new Float32Array(6), shape: [2, 3], stride: [-3, 1], offset: 0 },
  ],
  'strides that are no array': [
    'ERR_SHAPE',
    { data: new Float32Array(12), shape: [2, 3], stride: 3, offset: 0 },
  ],
  'too few strides': ['ERR_SHAPE', { data: new Float32Array(6), shape: [2, 3], stride: [3], offset: 0 }],
  'an infinite stride': [
    'ERR_SHAPE',
    { data: new Float32Array(6), shape: [2, 3], stride: [inf, 1], offset: 0 },
  ],
  'a null in a column': ['ERR_DATA', tableFromArrays({ a: [1, null, 3] })],
  'a null in a list': ['ERR_DATA', listTable([[1, null, 3]])],
  'a null for a list': ['ERR_DATA', listTable([[1, 2, 3], null])],
  'text in a column': ['ERR_DTYPE', tableOf({ kind: vectorFromArray(['cat', 'dog'], new Utf8()) })],
  'decimals in a column': [
    'ERR_DTYPE',
    tableOf({ price: vectorFromArray([Uint32Array.of(1, 0, 0, 0)], new Decimal(2, 10)) }),
  ],
  'a table without rows': ['ERR_SHAPE', tableFromArrays({ a: new Float32Array() })],
}

for (const [name, [code, value]] of Object.entries(bad)) {
  test(`toMatrix: ${name}`, () => refuses(code, 'own(.shape)?', () => toMatrix(value as MatrixLike, 'own')))
}

/** A matrix in each of these forms. */
function alike({ data, rows, columns }: Matrix): MatrixLike[] {
  const all = Array.from({ length: rows }, (_, i) =>
    Array.from(data.subarray(i * columns, (i + 1) * columns)),
  )
  return [
    { data, dims: [rows, columns] },
    { data, shape: [rows, columns], stride: [columns, 1], offset: 0 },
    all,
    new MlMatrix(all),
    listTable(all, new FixedSizeList(columns, new Field('item', new Float64())) as never),
  ]
}

const random = new Random(4)
const features = matrix(random.normals(60), 20, 3)
const labels = Array.from({ length: 20 }, (_, i) => i % 2)

test('every place that takes a matrix takes all of its kinds', async ({ backend }) => {
  const model = softmaxRegression({ classes: 2 })
  const of = async (form: MatrixLike) => {
    const set = { features: form, labels }
    const targets = { features: form, targets: form }
    const weights = weightNetwork({ signals: form })
    const problems = [
      reweighting({ backend, model, train: set, trusted: set, weighting: 'perSample', dtype: 'f64' }),
      bilevel({ backend, model, train: set, validation: set, hyperparameters: { weights }, dtype: 'f64' }),
      bilevel({
        backend,
        model: linearRegression({ outputs: 3 }),
        train: targets,
        validation: targets,
        hyperparameters: { strength: penalty({ per: 'all' }) },
      }),
    ]
    const found = []
    for (const problem of problems) {
      const { inner, outer } = problem.start(1)
      const estimate = await hypergradient(problem, {
        inner: inner.readF64(),
        outer: outer.readF64(),
        method: exact(),
      })
      found.push(Array.from(estimate.hypergradient))
    }
    const classifier = new Classifier(
      backend,
      2,
      3,
      Float64Array.from({ length: 8 }, (_, k) => Math.sin(k)),
    )
    const regressor = new Regressor(3, 1, Float64Array.of(1, -2, 3, 0.5))
    const columns = standardize(form)
    const tuned = { backend, features: form, targets: form, folds: 2, penalty: { power: 2 } }
    const samples = { backend, model, train: set, test: set }
    const small = { backend, features: form, labels, test: set, outerSteps: 1, compare: false }
    return [
      found,
      Array.from(regressor.predict(form)),
      (await tuneRegularization(tuned)).losses.chosen.value,
      Array.from((await valueData(samples)).values),
      Array.from((await distill(small)).features.data),
      Array.from(classifier.probabilities(form)),
      Array.from(columns.features.data),
      Array.from(takeRows(form, [3, 1]).data),
    ]
  }
  const expected = await of(features)
  for (const form of alike(features)) assert.equal(await of(form), expected)
})

test('matrices beside others: H of a quadratic, and transitions', async ({ backend }) => {
  const of = (h: ArrayLike<number> | MatrixLike) =>
    quadratic({ backend, h, c: [[1], [0]], c0: [0, 1], q: [1, 0, 0, 1], t: [1, 1], mu: 0.1 })
  const at = { inner: [0, 0], outer: [1], method: exact() }
  const [flat, nested] = [[2, 0.5, 0.5, 1], [[2, 0.5], [0.5, 1]]] // biome-ignore format: two short ones
  const expected = await hypergradient(of(flat), at)
  assert.equal((await hypergradient(of(nested), at)).hypergradient, expected.hypergradient)
  await refuses('ERR_SHAPE', 'h', () => of([[2, 0.5], [0.5]]))
})

test('labels of a table, of a tensor and of 64-bit integers', async ({ backend }) => {
  const column = vectorFromArray(labels, new Int32())
  const model = softmaxRegression({ classes: 2 })
  const of = async (labels: ArrayLike<number>) => {
    const set = { features, labels }
    const problem = reweighting({ backend, model, train: set, trusted: set })
    const { inner, outer } = problem.start(1)
    const at = { inner: inner.readF32(), outer: outer.readF32() }
    return (await hypergradient(problem, { ...at, method: exact() })).hypergradient
  }
  const expected = await of(labels)
  const kinds: unknown[] = [
    column,
    vectorFromArray([9, ...labels], new Int32()).slice(1),
    vectorFromArray(labels.map(BigInt), new Int64()),
    BigInt64Array.from(labels.map(BigInt)),
    { data: Uint8Array.from(labels), dims: [20] },
  ]
  for (const kind of kinds) assert.equal(await of(kind as number[]), expected)
  const withNull = vectorFromArray([null, ...labels.slice(1)], new Int32())
  await refuses('ERR_DATA', 'labels', () => of(withNull as never))
  const words = vectorFromArray(['dog', 'cat', 'dog'], new Dictionary(new Utf8(), new Int32()))
  assert.equal(encodeLabels(words as never), { labels: Int32Array.of(1, 0, 1), names: ['cat', 'dog'] })
  assert.equal(encodeLabels(BigInt64Array.of(7n, 5n) as never).names, ['5', '7'])
  assert.equal(encodeLabels(vectorFromArray([true, false], new Bool()) as never).names, ['false', 'true'])
})

test('cleanLabels takes features and probabilities of all kinds', async ({ backend }) => {
  const [n, columns] = [60, 3]
  const data = random.normals(n * columns)
  const labels = Array.from({ length: n }, (_, i) => Number(data[i * columns] > 0) ^ Number(i % 9 === 0))
  const p = Array.from({ length: n }, (_, i) => 1 / (1 + Math.exp(-data[i * columns])))
  const predicted = matrix(Float64Array.from(p.flatMap((p) => [1 - p, p])), n, 2)
  const of = async (features: MatrixLike, predictedProbabilities: MatrixLike) =>
    (await cleanLabels({ backend, features, labels, predictedProbabilities, seed: 1 })).scores
  const own = matrix(data, n, columns)
  const expected = await of(own, predicted)
  const others = alike(predicted)
  for (const [i, form] of alike(own).entries()) assert.equal(await of(form, others[i]), expected)
  const short = [[0.5, 0.5]]
  await refuses('ERR_SHAPE', 'predictedProbabilities', () => of(own, short))
  await refuses('ERR_DTYPE', 'features', () => of([['a']] as never, predicted))
})

test.run()
