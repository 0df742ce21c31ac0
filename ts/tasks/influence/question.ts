import { Ranks } from '../../run/ranks.ts'
import { Control } from './control.ts'
import type { InfluenceControl, InfluenceOutcome, TestInfluence } from './options.ts'

/** What a question has so far of the test samples. */
export interface Judged {
  readonly tests: readonly TestInfluence[]
  /** Of each training sample, over these test samples. */
  readonly sums: Float64Array
  readonly residual?: number
}

/** What a question has of more test samples. */
export function joined(before: Judged, { tests, sums, residual }: Judged): Judged {
  const most = larger(before.residual, residual)
  return {
    tests: [...before.tests, ...tests],
    sums: before.sums.map((sum, row) => sum + sums[row]),
    ...(most !== undefined && { residual: most }),
  }
}

export const larger = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? (a ?? b) : Math.max(a, b)

/** How a question goes on, and whether its time is over on some rank, where it may end. */
export function asking({ communicator, signal, ...options }: InfluenceControl) {
  const ranks = new Ranks(communicator, signal)
  const control = new Control({ ...options, signal: ranks.signal })
  const isOver = async (mayEnd = true) => {
    await ranks.heed()
    return ranks.some(mayEnd && control.over)
  }
  return { ranks, control, isOver }
}

/** How a question ended. */
export function outcome(
  whole: boolean,
  residual: number | undefined,
  { seconds }: Control,
): InfluenceOutcome {
  return { status: whole ? 'done' : 'seconds', ...(residual !== undefined && { residual }), seconds }
}
