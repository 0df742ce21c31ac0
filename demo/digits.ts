import { corruptLabels, type Noise, permutation, readNpz } from 'nhgd/data'
import { type Matrix, matrix, NhgdError } from 'nhgd/wasm'
import type { Samples } from './samples.ts'

const names = Array.from({ length: 10 }, (_, digit) => String(digit))
const seed = 1

/** The packed digits with noise on their labels; of `checked` random ones the truth is known. */
export async function readDigits(url: string, noise: Noise, checked: number): Promise<Samples> {
  const response = await fetch(url)
  if (!response.ok) throw new NhgdError('ERR_DATA', `"digits" expected ${url}, got ${response.status}`)
  const { x_train, y_train, x_test, y_test } = readNpz(new Uint8Array(await response.arrayBuffer()), 'digits')
  const [rows, height, width] = x_train.shape
  const columns = height * width
  const truth = Int32Array.from(y_train.data as Uint8Array)
  const data = x_train.data as Uint8Array
  const pixels = x_test.data as Uint8Array
  return {
    features: halved(data, rows, height, width),
    labels: corruptLabels(truth, 10, noise, seed),
    names,
    checks: new Map(
      Array.from(permutation(rows, seed + 1).subarray(0, checked), (row) => [
        row,
        { label: names[truth[row]], random: true },
      ]),
    ),
    pictures: { data, shape: [height, width] },
    truth,
    test: {
      features: halved(pixels, pixels.length / columns, height, width),
      labels: Int32Array.from(y_test.data as Uint8Array),
    },
  }
}

/** Pictures of half the height and width, by means of four pixels: a quarter of the work, and hardly less exact. */
function halved(pixels: Uint8Array, rows: number, height: number, width: number): Matrix {
  const columns = (height / 2) * (width / 2)
  const means = new Uint8Array(rows * columns)
  for (let i = 0; i < means.length; i++) {
    const from = 4 * i - 2 * (i % (width / 2)) // the first of two pixels, in the first of two lines
    means[i] = (pixels[from] + pixels[from + 1] + pixels[from + width] + pixels[from + width + 1]) / 4
  }
  return matrix(means, rows, columns)
}
