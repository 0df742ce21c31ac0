import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { upload } from '../../ts/backend/backend.ts'
import { loadBackend } from '../../ts/backend/load.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import {
  cleaningSplit,
  type DigitSet,
  loadMnist,
  type Mnist,
  readFeatures,
  readLabels,
} from '../../ts/data/index.ts'
import type { CleaningCase } from '../../ts/tasks/cleanLabels/rivals.ts'

/** Where Debian's package dataset-fashion-mnist puts its files. */
export const debianFashion = '/usr/share/datasets/fashion-mnist'

/** What is cleaned. */
export interface Cell {
  readonly dataset: 'mnist' | 'fashion'
  /** Share of the labels that are replaced, and how. */
  readonly noise: number
  readonly kind: 'uniform' | 'pair'
  readonly trusted: number
  readonly train: number
  readonly weighting: 'perSample' | 'margin'
}

export async function loadCase(cell: Cell, seed: number, fashion: string): Promise<CleaningCase> {
  const { train, test } = cell.dataset === 'mnist' ? await loadMnist() : await loadFashion(fashion)
  const backend = await loadBackend()
  const split = cleaningSplit(train.labels, {
    classes: 10,
    trainSize: cell.train,
    trustedSize: cell.trusted,
    noise: { kind: cell.kind, rate: cell.noise },
    seed,
  })
  const rows = Uint32Array.from(split.train)
  const trusted = Uint32Array.from(split.trusted)
  return {
    backend,
    features: upload(backend, train.features),
    classes: 10,
    rows,
    given: Int32Array.from(rows, (row) => split.given[row]),
    truth: Int32Array.from(rows, (row) => train.labels[row]),
    trusted,
    trustedLabels: Int32Array.from(trusted, (row) => train.labels[row]),
    test: { features: upload(backend, test.features), labels: test.labels },
  }
}

/** Says what is missing, or nothing. */
export function missing({ dataset }: Pick<Cell, 'dataset'>, fashion: string): string | undefined {
  if (dataset === 'mnist' || existsSync(fileOf(fashion, 'train-images-idx3'))) return undefined
  return `Fashion-MNIST is not in ${fashion}: install Debian's package dataset-fashion-mnist, or say where with --fashion DIR`
}

export async function loadFashion(folder: string): Promise<Mnist> {
  const set = async (name: string): Promise<DigitSet> => {
    const { data, rows, columns } = (await readFeatures(fileOf(folder, `${name}-images-idx3`))).features
    const { labels } = await readLabels(fileOf(folder, `${name}-labels-idx1`))
    return { features: matrix(data, rows, columns, 1 / 255), labels }
  }
  return { train: await set('train'), test: await set('t10k') }
}

function fileOf(folder: string, name: string): string {
  const plain = join(folder, `${name}-ubyte`)
  return existsSync(plain) ? plain : `${plain}.gz`
}
