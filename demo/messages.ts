import type { Noise } from 'nhgd/data'
import type { MethodName } from './methods.ts'

/** Where the samples come from. */
export type Source =
  | { readonly kind: 'digits'; readonly url: string; readonly noise: Noise; readonly trusted: number }
  | {
      readonly kind: 'own'
      readonly features: File
      /** The features file where absent. */
      readonly labels?: File
      /** The column that holds the labels, in CSV. */
      readonly label: string
      readonly trusted: File | string
    }

export interface Order {
  readonly source: Source
  readonly method: MethodName
  readonly steps: number
  readonly seed: number
}

/** From the page to its worker. */
export type Command =
  | { readonly kind: 'start'; readonly order: Order }
  | { readonly kind: 'stop' }
  | { readonly kind: 'resume' }
  | { readonly kind: 'issues' }

/** From the worker to its page. */
export type Report =
  | { readonly kind: 'began'; readonly facts: Facts }
  | { readonly kind: 'snapshot'; readonly snapshot: Snapshot }
  | { readonly kind: 'stopped' }
  | { readonly kind: 'ended'; readonly advice: string; readonly good: boolean }
  | { readonly kind: 'issues'; readonly csv: string }
  | { readonly kind: 'failed'; readonly message: string }

/** What is known before the first outer step. */
export interface Facts {
  readonly samples: number
  readonly trusted: number
  readonly classes: number
  /** Of a model that believes every label, on the test samples. */
  readonly baseline?: number
}

/** A run after one of its outer steps. */
export interface Snapshot {
  readonly step: number
  readonly outerLoss: number
  /** On the test samples, where there are some. */
  readonly accuracy?: number
  /** Of the ranking, where the truth is known. */
  readonly auc?: number
  readonly histogram: readonly Group[]
  readonly suspects: readonly Suspect[]
  readonly imageShape?: readonly [height: number, width: number]
}

/** How the weights of some samples are distributed. */
export interface Group {
  readonly name: string
  /** In each of equal parts of [0, 1], in per cent of the group. */
  readonly shares: readonly number[]
}

/** A sample whose label is doubted. */
export interface Suspect {
  readonly row: number
  readonly given: string
  readonly suggested: string
  /** 0 to 1. */
  readonly weight: number
  readonly truth?: string
  /** Grey values, 0 to 255. */
  readonly pixels?: Uint8Array
}
