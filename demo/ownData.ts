import { parseIndices, parseLabels, parseSet, standardize } from 'nhgd/data'
import { type Matrix, NhgdError } from 'nhgd/wasm'
import type { Source } from './messages.ts'
import { type Samples, usualScale } from './samples.ts'

/** The visitor's files; nothing of them leaves the browser. */
export async function readOwnData(source: Source & { kind: 'own' }): Promise<Samples> {
  const file = await opened(source.features)
  const label = source.label || undefined
  const { labels: own, features, imageShape } = parseSet(file, source.labels ? {} : { label })
  const given = source.labels ? parseLabels(await opened(source.labels), { label }) : own
  if (!given) throw new NhgdError('ERR_DATA', '"labels" expected a file or a column, got none')
  const { labels, names } = given
  if (labels.length !== features.rows) {
    throw new NhgdError('ERR_SHAPE', `"labels" expected ${features.rows}, one per row, got ${labels.length}`)
  }
  const trusted =
    typeof source.trusted === 'string'
      ? parseRows(source.trusted)
      : parseIndices(await opened(source.trusted), { as: 'trusted' })
  return {
    // Pictures have one unit; other columns may each have their own.
    features: usualScale(imageShape ? features : standardize(features).features),
    labels,
    names,
    trusted: checkRows(trusted, features.rows),
    ...(imageShape && { pictures: { data: greys(features), shape: imageShape } }),
  }
}

async function opened(file: File) {
  return { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) }
}

/** `0-89, 120` as row numbers. */
function parseRows(text: string): number[] {
  const parts = text.split(/[\s,;]+/).filter(Boolean)
  return parts.flatMap((part) => {
    const [, first, last = first] = /^(\d{1,9})(?:[-–](\d{1,9}))?$/.exec(part) ?? []
    const length = Number(last) - Number(first) + 1
    if (length > 0 && length <= 1e7) return Array.from({ length }, (_, i) => Number(first) + i)
    throw new NhgdError('ERR_RANGE', `"trusted" expected row numbers such as 0-89, 120, got ${part}`)
  })
}

function checkRows(rows: ArrayLike<number>, count: number): Uint32Array {
  const known = new Set(Array.from(rows))
  const beyond = Array.from(known).find((row) => row >= count)
  if (beyond !== undefined) {
    throw new NhgdError('ERR_RANGE', `"trusted" expected rows below ${count}, counted from 0, got ${beyond}`)
  }
  if (known.size >= 4 && known.size < count) return Uint32Array.from(known).sort()
  throw new NhgdError('ERR_RANGE', `"trusted" expected 4 to ${count - 1} rows, got ${known.size}`)
}

/** Any numbers as bytes, stretched over their range. */
function greys({ data }: Matrix): Uint8Array {
  if (data instanceof Uint8Array) return data
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const x of data) [least, most] = [Math.min(least, x), Math.max(most, x)]
  return Uint8Array.from(data, (x) => Math.round((255 * (x - least)) / (most - least || 1)))
}
