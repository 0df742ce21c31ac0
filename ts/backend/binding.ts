/**
 * What crosses the boundary: the one table that both bindings are made from (bindings/generate.mjs), and the types of
 * what they export. A class, method or function that is added here exists on both backends once the engine has it: a
 * constructor is `engine::Class::new`, a method its name in snake case, a function one of `engine::kernels`. Constructors
 * and static functions hand typed arrays over (`Vec<T>`), methods lend them (`&[T]`); the names of arguments stand in
 * errors, and their types are checked by ts/backend/signatures.ts, the same on both backends.
 *
 * Handles own what they hold: it is freed when they are collected, or at once by `dispose`.
 *
 * @module
 */

/** A whole number from 0 to 2⁵³ − 1, `usize` in the engine. */
export type Whole = number

/** A seed: a whole number from 0 to 2⁵³ − 1, `u64` in the engine. */
export type Seed = number

/** A number that is neither NaN nor infinite; plain `number`s may be both. */
export type Finite = number

/** Arrays that a call fills. */
export type Float32ArrayOut = Float32Array
export type Float64ArrayOut = Float64Array

/** An array on memory of the engine's. */
export type View = Uint8Array

/** What both bindings export; what is optional, the native one alone. Errors carry a stable `code`. */
export interface Binding {
  /** Version, SIMD level, BLAS, threads and target, as JSON. */
  info(): string
  /** What kernels chose by the caches of the machine, as JSON: for each choice its name, value and reason. */
  tuning?(): string
  /** What arguments each call takes, as JSON: see {@link signaturesOf}. */
  signatures(): string
  readonly Vector: new (length: Whole, dtype: DType) => Vector
  readonly Features: {
    u8(data: Uint8Array, rows: Whole, columns: Whole, scale: number): Features
    f32(data: Float32Array, rows: Whole, columns: Whole, scale: number): Features
    f64(data: Float64Array, rows: Whole, columns: Whole, scale: number): Features
    /** Numbers (`u8`, `f32` or `f64`) that lie in a file from the byte `offset` on, without a copy. */
    mapped?(
      mapping: Mapping,
      dtype: string,
      offset: Whole,
      rows: Whole,
      columns: Whole,
      scale: number,
    ): Features
  }
  /** Maps a regular file that is not empty into memory (`ERR_DATA`). */
  readonly Mapping?: { open(path: string): Mapping }
  readonly Samples: {
    new (features: Features, rows: Uint32Array | undefined, labels: Uint32Array): Samples
    /** `targets` are `columns` finite numbers per row, row-major. */
    withTargets(
      features: Features,
      rows: Uint32Array | undefined,
      targets: Float64Array,
      columns: Whole,
    ): Samples
  }
  readonly Batch: { all(samples: Whole): Batch; of(positions: Uint32Array): Batch }
  readonly Sampler: new (seed: Seed, samples: Whole) => Sampler
  readonly Step: new (length: Whole, dtype: DType) => Step
  readonly Optimizer: new (settings: string) => Optimizer
  readonly Point: new (inner: Vector, outer: Vector, signals: Vector) => Point
  readonly Problem: {
    /** Passes over many samples use up to `threads` threads. `weights` are those of the blocks of fixed weights, one after the other. */
    bilevel(
      settings: string,
      train: Samples,
      validation: Samples,
      threads: Whole,
      weights?: Float64Array,
    ): Oracles
    /** Differential equations: those of g and of f are rows of numbers. */
    physics(
      hidden: Uint32Array,
      dimensions: Whole,
      variable: boolean,
      regularization: Finite,
      mean: Float64Array,
      precision: Float64Array,
      inner: Float64Array,
      outer: Float64Array,
      threads: Whole,
    ): Oracles
    quadratic(
      dtype: DType,
      h: Float64Array,
      c: Float64Array,
      c0: Float64Array,
      q: Float64Array,
      t: Float64Array,
      mu: number,
    ): Oracles
  }
  readonly Predictor: new (model: string, threads: Whole) => Predictor
  readonly Transition: {
    /** `entries` is C × C, row-major, all positive (`ERR_SHAPE`, `ERR_RANGE`). */
    new (entries: Float64Array, classes: Whole): Transition
    /** Labels that are right with the probability `share`, and else any other class. */
    uniform(share: Finite, classes: Whole): Transition
  }
  readonly Fisher: new (
    parameters: Whole,
    layers: Uint32Array,
    regularizer: Vector,
    settings: string,
    concurrent: boolean,
  ) => FisherHandle
  readonly InverseUpdate: new (d: Whole, scale: number, dtype: DType, threads: Whole) => InverseUpdate
  gemm(m: Whole, n: Whole, k: Whole, alpha: Finite, a: Vector, b: Vector, beta: Finite, c: Vector): void
  syrk(n: Whole, k: Whole, alpha: Finite, a: Vector, beta: Finite, c: Vector): void
  /** C ← C + X diag(weights) Xᵀ, with X n × k. */
  weightedGram(n: Whole, k: Whole, x: Vector, weights: Vector, c: Vector): void
  symv(n: Whole, alpha: Finite, a: Vector, x: Vector, beta: Finite, y: Vector): void
  choleskySolve(n: Whole, k: Whole, a: Vector, b: Vector): void
  choleskyInverse(n: Whole, a: Vector, inverse: Vector): void
  symmetricEigen(n: Whole, a: Vector, values: Vector, vectors: Vector): void
  kroneckerSolve(
    n: Whole,
    k: Whole,
    aValues: Vector,
    aVectors: Vector,
    sValues: Vector,
    sVectors: Vector,
    damping: number,
    b: Vector,
  ): void
  perSampleGram(m: Whole, n: Whole, k: Whole, x: Vector, e: Vector, gram: Vector): void
  /** Coordinate descent on ½‖y − Bθ‖² + Σ_j (s_j/q) (θ_j² + smoothing)^(q/2); returns the sweeps taken. `rows` are the d
   * columns of B, each with `width` entries, and `rest` is y − Bθ; or, where `gram`, those of BᵀB and Bᵀ(y − Bθ). */
  descend(
    d: Whole,
    width: Whole,
    rows: Vector,
    gram: boolean,
    strengths: Vector,
    power: number,
    smoothing: number,
    theta: Vector,
    rest: Vector,
    settled: number,
    sweeps: Whole,
  ): Whole
  conjugateGradients(n: Whole, a: Vector, b: Vector, x: Vector, tolerance: number, steps: Whole): number
}

/** An object of a backend, which keeps what it holds until it is disposed of or collected. */
export interface Handle {
  /**
   * Frees what the handle holds, at once unless other objects use it: a problem keeps the features that it is made of. A
   * second call does nothing; any other use from then on is `ERR_DISPOSED`.
   */
  dispose(): void
  [Symbol.dispose](): void
}

/** A file that is mapped into memory: the system reads a page when somebody looks at it, and may drop it again. */
export interface Mapping extends Handle {
  /** All bytes of the file (once: `ERR_RANGE`). They stay until the array is collected; writing there changes no file. */
  view(): View
}

/** How wrong labels arise: entry (k, y) is the probability of the label y where k is true (Patrini et al. 2017). */
export interface Transition extends Handle {
  /** C × C, row-major. */
  entries(): Float64Array
  /** Log-odds that each label is right, where the scores of the model that gave the `probabilities`, n × C, are taken
   * times `slope`. */
  margins(probabilities: Vector, labels: Uint32Array, slope: Finite): Float64Array
  /** The transition after one more round of expectation maximisation. */
  estimate(probabilities: Vector, labels: Uint32Array, slope: Finite): Transition
}

/** A = F⁻¹, d × d, half of it stored, while F gains outer products (Sherman–Morrison, Woodbury). */
export interface InverseUpdate extends Handle {
  /** F⁺ = βF + γ ggᵀ. */
  update(g: Vector, beta: number, gamma: number): void
  /** F⁺ = βF + Σ weights_j g_j g_jᵀ, the g_j being the rows of `g`. */
  updateMany(g: Vector, beta: number, weights: Float64Array): void
  /** y ← A x. */
  multiply(x: Vector, y: Vector): void
}

/** Scalar type of vectors and computations. */
export type DType = 'f32' | 'f64'

/** A vector that lives in the backend. Reading and writing copies. */
export interface Vector extends Handle {
  readonly length: Whole
  readonly dtype: DType
  readF32(): Float32Array
  readF64(): Float64Array
  /** Reading into an array of as many entries (`ERR_SHAPE`), which need not be made first. */
  readIntoF32(target: Float32ArrayOut): void
  readIntoF64(target: Float64ArrayOut): void
  /**
   * Entries have to be finite in the vector's scalar type (`ERR_NOT_FINITE`) and as many as the vector has
   * (`ERR_SHAPE`); errors call them `name`.
   */
  writeF32(source: Float32Array, name?: string): void
  writeF64(source: Float64Array, name?: string): void
  /** The vector's type has to hold `value`, `alpha` and bounds (`ERR_NOT_FINITE`). */
  fill(value: Finite): void
  /** this ← this + alpha · x. */
  axpy(alpha: number, x: Vector): void
  scale(alpha: number): void
  copyFrom(x: Vector): void
  /** Projection on the box [low, high]. */
  clamp(low: number, high: number): void
  dot(x: Vector): number
  /** ‖this‖₂, without overflow or underflow of the squares. */
  norm(): number
  isFinite(): boolean
  /** Frees the entries at once, for all who share them, such as a {@link Point}. */
  dispose(): void
}

/** A feature matrix that lives in the backend. */
export interface Features extends Handle {
  readonly rows: Whole
  readonly columns: Whole
}

/** Rows of {@link Features}, each with a class or with continuous targets. */
export interface Samples extends Handle {
  readonly length: Whole
}

/** A set of inner, or of outer, samples, by position. */
export interface Batch extends Handle {
  readonly length: Whole
  /** A copy of the positions, in the batch's order. */
  readonly positions: Uint32Array
  /** Another handle to the same samples. */
  share(): Batch
}

/** Something whose state can be saved as bytes and restored by one of the same settings (`ERR_CHECKPOINT` otherwise). */
export interface Saved extends Handle {
  save(): Uint8Array
  restore(bytes: Uint8Array): void
}

/** Draws batches without replacement, in an order that the seed, a whole number from 0 to 2⁵³ − 1, decides. */
export interface Sampler extends Saved {
  take(size: Whole): Batch
  /** A seed for something that wants random numbers of its own. */
  seed(): Seed
}

/** A slot that inner steps are written to. */
export interface Step extends Handle {
  /** ∇_θ g. */
  readonly gradient: Vector
  /** θ at which the step was taken. */
  readonly inner: Vector
  readonly batch: Batch
  /** Keeps a step that was computed elsewhere: its batch, and what a Fisher sees of it, rows of as many entries as the
   * gradient has, one after the other, or none. The gradient and θ are written to their vectors. */
  keep(batch: Batch, rows: Vector): void
  /** What a Fisher sees of the step, one row per sample; one row in all where it sees a sum. */
  rows(): Vector
  /** Puts the rows of a whole batch, each as {@link Step.rows} gives it, or their sum, in place of the samples that the step
   * keeps. */
  keepRows(batch: Batch, rows: Vector): void
  /** Frees its vectors at once, for all who share them. */
  dispose(): void
}

/** An optimiser and its moments. */
export interface Optimizer extends Saved {
  /** Steps taken so far. */
  readonly steps: Whole
  step(x: Vector, gradient: Vector, rate: number): void
  /** direction ← (∂step/∂gradient)ᵀ target, the derivative of the last step, which was one of size `rate` along
   * `gradient`, with the moments before it held fixed. */
  adaptation(gradient: Vector, target: Vector, rate: number, direction: Vector): void
  reset(): void
}

/** Where oracles are asked: θ, v, and what the problem derives from them without a gradient. */
export interface Point extends Handle {
  readonly inner: Vector
  readonly outer: Vector
  /** Written by {@link Oracles.refresh} alone; zeros before. */
  readonly signals: Vector
  /** A point with another θ that shares v and the signals with this one. */
  at(inner: Vector): Point
}

/** The oracles of a bilevel problem, which never changes. Over a batch they estimate those over all samples without bias. */
export interface Oracles extends Handle {
  readonly innerLength: Whole
  readonly outerLength: Whole
  /** Entries of {@link Point.signals}, 0 for most problems. */
  readonly signalsLength: Whole
  /** Inner samples n. */
  readonly samples: Whole
  /** Outer samples m, which f is a mean over. */
  readonly outerSamples: Whole
  readonly dtype: DType
  /** What {@link Oracles.curvatureProduct} multiplies by. */
  readonly curvature: 'hessian' | 'gauss-newton'
  /** Inputs and outputs of each layer of θ, one after the other; none where it has no layers. */
  readonly layers: Uint32Array
  /** Bytes of the data sets. */
  readonly bytes: Whole
  /** These folds and one more, of the same sizes and blocks, as one problem: g is the sum of theirs, f the mean. */
  withFold(fold: Oracles): Oracles
  /** θ to start from; the seed matters to networks alone. */
  initial(seed: Seed): Vector
  /** D, the diagonal curvature of the quadratic that touches the penalty of g at θ from above: one entry for cI, or one
   * per parameter. It is the penalty's Hessian where that is quadratic. */
  regularizer(point: Point): Vector
  /** g on a batch; its gradient goes to `step`. */
  innerStep(point: Point, batch: Batch, step: Step): number
  /** The same, and in the same pass what the Fisher wants of the samples, with random numbers from `seed`. */
  innerStepFor(point: Point, batch: Batch, step: Step, fisher: FisherHandle, seed: Seed): number
  /** What the Fisher wants of the samples, without a gradient. */
  observe(point: Point, batch: Batch, step: Step, fisher: FisherHandle, seed: Seed): void
  /** gradient ← ∇_θ g on a batch; returns g. */
  innerGradient(point: Point, batch: Batch, gradient: Vector): number
  /** g over all samples. */
  innerLoss(point: Point): number
  /** f. */
  outerLoss(point: Point): number
  /** direct ← ∇_v f, target ← ∇_θ f; returns f. On a batch of the outer samples, or on all of them. */
  outerGradient(point: Point, direct: Vector, target: Vector, batch?: Batch): number
  /** product ← product + scale · Lᵀu on a batch. */
  crossProduct(point: Point, batch: Batch, u: Vector, scale: number, product: Vector): void
  /** product ← Cu on a batch, the regulariser included. */
  curvatureProduct(point: Point, batch: Batch, u: Vector, product: Vector): void
  /** product ← Hu on a batch with the true Hessian of g, the regulariser included; it may be indefinite for networks,
   * where C is the Gauss–Newton matrix. */
  hessianProduct(point: Point, batch: Batch, u: Vector, product: Vector): void
  /** ⟨∇ℓ_i, u_j⟩ of each sample of a batch and each of the directions u_j, which stand one after the other: samples ×
   * directions. ℓ_i is the loss without its weight. */
  sensitivities(point: Point, batch: Batch, directions: Vector): Vector
  /**
   * direction ← C⁻¹ target by a dense factorisation over all samples, where the true Hessian stands for C if `hessian`;
   * returns ‖target − C direction‖ / ‖target‖.
   */
  exactDirection(point: Point, target: Vector, direction: Vector, hessian: boolean): number
  /** point.signals ← what is derived from its θ and v without a gradient, such as margins. */
  refresh(point: Point): void
  /** Weights of all inner samples. */
  weights(point: Point): Vector
  /** Entries of v that each block of hyperparameters owns; none where v is not made of blocks. */
  readonly blocks: Uint32Array
  /** What a block stands for: a weight per inner sample, or the strengths exp v of a penalty. */
  natural(block: Whole, point: Point): Vector
}

/** A model that predicts; no problem is needed. */
export interface Predictor extends Handle {
  /** Predictions of rows of features, rows × C: class probabilities, or the outputs of a regression. */
  probabilities(inner: Vector, features: Features, rows: Batch): Vector
}

/** An inverse Fisher with its queue; see `Fisher` for the form to use. */
export interface FisherHandle extends Handle {
  /** What it sees of a batch. */
  readonly rows: 'mean' | 'signed' | 'perSample' | 'factors'
  /** The labels at which it takes gradients; `empirical` are those given. */
  readonly statistic: 'empirical' | 'sampled' | 'expected'
  /** Puts means over the samples of a step in the place of the samples, where the Fisher needs no more of them; false where
   * it needs each. {@link Step.rows} then gives one row; those of parts of a batch, each times its share, sum up. */
  condense(step: Step): boolean
  /** Posts the samples of a step; false where the queue has no room. */
  tryObserve(step: Step): boolean
  tryRefresh(step: Step): boolean
  /** Posts rows of d entries each, one after the other; false where the queue has no room. */
  tryObserveRows(rows: Vector): boolean
  /** Resolves when the queue has room. */
  wait(): Promise<void>
  /** x ← (F + D̃)⁻¹ b; resolves to a report as JSON. */
  solve(b: Vector, x: Vector): Promise<string>
  /** The state as bytes. */
  save(): Promise<Uint8Array>
  restore(bytes: Uint8Array): Promise<void>
  reset(): void
  /** Takes another D: one entry for cI, or one per parameter. */
  setRegularizer(regularizer: Vector): void
}
