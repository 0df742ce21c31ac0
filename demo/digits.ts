import { cleaningSplit, type Noise, readNpz } from 'nhgd/data'
import { matrix, NhgdError } from 'nhgd/wasm'
import { type Samples, usualScale } from './samples.ts'

const names = Array.from({ length: 10 }, (_, digit) => String(digit))

/** How many of the packed digits' training part may be trusted; the others are trained on. */
export const mostTrusted = 2000

/** The packed digits with noise on their labels; `trusted` of them keep their own. */
export async function readDigits(url: string, noise: Noise, trusted: number, seed: number): Promise<Samples> {
  const response = await fetch(url)
  if (!response.ok) throw new NhgdError('ERR_DATA', `"digits" expected ${url}, got ${response.status}`)
  const { x_train, y_train, x_test, y_test } = readNpz(new Uint8Array(await response.arrayBuffer()), 'digits')
  const [packed, height, width] = x_train.shape
  const columns = height * width
  const truth = Int32Array.from(y_train.data as Uint8Array)
  const split = cleaningSplit(truth, {
    classes: 10,
    trainSize: packed - mostTrusted,
    trustedSize: trusted,
    noise,
    seed,
  })
  // Images that are neither trained on nor trusted are left out.
  const rows = Int32Array.from([...split.train, ...split.trusted]).sort()
  const data = new Uint8Array(rows.length * columns)
  const all = x_train.data as Uint8Array
  for (const [i, row] of rows.entries())
    data.set(all.subarray(row * columns, (row + 1) * columns), i * columns)
  const isTrusted = new Set(split.trusted)
  const features = usualScale(matrix(data, rows.length, columns))
  const pixels = x_test.data as Uint8Array
  return {
    features,
    labels: rows.map((row) => split.given[row]),
    names,
    trusted: Uint32Array.from(rows.keys()).filter((i) => isTrusted.has(rows[i])),
    pictures: { data, shape: [height, width] },
    truth: rows.map((row) => truth[row]),
    test: {
      features: matrix(pixels, pixels.length / columns, columns, features.scale),
      labels: Int32Array.from(y_test.data as Uint8Array),
    },
  }
}
