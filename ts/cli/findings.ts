import type { CleanLabelsResult } from '../tasks/cleanLabels/cleanLabels.ts'
import type { Input } from './input.ts'

const shown = 10

/** About how many of the doubted labels are wrong: the sum of their scores. */
export function expectedWrong({ issues }: CleanLabelsResult): number {
  return Math.round(issues.reduce((sum, { score }) => sum + score, 0))
}

/** Rows whose check tells most: those nearest to the border between right and wrong. */
export function worthChecking({ rows, scores }: CleanLabelsResult, count: number): number[] {
  const distance = (row: number) => Math.abs(scores[row] - 0.5)
  return Array.from(rows.toSorted((a, b) => distance(a) - distance(b) || a - b).subarray(0, count))
}

/** What a person wants to know of a run: how many labels look wrong, which most, and what to do next. */
export function findings(
  result: CleanLabelsResult,
  input: Input,
  options: { suggestTrusted: number },
): string {
  const { issues, rows, estimate, checked } = result
  const about = (x: number) => String(Math.round(x))
  const known = checked.rows.length > 0
  const lines = [
    known
      ? `${issues.length} of ${rows.length} labels look wrong, about ${expectedWrong(result)} of them really are.`
      : `${issues.length} of ${rows.length} labels disagree with models that never saw them.`,
  ]
  if (estimate) {
    const { count, low, high } = estimate.wrong
    lines.push(
      `Of all that nobody checked, about ${about(count)} are wrong (between ${about(low)} and ${about(high)}, by your ${checked.rows.length} checks, if these are a fair sample).`,
    )
  }
  if (estimate?.precision) {
    const { low, high } = estimate.precision
    lines.push(`Of those that look wrong, ${percent(low)} to ${percent(high)} turn out wrong.`)
  }
  if (issues.length > 0) lines.push('', 'The most doubtful (rows count from 0):', worst(result, input))
  const advice = known
    ? 'Next: check the rows that help most with "nhgd review", and run again with what you found.'
    : `Next: check labels with "nhgd review", or by hand: a CSV with the columns row and label, passed as --checked. These ${options.suggestTrusted} rows tell most:\n${worthChecking(result, options.suggestTrusted).join(' ')}`
  return [...lines, '', advice].join('\n')
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`
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
