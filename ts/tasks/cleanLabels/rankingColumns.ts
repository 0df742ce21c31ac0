import { checkOptions, is, numbers, refuse } from '../../backend/check.ts'
import type { CleanLabelsResult } from './options.ts'

export interface RankingColumnsOptions {
  /** The given class of each row. */
  readonly labels: ArrayLike<number>
  /** Names of the classes; numbers where absent. */
  readonly names?: readonly string[]
  /** What the user calls each row. */
  readonly ids?: readonly string[]
}

const texts = is<readonly string[]>('an array of texts', (value) => Array.isArray(value))

type Found = Parameters<typeof rankingColumns>[0]

const found = is<Found>('a result of cleanLabels', (value) => {
  const { ranking, suggested, weights, scores } = Object(value) as Partial<Found>
  return [ranking, suggested, weights, scores].every((list) => typeof list?.length === 'number')
})

/**
 * Every row that nobody checked, the most doubtful label first, as columns of equal length: `row`, `given`, `suggested`,
 * `weight`, `score`, `rank` from 1, `doubted`, and `id` where there are `ids`. `writeCsv` and apache-arrow's
 * `tableFromArrays` take them.
 *
 * @throws NhgdError `ERR_SHAPE` for fewer labels or ids than rows.
 */
export function rankingColumns(
  result: Pick<CleanLabelsResult, 'ranking' | 'suggested' | 'weights' | 'scores'> &
    Partial<Pick<CleanLabelsResult, 'threshold'>>,
  options: RankingColumnsOptions,
) {
  const { ranking, suggested, weights, scores, threshold = 0.5 } = found('result', result)
  const checks = { labels: numbers, names: texts, ids: texts }
  const { labels, names, ids } = checkOptions(options, checks, ['labels'])
  for (const [name, list] of Object.entries({ labels, ids })) {
    if (list && list.length !== scores.length) {
      refuse(name, `${scores.length}, one per row`, list.length, 'ERR_SHAPE')
    }
  }
  const classes = (of: ArrayLike<number>): Uint32Array | string[] =>
    names ? Array.from(ranking, (row) => names[of[row]]) : ranking.map((row) => of[row])
  return {
    row: ranking,
    given: classes(labels),
    suggested: classes(suggested),
    weight: Float64Array.from(ranking, (row) => weights[row]),
    score: Float64Array.from(ranking, (row) => scores[row]),
    rank: ranking.map((_, rank) => rank + 1),
    doubted: Array.from(ranking, (row) => scores[row] > threshold),
    ...(ids && { id: Array.from(ranking, (row) => ids[row]) as string[] }),
  }
}
