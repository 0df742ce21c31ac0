import { closeSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type NumericArray, writeNpy } from '../../../ts/data/index.ts'
import { Random } from '../../harness/random.ts'

const [side, classes] = [28, 10]
const columns = side * side
/** Rows that are made at a time. */
const block = 1000
/** Share of the labels that are replaced by another class, and of the rows that are trusted. */
const [noise, trusted] = [0.3, 0.02]

/** Where the files of a set lie. */
export function filesOf(folder: string): Record<'features' | 'labels' | 'trusted', string> {
  const of = (name: string) => join(folder, name)
  return {
    features: of('features.npy'),
    labels: of('labels.npy'),
    trusted: of('trusted.npy'),
  }
}

/**
 * Writes grey pictures of ten classes, samples × 28 × 28 bytes: the picture of the class, dimmed, with noise on every pixel.
 * Labels are replaced at random but for those of the trusted rows, which are the first ones.
 */
export function writeSet(folder: string, samples: number, seed: number): void {
  const random = new Random(seed)
  const pictures = random.bytes(classes * columns)
  const paths = filesOf(folder)
  const file = openSync(paths.features, 'w')
  const truth = new Int32Array(samples)
  try {
    writeSync(file, header([samples, side, side]))
    for (let start = 0; start < samples; start += block) {
      const rows = Math.min(block, samples - start)
      const pixels = random.bytes(rows * columns)
      const drawn = random.whole(rows, classes)
      for (let i = 0; i < rows; i++) {
        truth[start + i] = drawn[i]
        for (let j = 0; j < columns; j++) {
          const at = i * columns + j
          pixels[at] = (pictures[drawn[i] * columns + j] >> 3) + ((7 * pixels[at]) >> 3)
        }
      }
      writeSync(file, pixels)
    }
  } finally {
    closeSync(file)
  }
  const known = Math.max(classes, Math.round(trusted * samples))
  const [replaced, shifts] = [random.shares(samples), random.whole(samples, classes - 1)]
  const labels = truth.map((y, i) => (i >= known && replaced[i] < noise ? (y + 1 + shifts[i]) % classes : y))
  writeArray(paths.labels, labels)
  writeArray(
    paths.trusted,
    Int32Array.from({ length: known }, (_, i) => i),
  )
}

/** The header of an NPY file of bytes: that of an empty array, with another shape in as much room. */
function header(shape: readonly number[]): Uint8Array {
  const empty = writeNpy({ data: new Uint8Array(0), shape: [0, ...shape.slice(1)] })
  const text = new TextDecoder('latin1').decode(empty).replace(/\(0,[^)]*\)(, } *)/, (found) => {
    return `(${shape.join(', ')}), }`.padEnd(found.length)
  })
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0))
}

function writeArray(path: string, data: NumericArray): void {
  const file = openSync(path, 'w')
  try {
    writeSync(file, writeNpy({ data, shape: [data.length] }))
  } finally {
    closeSync(file)
  }
}
