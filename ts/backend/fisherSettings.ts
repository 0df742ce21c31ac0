/** Settings that every form reads. */
interface CommonSettings {
  /** Whose labels the gradients are taken at: as given (the default), drawn from the model, or all of them
   * (Gauss–Newton). */
  readonly statistic?: 'empirical' | 'sampled' | 'expected'
  /** λ ≥ 0, more than 0 where the regulariser has a zero, as it has at a free intercept; default 0.01. */
  readonly damping?: number
  /** Whether λ is in units of tr(F)/d, the mean eigenvalue of F; default false. */
  readonly relative?: boolean
}

/** Settings of the forms that forget: all but `samples`. */
interface SmoothedSettings extends CommonSettings {
  /** Forgetting factor β, 0 < β < 1, or the running average; default 0.99. */
  readonly smoothing?: number | 'average'
}

/** Settings of the forms that take rows. */
interface RowSettings extends SmoothedSettings {
  /** What it sees of a batch: its mean gradient, one random-sign sum of the gradients of its samples (the default), or
   * each of them. */
  readonly rows?: 'mean' | 'signed' | 'perSample'
}

/** A and F themselves: exact, d² numbers. */
export interface DenseSettings extends RowSettings {
  readonly form: 'dense'
  /** Whether D̃ is held (the default), or decays with the smoothing as the method is printed. */
  readonly start?: 'held' | 'decaying'
  /** Residual at which a solve stops; default 1e-10. */
  readonly tolerance?: number
}

/** The last rows. */
export interface WindowSettings extends RowSettings {
  readonly form: 'window'
  /** Whether D̃ is held (the default), or decays with the smoothing as the method is printed. */
  readonly start?: 'held' | 'decaying'
  /** Rows held, at least 1; default 256. */
  readonly length?: number
}

/** The factors of the last per-sample gradients. */
export interface SamplesSettings extends CommonSettings {
  readonly form: 'samples'
  /** Samples held, at least 1; default 256. */
  readonly samples?: number
  /** Residual at which a solve by conjugate gradients stops; default 1e-10. */
  readonly tolerance?: number
}

/** Kronecker factors of each layer. */
export interface KroneckerSettings extends SmoothedSettings {
  readonly form: 'kronecker'
  /** How damping enters a Kronecker product: exactly (the default), or split between the factors. */
  readonly kroneckerDamping?: 'joint' | 'split'
  /** Share of the old factors at a refresh, in [0, 1); default 0.5. */
  readonly keep?: number
}

/** The eigenbases of the Kronecker factors, with second moments of their own. */
export interface EigenKroneckerSettings extends SmoothedSettings {
  readonly form: 'eigenkronecker'
  /** Share of the old factors at a refresh, in [0, 1); default 0.5. */
  readonly keep?: number
  /** Observations from one eigenbasis to the next, at least 1; default 10. */
  readonly basisEvery?: number
}

/** The diagonal of F. */
export interface DiagonalSettings extends RowSettings {
  readonly form: 'diagonal'
}

/** A few directions by frequent directions. */
export interface SketchSettings extends RowSettings {
  readonly form: 'sketch'
  /** Directions that are kept, at least 1; default 256. */
  readonly rank?: number
}

/** Settings of an inverse Fisher: how A = (F + D̃)⁻¹ is represented, and what that form reads. */
export type FisherSettings =
  | DenseSettings
  | WindowSettings
  | SamplesSettings
  | KroneckerSettings
  | EigenKroneckerSettings
  | DiagonalSettings
  | SketchSettings
