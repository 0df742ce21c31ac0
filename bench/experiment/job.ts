import type { Counts } from './count.ts'
import type { Cell } from './data.ts'

/** What to run. */
export interface Job {
  readonly cell: Cell
  /** Of the grid, or a simple rival. */
  readonly method: string
  /** Which of the grid's candidates. */
  readonly candidate: number
  readonly seed: number
  /** Seconds of {@link Job.clock}. */
  readonly budget: number
  /** Wall time, or time of all threads. */
  readonly clock: 'wall' | 'cpu'
  readonly fashion: string
}

/** One evaluation during a run. Times leave the evaluations out. */
export interface Look {
  readonly step: number
  readonly wall: number
  readonly cpu: number
  readonly f: number
  readonly accuracy: number
  /** Samples that oracles were asked about. */
  readonly samples: number
}

/** The result of a run. NaN becomes null. */
export interface Run {
  readonly dataset: string
  readonly noise: number
  readonly kind: string
  readonly trusted: number
  readonly weighting: string
  readonly method: string
  readonly candidate: number
  readonly seed: number
  /** Seconds of {@link Job.clock}, null if the threshold was not reached. */
  readonly secondsTo: {
    readonly f: Record<string, number | null>
    readonly accuracy: Record<string, number | null>
  }
  readonly accuracy: number
  readonly f1: number
  readonly auc: number
  readonly outerLoss: number
  readonly calls: Counts | null
  readonly steps: number
  readonly status: string
  readonly wall: number
  readonly cpu: number
  /** Bytes. */
  readonly peakMemory: number
  readonly curve: readonly Look[]
}

export const thresholds = { f: ['0.35', '0.32', '0.30', '0.28'], accuracy: ['0.90', '0.91', '0.915'] }
