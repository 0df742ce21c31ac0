import { writeCsv } from 'nhgd/data'
import { type CleanLabelsResult, rankingColumns } from 'nhgd/wasm'
import type { Checks } from './messages.ts'

/** The file that `nhgd review` writes and `nhgd clean --checked` takes. */
export function checkedCsv(checks: Checks): string {
  return writeCsv({
    row: [...checks.keys()],
    label: Array.from(checks.values(), ({ label }) => label ?? 'wrong'),
    random: Array.from(checks.values(), ({ random }) => random),
  })
}

/** The file that `nhgd clean --out` writes. */
export function issuesCsv(
  result: Pick<CleanLabelsResult, 'ranking' | 'suggested' | 'weights' | 'scores'>,
  labels: Int32Array,
  names: readonly string[],
): string {
  const columns = rankingColumns(result, { labels, names })
  const digits = (numbers: Float64Array) => Array.from(numbers, (x) => x.toFixed(6))
  const [weight, score] = [columns.weight, columns.score].map(digits)
  return writeCsv({ ...columns, weight, score })
}
