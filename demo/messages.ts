import type { Noise } from 'nhgd/data'

/** Where the samples come from. */
export type Source =
  | { readonly kind: 'digits'; readonly url: string; readonly noise: Noise; readonly checked: number }
  | {
      readonly kind: 'own'
      readonly features: File
      /** The features file where absent. */
      readonly labels?: File
      /** The column that holds the labels, in CSV. */
      readonly label: string
      /** Rows that somebody checked: a file, or rows whose labels are right, such as `0-89, 120`. */
      readonly checked: File | string
    }

/** What a person found of a row. */
export interface Check {
  /** The true label, or `null` where the given one is wrong and nobody knows what is right. */
  readonly label: string | null
  /** Whether the row was drawn at random. */
  readonly random: boolean
}

/** What a person found, by row. */
export type Checks = ReadonlyMap<number, Check>

/** From the page to its worker: first the source, then, when the data were read, what is known of them. */
export type Command =
  | { readonly kind: 'read'; readonly source: Source }
  | { readonly kind: 'clean'; readonly checks: Checks }
  | { readonly kind: 'issues' }

/** From the worker to its page. */
export type Report =
  | { readonly kind: 'read'; readonly facts: Facts }
  | { readonly kind: 'progress'; readonly step: number; readonly steps: number }
  | { readonly kind: 'found'; readonly findings: Findings }
  | { readonly kind: 'issues'; readonly csv: string }
  | { readonly kind: 'failed'; readonly message: string }

/** What is known of the data before a run. */
export interface Facts {
  readonly rows: number
  readonly names: readonly string[]
  /** Tells these data, with these labels, from others. */
  readonly fingerprint: string
  /** What came with the data. */
  readonly checks: Checks
}

/** What a run found. */
export interface Findings {
  /** In sentences. */
  readonly summary: readonly string[]
  readonly warnings: readonly string[]
  /** The most doubtful labels, the most doubtful first. */
  readonly doubted: readonly Example[]
  /** Rows whose check would help most. */
  readonly helpful: readonly Example[]
  readonly imageShape?: readonly [height: number, width: number]
  readonly checked: number
}

/** A row and its label. */
export interface Example {
  readonly row: number
  readonly given: string
  readonly suggested: string
  /** How likely the given label is wrong, 0 to 1. */
  readonly score: number
  readonly truth?: string
  /** Whether it is shown since it was drawn at random. */
  readonly random: boolean
  /** Grey values, 0 to 255. */
  readonly pixels?: Uint8Array
  /** The first features, where there is no picture. */
  readonly values?: string
}
