import type { CleanLabelsResult } from '../tasks/cleanLabels/cleanLabels.ts'
import { inSentences } from '../tasks/cleanLabels/inSentences.ts'
import type { Input } from './input.ts'

const shown = 10
const pairsShown = 20
const columnsShown = 8

/** Rows whose check tells most: those nearest to the border between right and wrong. */
export function worthChecking({ rows, scores }: CleanLabelsResult, count: number): number[] {
  const distance = (row: number) => Math.abs(scores[row] - 0.5)
  return Array.from(rows.toSorted((a, b) => distance(a) - distance(b) || a - b).subarray(0, count))
}

/** Pairs of a given and a suggested label among the doubted ones, the most frequent first. */
export function confusions({ issues }: CleanLabelsResult, { names }: Input) {
  const counts = new Map<string, { given: string; suggested: string; count: number }>()
  for (const issue of issues) {
    const pair = { given: names[issue.given], suggested: names[issue.suggested], count: 0 }
    const key = JSON.stringify([pair.given, pair.suggested])
    const known = counts.get(key) ?? pair
    known.count++
    counts.set(key, known)
  }
  return [...counts.values()].sort((a, b) => b.count - a.count).slice(0, pairsShown)
}

/** A row's name and its first features. */
export function inWords({ features, columns, ids }: Input, row: number): string {
  const { data, scale = 1 } = features
  const own = data.subarray(row * features.columns, (row + 1) * features.columns)
  const first = Array.from(
    own.subarray(0, columnsShown),
    (x, j) => `${columns?.[j] ?? j} ${Number((x * scale).toPrecision(4))}`,
  )
  return [...(ids ? [ids[row]] : []), ...first, ...(own.length > columnsShown ? ['…'] : [])].join(', ')
}

/** What a person wants to know of a run: what was found, which labels are the most doubtful, and what to do next. */
export function findings(
  result: CleanLabelsResult,
  input: Input,
  options: { suggestTrusted: number },
): string {
  const { issues, checked } = result
  const known = checked.rows.length > 0
  const lines = inSentences(result)
  if (issues.length > 0) lines.push('', 'The most doubtful (rows count from 0):', worst(result, input))
  const advice = known
    ? 'Next: check the rows that help most with "nhgd review", and run again with what you found.'
    : `Next: check labels with "nhgd review", or by hand: a CSV with the columns row and label, passed as --checked. These ${options.suggestTrusted} rows tell most:\n${worthChecking(result, options.suggestTrusted).join(' ')}`
  return [...lines, '', advice].join('\n')
}

/** The first ten as a table. */
function worst({ issues }: CleanLabelsResult, { names, ids }: Input): string {
  const header = ['row', ...(ids ? ['id'] : []), 'given', 'suggested', 'score']
  const cells = issues
    .slice(0, shown)
    .map(({ row, given, suggested, score }) => [
      String(row),
      ...(ids ? [ids[row]] : []),
      names[given],
      names[suggested],
      score.toFixed(2),
    ])
  const widths = header.map((title, j) => Math.max(title.length, ...cells.map((row) => row[j].length)))
  return [header, ...cells]
    .map((row) =>
      row
        .map((cell, j) => cell.padEnd(widths[j]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}
