/** What a method reached; unknown figures are absent. */
export interface MethodResult {
  readonly name: string
  /** On test samples, 0 to 1. */
  readonly accuracy?: number
  /** Of the score that tells wrong labels from right ones. */
  readonly auc?: number
  readonly precision?: number
  readonly recall?: number
  readonly f1?: number
  readonly seconds?: number
  /** Whether it uses what no method could know, such as the true labels; it is shown but never called the best. */
  readonly oracle?: boolean
}

/** Values by outer step. */
export interface Curve {
  readonly name: string
  /** One for each of the report's `steps`; NaN where it wasn't measured. */
  readonly values: ArrayLike<number>
}

/** Curves that share an axis. */
export interface Chart {
  readonly title: string
  readonly curves: readonly Curve[]
  /** For values that span orders of magnitude and are positive. */
  readonly logarithmic?: boolean
}

/** A sample whose label is doubted. */
export interface SuspectLabel {
  /** Its row in the data set. */
  readonly index: number
  readonly given: string
  readonly suggested: string
  /** How likely the given label is wrong, 0 to 1. */
  readonly score: number
  /** Where it is known. */
  readonly truth?: string
  /** Grey values, height × width; bytes are 0 black to 255 white, other numbers are stretched over their range. */
  readonly pixels?: ArrayLike<number>
  /** What the sample is, in words: its name or some of its features. */
  readonly shown?: string
}

/** How often a label is given where another one is suggested. */
export interface Confusion {
  readonly given: string
  readonly suggested: string
  readonly count: number
}

/** Everything a report on a run of label cleaning shows; empty parts are left out of it. */
export interface CleaningReport {
  readonly title: string
  /** What was found, in sentences. */
  readonly summary?: readonly string[]
  /** Pairs of a given and a suggested label, the most frequent first. */
  readonly confusions?: readonly Confusion[]
  /** Samples, classes, trusted samples, labels doubted, … */
  readonly facts?: Readonly<Record<string, string | number>>
  readonly methods?: readonly MethodResult[]
  /** Outer steps at which the curves were taken. */
  readonly steps?: ArrayLike<number>
  readonly charts?: readonly Chart[]
  /** Outer step at which over-fitting began. */
  readonly overfitting?: number
  /** Weight of each sample (0 to 1) and, where the truth is known, whether its label is wrong. */
  readonly weights?: { readonly values: ArrayLike<number>; readonly wrong?: ArrayLike<boolean | number> }
  /** Worst first. */
  readonly suspects?: readonly SuspectLabel[]
  readonly imageShape?: readonly [height: number, width: number]
  /** Seconds by phase. */
  readonly phases?: Readonly<Record<string, number>>
  /** Backend, SIMD level, threads, versions. */
  readonly environment?: Readonly<Record<string, string | number>>
  readonly settings?: Readonly<Record<string, unknown>>
  /** The command that repeats the run. */
  readonly command?: string
}
