import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Matrix } from '../../ts/backend/matrix.ts'
import { cleaningSplit, loadMnist, type NumericArray, takeRows, writeNpy } from '../../ts/data/index.ts'
import type { Cell } from '../experiment/data.ts'

/** Writes the split that ours run on as NPY files, and returns their folder. */
export async function writeSplit({ noise, kind, train, trusted }: Cell, seed: number): Promise<string> {
  const mnist = await loadMnist()
  const truth = mnist.train.labels
  const split = cleaningSplit(truth, {
    classes: 10,
    trainSize: train,
    trustedSize: trusted,
    noise: { kind, rate: noise },
    seed,
  })
  const folder = fileURLToPath(new URL('../../build/python-data/', import.meta.url))
  mkdirSync(folder, { recursive: true })
  const array = (name: string, data: NumericArray, ...shape: number[]) =>
    writeFileSync(join(folder, `${name}.npy`), writeNpy({ data, shape }))
  const set = (name: string, { data, rows, columns }: Matrix, labels: Int32Array) => {
    array(name, data, rows, columns)
    array(`${name}Labels`, labels, rows)
  }
  const labelled = (labels: Int32Array, rows: Int32Array) => rows.map((row) => labels[row])
  set('train', takeRows(mnist.train.features, split.train), labelled(split.given, split.train))
  set('trusted', takeRows(mnist.train.features, split.trusted), labelled(truth, split.trusted))
  set('test', mnist.test.features, mnist.test.labels)
  array('truth', labelled(truth, split.train), train)
  return folder
}
