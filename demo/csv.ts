import { isMissing } from '../ts/data/table.ts'
import type { Checks } from './messages.ts'

/** A text as it stands in CSV; one that says "missing" stands in quotes, since it means itself. */
const cell = (text: string) =>
  /[",;\t\n\r]/.test(text) || isMissing(text) ? `"${text.replaceAll('"', '""')}"` : text

const file = (lines: readonly (readonly (string | number | boolean)[])[]) =>
  `${lines.map((line) => line.map((entry) => cell(String(entry))).join()).join('\n')}\n`

/** The file that `nhgd review` writes and `nhgd clean --checked` takes. */
export function checkedCsv(checks: Checks): string {
  return file([['row', 'label'], ...Array.from(checks, ([row, label]) => [row, label ?? 'wrong'])])
}

/** The file that `nhgd clean --out` writes. */
export function issuesCsv(
  {
    ranking,
    labels,
    suggested,
    weights,
    scores,
  }: Record<'labels' | 'suggested', Int32Array> &
    Record<'weights' | 'scores', Float64Array> & { readonly ranking: Uint32Array },
  names: readonly string[],
): string {
  const lines = Array.from(ranking, (row, rank) => [
    row,
    names[labels[row]],
    names[suggested[row]],
    weights[row].toFixed(6),
    scores[row].toFixed(6),
    rank + 1,
    scores[row] > 0.5,
  ])
  return file([['row', 'given', 'suggested', 'weight', 'score', 'rank', 'doubted'], ...lines])
}
