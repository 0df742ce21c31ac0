import { is } from '../../backend/check.ts'
import type { CleanLabelsResult } from './options.ts'

type Found = Parameters<typeof inSentences>[0]

const found = is<Found>('a result of cleanLabels', (value) => {
  const { issues, rows, checked } = Object(value) as Partial<Found>
  return Array.isArray(issues) && rows !== undefined && checked?.rows !== undefined
})

/** About how many of the doubted labels are wrong: the sum of their scores. */
export function expectedWrong({ issues }: Pick<CleanLabelsResult, 'issues'>): number {
  return Math.round(issues.reduce((sum, { score }) => sum + score, 0))
}

/** What a run found, in sentences: how many labels look wrong, how many are, and how sure that is. */
export function inSentences(
  result: Pick<CleanLabelsResult, 'issues' | 'rows' | 'estimate' | 'checked'>,
): string[] {
  const { issues, rows, estimate, checked } = found('result', result)
  const some = `${issues.length} of ${rows.length} labels`
  if (checked.rows.length === 0) {
    const unknown = 'Nobody has checked enough labels to say how many are wrong.'
    return [`${some} disagree with models that never saw them. ${unknown}`]
  }
  const looks = `${some} look wrong, about ${expectedWrong(result)} of them really are.`
  if (!estimate) return [looks]
  const { wrong, precision, sample } = estimate
  const [count, low, high] = [wrong.count, wrong.low, wrong.high].map(Math.round)
  const by = sample.random
    ? `by the ${sample.rows} checked ones that were drawn at random`
    : `by your ${sample.rows} checks, if these are a fair sample`
  const percent = (share: number) => `${Math.round(100 * share)} %`
  return [
    looks,
    `Of all that nobody checked, about ${count} are wrong (between ${low} and ${high}, ${by}).`,
    ...(precision
      ? [`Of those that look wrong, ${percent(precision.low)} to ${percent(precision.high)} turn out wrong.`]
      : []),
  ]
}
