import type { Suspect } from './messages.ts'

const quote = (text: string) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text)

/** The file that `nhgd clean --out` writes. */
export function issuesCsv(issues: Iterable<Suspect & { readonly score: number }>): string {
  const lines = ['index,given,suggested,weight,score,rank']
  for (const { row, given, suggested, weight, score } of issues) {
    lines.push(
      [row, quote(given), quote(suggested), weight.toFixed(6), score.toFixed(6), lines.length].join(),
    )
  }
  return `${lines.join('\n')}\n`
}
