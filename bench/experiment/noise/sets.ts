import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Matrix } from '../../../ts/backend/matrix.ts'
import { loadMnist, permutation, readFeatures, readLabels, takeRows } from '../../../ts/data/index.ts'
import { loadFashion } from '../data.ts'

/** A data set whose true labels are known. */
export interface LabelledData {
  readonly features: Matrix
  readonly truth: Int32Array
  /** Labels that came with the set, where its noise is real. */
  readonly given?: Int32Array
  readonly classes: number
  readonly test: { readonly features: Matrix; readonly labels: Int32Array }
}

const size = 30_000

/** `mnist`, `fashion` (its folder), or a folder with features, true (and given) labels, and the same of a test set, as NPY. */
export async function loadSet(name: string, folder: string | undefined, seed: number): Promise<LabelledData> {
  if (name === 'mnist' || name === 'fashion') {
    const { train, test } = name === 'mnist' ? await loadMnist() : await loadFashion(folder ?? '')
    const rows = permutation(train.labels.length, seed).slice(0, size)
    return {
      features: takeRows(train.features, rows),
      truth: rows.map((row) => train.labels[row]),
      classes: 10,
      test,
    }
  }
  const labels = async (file: string, names?: readonly string[]) =>
    readLabels(join(folder ?? name, `${file}.npy`), { names })
  const features = async (file: string) => (await readFeatures(join(folder ?? name, `${file}.npy`))).features
  const { labels: truth, names } = await labels('true')
  const given = existsSync(join(folder ?? name, 'given.npy'))
    ? (await labels('given', names)).labels
    : undefined
  return {
    features: await features('features'),
    truth,
    ...(given && { given }),
    classes: names.length,
    test: { features: await features('test_features'), labels: (await labels('test_true', names)).labels },
  }
}
