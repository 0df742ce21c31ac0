import { parseChecked, parseIndices, parseLabels, parseSet } from 'nhgd/data'
import { type Matrix, NhgdError } from 'nhgd/wasm'
import type { Checks, Source } from './messages.ts'
import type { Samples } from './samples.ts'

type Own = Source & { readonly kind: 'own' }

/** The visitor's files; nothing of them leaves the browser. */
export async function readOwnData(source: Own): Promise<Samples> {
  const file = await opened(source.features)
  const label = source.label || undefined
  const { labels: own, features, columns, imageShape } = parseSet(file, source.labels ? {} : { label })
  const given = source.labels ? parseLabels(await opened(source.labels), { label }) : own
  if (!given) throw new NhgdError('ERR_DATA', '"labels" expected a file or a column, got none')
  const { labels, names } = given
  if (labels.length !== features.rows) {
    throw new NhgdError('ERR_SHAPE', `"labels" expected ${features.rows}, one per row, got ${labels.length}`)
  }
  return {
    features,
    columns,
    labels,
    names,
    checks: await readChecks(source.checked, names, labels),
    ...(imageShape && { pictures: { data: greys(features), shape: imageShape } }),
  }
}

async function opened(file: File) {
  return { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) }
}

/** From `row,label` as `nhgd review` and this page write it, or from rows whose labels are right. */
async function readChecks(
  given: File | string,
  names: readonly string[],
  labels: Int32Array,
): Promise<Checks> {
  if (typeof given !== 'string' && /\.csv(\.gz)?$/i.test(given.name)) {
    const checked = parseChecked(await opened(given), { names, labels })
    const check = (i: number) => ({
      label: names[checked.labels[i]] ?? null,
      random: checked.random?.[i] ?? true,
    })
    return new Map(Array.from(checked.rows, (row, i) => [row, check(i)]))
  }
  const rows =
    typeof given === 'string' ? parseRows(given) : parseIndices(await opened(given), { as: 'checked' })
  const beyond = Array.from(rows).find((row) => row >= labels.length)
  if (beyond === undefined) {
    return new Map(Array.from(rows, (row) => [row, { label: names[labels[row]], random: true }]))
  }
  throw new NhgdError(
    'ERR_RANGE',
    `"checked" expected rows below ${labels.length}, counted from 0, got ${beyond}`,
  )
}

/** `0-89, 120` as row numbers. */
function parseRows(text: string): number[] {
  const parts = text.split(/[\s,;]+/).filter(Boolean)
  return parts.flatMap((part) => {
    const [, first, last = first] = /^(\d{1,9})(?:[-–](\d{1,9}))?$/.exec(part) ?? []
    const length = Number(last) - Number(first) + 1
    if (length > 0 && length <= 1e7) return Array.from({ length }, (_, i) => Number(first) + i)
    throw new NhgdError('ERR_RANGE', `"checked" expected row numbers such as 0-89, 120, got ${part}`)
  })
}

/** Any numbers as bytes, stretched over their range. */
function greys({ data }: Matrix): Uint8Array {
  if (data instanceof Uint8Array) return data
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]
  for (const x of data) [least, most] = [Math.min(least, x), Math.max(most, x)]
  return Uint8Array.from(data, (x) => Math.round((255 * (x - least)) / (most - least || 1)))
}
