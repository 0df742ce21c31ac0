/** The oracles of an outer step whose time grows with their rows. */
export type OracleName = 'innerStep' | 'outerGradient' | 'curvatureProduct' | 'crossProduct' | 'observe'

/** The calls of an oracle per outer step. */
export interface Calls {
  readonly name: OracleName
  /** Rows over all ranks. */
  readonly rows: number
  readonly count: number
}

/** seconds = fixed + each · count. */
export interface Line {
  readonly fixed: number
  readonly each: number
}

/** Entries of what a run moves. */
export interface Lengths {
  /** θ. */
  readonly inner: number
  /** v. */
  readonly outer: number
  /** The means that Kronecker factors are made of. */
  readonly moments: number
}

/** What an outer step is made of. */
export interface Model {
  readonly oracles: Readonly<Record<OracleName, Line>>
  /** Of a sum over so many ranks, by its entries. */
  readonly reductions: ReadonlyMap<number, Line>
  /** Seconds per outer step that each rank spends alike: inverses, solves, optimisers. */
  readonly rest: number
}

/** The line of least squares of relative errors; neither of its numbers is negative. */
export function fitLine(counts: readonly number[], seconds: readonly number[]): Line {
  const rows = counts.map((count, i) => [1 / seconds[i], count / seconds[i]])
  const sum = (of: (row: number[]) => number) => rows.reduce((total, row) => total + of(row), 0)
  const [a, b, c] = [sum(([x]) => x * x), sum(([x, y]) => x * y), sum(([, y]) => y * y)]
  const [p, q] = [sum(([x]) => x), sum(([, y]) => y)]
  const determinant = a * c - b * b
  const [fixed, each] = [(c * p - b * q) / determinant, (a * q - b * p) / determinant]
  if (fixed < 0) return { fixed: 0, each: q / c }
  if (each < 0) return { fixed: p / a, each: 0 }
  return { fixed, each }
}

export const at = ({ fixed, each }: Line, count: number): number => fixed + each * count

/** Entries that the ranks sum up in a call of an oracle. */
const entriesOf: Readonly<Record<OracleName, (lengths: Lengths) => number>> = {
  innerStep: ({ inner }) => inner,
  outerGradient: ({ inner, outer }) => inner + outer,
  curvatureProduct: ({ inner }) => inner,
  crossProduct: ({ outer }) => outer,
  observe: ({ moments }) => moments,
}

/** Seconds of an outer step, in the parts that it is made of. */
export interface Parts {
  readonly oracles: number
  readonly reductions: number
  readonly rest: number
}

/**
 * An outer step on so many ranks. The rows of a batch fall to ranks at random: the slowest of them has more than its share
 * by √ln R standard deviations.
 */
export function predict(model: Model, calls: readonly Calls[], lengths: Lengths, ranks: number): Parts {
  let [oracles, reductions] = [0, 0]
  for (const { name, rows, count } of calls) {
    const drawn = name === 'innerStep' || name === 'curvatureProduct' || name === 'observe'
    const spread = drawn ? Math.sqrt((rows / ranks) * (1 - 1 / ranks) * Math.log(ranks)) : 0
    oracles += count * at(model.oracles[name], rows / ranks + spread)
    const line = model.reductions.get(ranks)
    if (ranks > 1 && line) reductions += count * at(line, entriesOf[name](lengths))
  }
  return { oracles, reductions, rest: model.rest }
}

export const total = ({ oracles, reductions, rest }: Parts): number => oracles + reductions + rest

/** Samples per inner step over all ranks whose gradient takes as long as its sum over ranks. */
export function hidingBatch({ oracles, reductions }: Model, lengths: Lengths, ranks: number): number {
  const line = reductions.get(ranks)
  if (!line) return 0
  const { fixed, each } = oracles.innerStep
  return Math.max(0, (ranks * (at(line, lengths.inner) - fixed)) / each)
}
