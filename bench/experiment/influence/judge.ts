/** Pearson's correlation. */
export function correlation(x: ArrayLike<number>, y: ArrayLike<number>): number {
  const n = x.length
  const mean = (z: ArrayLike<number>) =>
    (Array.prototype.reduce.call(z, (sum, a) => (sum as number) + a, 0) as number) / n
  const [mx, my] = [mean(x), mean(y)]
  let [xy, xx, yy] = [0, 0, 0]
  for (let i = 0; i < n; i++) {
    const [a, b] = [x[i] - mx, y[i] - my]
    xy += a * b
    xx += a * a
    yy += b * b
  }
  return xy / Math.sqrt(xx * yy)
}

/** Places in the order of values, those of equals being shared. */
function ranks(values: ArrayLike<number>): Float64Array {
  const order = Array.from(values, (_, i) => i).sort((a, b) => values[a] - values[b])
  const out = new Float64Array(values.length)
  for (let i = 0; i < order.length; ) {
    let end = i
    while (end < order.length && values[order[end]] === values[order[i]]) end++
    for (let k = i; k < end; k++) out[order[k]] = (i + end - 1) / 2
    i = end
  }
  return out
}

/** Mean over the test samples of the correlation between effects and changes; both rows × tests. */
export function meanCorrelation(
  effects: ArrayLike<number>,
  changes: ArrayLike<number>,
  tests: number,
): number {
  const column = (all: ArrayLike<number>, j: number) =>
    Float64Array.from({ length: all.length / tests }, (_, i) => all[i * tests + j])
  let sum = 0
  for (let j = 0; j < tests; j++) sum += correlation(column(effects, j), column(changes, j))
  return sum / tests
}

/** Losses of a model that was trained on some rows. */
export interface Retrained {
  readonly positions: Uint32Array
  readonly losses: Float64Array
}

/**
 * The linear datamodelling score (Park et al. 2023): the mean over test samples of the rank correlation, over subsets,
 * between the losses and the sums of the effects of what was left out. `effects` is samples × tests.
 */
export function datamodellingScore(effects: ArrayLike<number>, retrained: readonly Retrained[]): number {
  const tests = retrained[0].losses.length
  const samples = effects.length / tests
  const predicted = retrained.map(({ positions }) => {
    const kept = new Uint8Array(samples)
    for (const i of positions) kept[i] = 1
    const sums = new Float64Array(tests)
    for (let i = 0; i < samples; i++) {
      if (!kept[i]) for (let j = 0; j < tests; j++) sums[j] += effects[i * tests + j]
    }
    return sums
  })
  let sum = 0
  for (let j = 0; j < tests; j++) {
    const [x, y] = [predicted.map((sums) => sums[j]), retrained.map(({ losses }) => losses[j])]
    sum += correlation(ranks(x), ranks(y)) || 0
  }
  return sum / tests
}
