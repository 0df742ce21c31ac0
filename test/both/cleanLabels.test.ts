import * as assert from 'uvu/assert'
import { vector } from '../../ts/backend/backend.ts'
import type { ErrorCode } from '../../ts/backend/errors.ts'
import { matrix } from '../../ts/backend/matrix.ts'
import { readNpz } from '../../ts/data/npz.ts'
import { Classifier } from '../../ts/tasks/classifier.ts'
import {
  type CleaningProgress,
  type CleanLabelsOptions,
  type CleanLabelsResult,
  cleanLabels,
} from '../../ts/tasks/cleanLabels/cleanLabels.ts'
import { confidentDoubts, knowsNothing } from '../../ts/tasks/cleanLabels/confidence.ts'
import { inSentences } from '../../ts/tasks/cleanLabels/inSentences.ts'
import { Keeper } from '../../ts/tasks/cleanLabels/keep.ts'
import { accuracy, auc, detection } from '../../ts/tasks/metrics.ts'
import { close, same } from '../support/close.ts'
import { counting } from '../support/counting.ts'
import { refuses } from '../support/errors.ts'
import { gaussians } from '../support/gaussians.ts'
import { rings } from '../support/rings.ts'
import { backendSuite } from '../support/suite.ts'

const test = backendSuite('cleanLabels')
const data = gaussians()
const { features, labels, truth, trusted } = data
const given = { features, labels, trusted }
const wrong = (rows: Uint32Array) => Array.from(rows, (row) => labels[row] !== truth[row])
const quick = { outerSteps: 12 } as const

/** How well wrong labels are told: by score, by weight, by a score above ½. */
function quality({ rows, scores, weights }: Pick<CleanLabelsResult, 'rows' | 'scores' | 'weights'>) {
  const answer = wrong(rows)
  const score = Array.from(rows, (row) => scores[row])
  return {
    score: auc(score, answer),
    weights: auc(
      Array.from(rows, (row) => -weights[row]),
      answer,
    ),
    f1: detection(
      score.map((s) => s > 0.5),
      answer,
    ).f1,
  }
}

for (const weighting of ['margin', 'perSample'] as const) {
  test(`${weighting}: tells 40 % wrong labels`, async ({ backend }) => {
    const result = await cleanLabels({ backend, ...given, weighting })
    const found = quality(result)
    assert.ok(found.score > 0.98, `AUC of the score ${found.score}`)
    assert.ok(found.weights > 0.9, `AUC of the weights ${found.weights}`)
    assert.ok(found.f1 > 0.93, `F1 ${found.f1}`)
    const { rows, scores, weights, ranking, suggested, model, curves, settings } = result
    same(
      rows,
      Uint32Array.from({ length: 510 }, (_, i) => i),
    )
    assert.ok([...scores, ...weights].every((x) => x >= 0 && x <= 1))
    // A ranking is an order of all rows in which the score never rises.
    assert.equal(new Set(ranking).size, rows.length)
    ranking.forEach((row, rank) => {
      assert.ok(rank === 0 || scores[row] <= scores[ranking[rank - 1]])
    })
    assert.equal(
      result.issues.map(({ row }) => row),
      Array.from(ranking).filter((row) => scores[row] > 0.5),
    )
    const { row, ...issue } = result.issues[0]
    assert.equal(issue, { given: labels[row], suggested: suggested[row], score: scores[row] })
    const right = Array.from(rows, (row) => suggested[row] === truth[row]).filter(Boolean).length
    assert.ok(right / rows.length > 0.95, `${right} suggestions are true`)
    same(
      model.predict(features, rows),
      Int32Array.from(rows, (row) => suggested[row]),
      'predictions',
    )
    assert.is(curves.length, settings.outerSteps)
    assert.ok(curves.every((curve) => Number.isFinite(curve.heldOutLoss)))
    assert.ok(result.bestStep >= 1 && result.bestStep <= curves.length)
    assert.is(result.solve?.status, 'outerSteps')
  })
}

test('features at any scale give the same ranking', async ({ backend }) => {
  const at = (scale: number) => ({
    backend,
    ...given,
    features: gaussians({ scale }).features,
    ...quick,
  })
  const usual = quality(await cleanLabels(at(1)))
  for (const scale of [1000, 0.001]) {
    const options = at(scale)
    const result = await cleanLabels(options)
    const scaled = quality(result)
    close([scaled.score, scaled.f1], [usual.score, usual.f1], 0.01, `scale ${scale}`)
    // Models take features as they were given.
    const own = Int32Array.from(result.rows, (row) => result.suggested[row])
    same(result.model.predict(options.features, result.rows), own, 'predictions')
    const right = accuracy(result.theta.probabilities(options.features), 3, truth)
    assert.ok(right > 0.9, `θ is right on ${right}`)
  }
})

test('rates come from the data where features keep their scale', async ({ backend }) => {
  for (const scale of [30, 0.1]) {
    const options = { ...given, features: gaussians({ scale }).features, normalize: false, ...quick }
    const { score } = quality(await cleanLabels({ backend, ...options, regularization: 1e-4 * scale ** 2 }))
    assert.ok(score > 0.95, `scale ${scale}: ${score}`)
  }
})

test('the same seed gives the same bits, another seed others', async ({ backend }) => {
  const run = (seed: number) => cleanLabels({ backend, ...given, ...quick, seed })
  const [first, again, other] = [await run(4), await run(4), await run(5)]
  same(first.scores, again.scores)
  same(first.weights, again.weights)
  same(first.model.theta, again.model.theta)
  assert.ok(first.scores.some((s, i) => s !== other.scores[i]))
})

test('trusted rows may stand anywhere and in any order', async ({ backend }) => {
  const scattered = Array.from(trusted, (_, i) => 5 * i).reverse()
  const repaired = labels.map((y, row) => (row % 5 === 0 && row < 450 ? truth[row] : y))
  const { rows, scores } = await cleanLabels({
    backend,
    features,
    labels: repaired,
    trusted: scattered,
    ...quick,
  })
  assert.is(rows.length, 510)
  assert.not(rows.includes(445))
  const answer = Array.from(rows, (row) => repaired[row] !== truth[row])
  assert.ok(
    auc(
      Array.from(rows, (row) => scores[row]),
      answer,
    ) > 0.95,
  )
})

test('weights to start from matter', async ({ backend }) => {
  const plain = { backend, ...given, standardize: false }
  const options = { ...plain, weighting: 'perSample', holdout: 0, outerSteps: 1 } as const
  const known = Float64Array.from({ length: 510 }, (_, row) => (labels[row] === truth[row] ? 0.95 : 0.05))
  const warm = await cleanLabels({ ...options, weights: known })
  const cold = await cleanLabels(options)
  assert.is(quality(warm).weights, 1)
  assert.ok(quality(cold).weights < 0.999)
  // One Adam step of 0.5 on each logit at the most, all in all.
  const moved = known.map((start, row) => {
    const w = warm.weights[row]
    return Math.abs(Math.log(w / (1 - w)) - Math.log(start / (1 - start)))
  })
  assert.ok(Math.sqrt(moved.reduce((sum, x) => sum + x * x, 0) / moved.length) < 0.6)
})

test('models are saved and loaded', async ({ backend }) => {
  const { model } = await cleanLabels({ backend, ...given, ...quick })
  const bytes = model.save()
  const { theta } = readNpz(bytes)
  assert.equal(theta.shape, [features.columns + 1, 3])
  const loaded = Classifier.load(backend, bytes)
  same(loaded.theta, model.theta)
  same(loaded.probabilities(features), model.probabilities(features))
  const p = loaded.probabilities(matrix(features.data.slice(0, 8), 2, 4))
  assert.is(p.length, 6)
  close([p[0] + p[1] + p[2], p[3] + p[4] + p[5]], [1, 1], 1e-6)
})

test('a signal ends a run with what it has', async ({ backend }) => {
  const controller = new AbortController()
  const seen: CleaningProgress[] = []
  const result = await cleanLabels({
    backend,
    ...given,
    signal: controller.signal,
    onProgress(progress) {
      seen.push(progress)
      if (progress.step === 3) controller.abort()
    },
  })
  assert.is(result.solve?.status, 'aborted')
  assert.equal(
    seen.map(({ step }) => step),
    [1, 2, 3],
  )
  assert.is(seen[0].steps, result.settings.outerSteps)
  assert.ok(seen.every(({ secondsLeft, outerLoss }) => secondsLeft >= 0 && Number.isFinite(outerLoss)))
  assert.ok([...result.scores, ...result.weights].every(Number.isFinite))
})

test('a signal that aborts before the end of the first outer step leaves no result', async ({ backend }) => {
  const reason = new Error('enough')
  const early = new AbortController()
  for (const signal of [AbortSignal.abort(reason), early.signal]) {
    queueMicrotask(() => early.abort(reason)) // at the first wait, whatever the machine's speed
    const run = cleanLabels({ backend, ...given, signal })
    await run.then(
      () => assert.unreachable('there is a result'),
      (error) => assert.is(error, reason),
    )
  }
})

test('the v is kept that was judged', () => {
  const [start, second, third] = [1, 2, 3].map((v) => Float64Array.of(v))
  const keeper = new Keeper(start)
  assert.equal(keeper.best, { step: 0, loss: Number.POSITIVE_INFINITY, outer: start })
  keeper.judge(1, 0.5, second)
  assert.is(keeper.best.outer, start)
  keeper.judge(2, 0.4, third)
  assert.is(keeper.best.outer, second)
  keeper.judge(3, 0.6, Float64Array.of(4))
  assert.is(keeper.best.step, 2)
  assert.is(keeper.best.outer, second)
})

test('one outer step that is far too long is not kept', async ({ backend }) => {
  for (const weighting of ['margin', 'perSample'] as const) {
    const once = { backend, ...given, weighting, outerSteps: 1 }
    const { outer, scores, bestStep } = await cleanLabels({ ...once, outerRate: 50 })
    const start = await cleanLabels({ ...once, outerRate: 0 })
    assert.is(bestStep, 1)
    same(outer, start.outer)
    same(scores, start.scores)
  }
})

test('without outer steps the start is kept, and nothing over-fits', async ({ backend }) => {
  for (const holdout of [0, 0.2]) {
    const result = await cleanLabels({ backend, ...given, holdout, outerSteps: 0 })
    assert.is(result.bestStep, 0)
    assert.is(result.overfitting, false)
    assert.ok(quality(result).score > 0.98)
  }
})

test('noise transitions judge labels, and are estimated from them', async ({ backend }) => {
  const entries = Float64Array.of(0.7, 0.3, 0.2, 0.8)
  const transition = new backend.Transition(entries, 2)
  same(transition.entries(), entries)
  same(
    backend.Transition.uniform(0.75, 3).entries(),
    [0.75, 0.125, 0.125, 0.125, 0.75, 0.125, 0.125, 0.125, 0.75],
  )
  const p = vector(backend, [0.9, 0.1, 0.5, 0.5], 'f64')
  const labels = Uint32Array.of(0, 1)
  // By Bayes: p_k T_ky over the sum of the others.
  close(transition.margins(p, labels, 1), [Math.log(0.63 / 0.02), Math.log(0.4 / 0.15)], 1e-12)
  const [first, second] = [0.63 / 0.65, 0.15 / 0.55]
  const row = (a: number, b: number) =>
    [a, b].map((x) => (x + (0.01 * (a + b)) / 2 + 1) / (1.01 * (a + b) + 2))
  const expected = [...row(first, second), ...row(1 - first, 1 - second)]
  close(transition.estimate(p, labels, 1).entries(), expected, 1e-12)
  await refuses('ERR_SHAPE', 'entries', () => new backend.Transition(entries, 3))
  await refuses('ERR_RANGE', 'entries', () => new backend.Transition(Float64Array.of(1, 0, 0, 1), 2))
  await refuses('ERR_SHAPE', 'probabilities', () => transition.margins(p, Uint32Array.of(0), 1))
  await refuses('ERR_RANGE', 'labels', () => transition.estimate(p, Uint32Array.of(0, 2), 1))
})

test('builds few native objects: the features once, a problem per role of the data', async ({ backend }) => {
  for (const weighting of ['margin', 'perSample'] as const) {
    const { backend: counted, built } = counting(backend)
    await cleanLabels({ backend: counted, ...given, ...quick, weighting })
    assert.equal(built, { Problem: 2, Samples: 4, Features: 1, Fisher: 1 })
  }
})

test('many classes are refused with a short message', async ({ backend }) => {
  const refused = (options: object, told: RegExp) =>
    cleanLabels({ backend, ...given, ...options }).then(
      () => assert.unreachable('accepted'),
      (error) => {
        assert.is(error.code, 'ERR_RANGE')
        assert.match(error.message, told)
        assert.ok(error.message.length < 200, error.message)
      },
    )
  const far = Uint32Array.from(labels).with(5, 3e8)
  await refused({ labels: far }, /every class 0 to 300000000, got none of 3, 4, 5 and 299999994 more$/)
  await refused({ classes: 1000 }, /got none of 3, 4, 5 and 994 more$/)
  await refused(
    { labels: labels.map(() => 0), classes: undefined },
    /"classes" expected a whole number from 2/,
  )
})

test('misspelt and ill-typed options are refused, undefined is absent', async ({ backend }) => {
  const { settings } = await cleanLabels({
    backend,
    ...given,
    ...quick,
    holdout: undefined,
    outerRate: undefined,
    seed: undefined,
    method: { averaging: undefined, refine: undefined },
  })
  assert.is(settings.holdout, 0.2)
  assert.is(settings.averaging, 0.5)
  assert.is(settings.refine, 3)
  const wrong: Record<string, unknown> = {
    holdOut: 0.5,
    outersteps: 1,
    holdout: '0.2',
    outerRate: '0.1',
    outerSteps: 1.5,
    regularization: -1,
    classes: 1,
    weighting: 'margins',
    normalize: 1,
    seed: -1,
    method: null,
    onProgress: true,
    weights: 3,
    signal: 1,
  }
  for (const [name, value] of Object.entries(wrong)) {
    const name1 = name === 'holdOut' || name === 'outersteps' ? 'options' : name
    await refuses('ERR_RANGE', name1, () =>
      cleanLabels({ backend, ...given, [name]: value } as CleanLabelsOptions),
    )
  }
  const scale = { ...features, scale: Number.NaN }
  await refuses('ERR_NOT_FINITE', 'scale', () => cleanLabels({ backend, ...given, features: scale }))
})

test('without a holdout the last step is kept', async ({ backend }) => {
  const { bestStep, overfitting, curves } = await cleanLabels({ backend, ...given, ...quick, holdout: 0 })
  assert.is(bestStep, quick.outerSteps)
  assert.is(overfitting, false)
  assert.ok(curves.every(({ heldOutLoss }) => Number.isNaN(heldOutLoss)))
})

test('bytes of pictures work like numbers', async ({ backend }) => {
  const bytes = Uint8Array.from(features.data, (x) => Math.min(255, Math.max(0, Math.round(128 + 10 * x))))
  const pictures = matrix(bytes, features.rows, features.columns, 1 / 255)
  // Bytes have a common offset, which the bias takes.
  const found = quality(await cleanLabels({ backend, ...given, features: pictures }))
  assert.ok(found.score > 0.9, `${found.score}`)
})

/** Rows that a person checked: the first of each stretch of eight. */
const rows = Uint32Array.from({ length: 75 }, (_, i) => 8 * i)
const looked = { features, labels, checked: { rows, labels: Array.from(rows, (row) => truth[row]) } }

test('checked: tells wrong labels, and how many there are', async ({ backend }) => {
  const result = await cleanLabels({ backend, ...looked })
  const found = quality(result)
  assert.ok(found.score > 0.98, `AUC of the score ${found.score}`)
  assert.ok(found.f1 > 0.93, `F1 ${found.f1}`)
  const { scores, suggested, weights, checked, estimate, bilevel, warnings, issues } = result
  for (const [i, row] of rows.entries()) {
    assert.is(scores[row], labels[row] === truth[row] ? 0 : 1)
    assert.is(suggested[row], truth[row])
    assert.is(checked.right[i], labels[row] === truth[row])
  }
  assert.ok(weights.every((w) => w >= 0 && w <= 1))
  assert.ok(issues.every(({ row, given, suggested }) => given === labels[row] && suggested !== given))
  const all = wrong(result.rows).filter(Boolean).length
  const { low, high, count } = estimate?.wrong ?? { low: 0, high: 0, count: 0 }
  assert.ok(low < count && count < high && low <= all && all <= high, `${low} to ${high}, there are ${all}`)
  assert.ok((estimate?.precision?.low ?? 0) > 0.5)
  const parts = [bilevel?.weights, bilevel?.scores]
  assert.ok(parts.every((part) => part && part.error > 0))
  assert.ok(parts.every((part) => part && part.confirmed === part.startLoss - part.endLoss > part.error))
  assert.is(
    bilevel?.confirmed,
    parts.some((part) => part?.confirmed),
  )
  assert.is(bilevel?.bestStep, bilevel?.confirmed ? 12 : 0)
  assert.equal(warnings, [])
  assert.ok(accuracy(result.model.probabilities(features), 3, truth) > 0.95)
})

test('checked: the same bits again, and the start where no step is taken', async ({ backend }) => {
  const [first, again] = [
    await cleanLabels({ backend, ...looked }),
    await cleanLabels({ backend, ...looked }),
  ]
  same(first.scores, again.scores)
  same(first.model.theta, again.model.theta)
  const { bilevel } = await cleanLabels({ backend, ...looked, outerSteps: 0 })
  assert.equal(bilevel, {
    ...bilevel,
    steps: 0,
    bestStep: 0,
    confirmed: false,
    weights: { ...bilevel?.weights, endLoss: bilevel?.weights.startLoss, error: 0, confirmed: false },
    scores: { ...bilevel?.scores, endLoss: bilevel?.scores.startLoss, error: 0, confirmed: false },
  })
})

test('checked: rows that are known to be wrong and no more', async ({ backend }) => {
  const right = Array.from(rows, (row) => labels[row] === truth[row])
  const result = await cleanLabels({ backend, features, labels, checked: { rows, right } })
  assert.ok(quality(result).score > 0.97)
  for (const [i, row] of rows.entries()) {
    assert.is(result.scores[row], right[i] ? 0 : 1)
    assert.is(result.suggested[row] === labels[row], right[i])
  }
})

test('checked: rows drawn at random alone tell how many labels are wrong', async ({ backend }) => {
  const clean = (random?: readonly boolean[]) =>
    cleanLabels({ backend, ...looked, checked: { ...looked.checked, random }, outerSteps: 0 })
  const all = await clean()
  assert.equal(all.estimate?.sample, { rows: 75, random: false })
  const some = await clean(Array.from(rows, (_, i) => i % 3 === 0))
  assert.equal(some.estimate?.sample, { rows: 25, random: true })
  same(some.scores, all.scores)
  const none = await clean(Array.from(rows, () => false))
  assert.is(none.estimate, undefined)
  assert.match(none.warnings[0], /no checked row was drawn at random/)
  assert.match(inSentences(all)[1], /by your 75 checks, if these are a fair sample/)
  assert.match(inSentences(some)[1], /by the 25 checked ones that were drawn at random/)
  assert.is(inSentences(none).length, 1)
})

test('a class that no trusted row has is named and not judged', async ({ backend }) => {
  const some = Array.from(trusted).filter((row) => labels[row] !== 2)
  const { warnings, issues, scores } = await cleanLabels({
    backend,
    features,
    labels,
    trusted: some,
    outerSteps: 5,
  })
  assert.match(warnings[0], /no trusted row has the class 2: .* not judged/)
  assert.ok(issues.length > 0 && issues.every(({ given }) => given !== 2))
  assert.ok(scores.every((score, row) => labels[row] !== 2 || score <= 0.5))
})

test('checked: a class that no checked row has is named and not judged', async ({ backend }) => {
  const some = rows.filter((row) => truth[row] !== 2)
  const { warnings, issues } = await cleanLabels({
    backend,
    ...looked,
    checked: { rows: some, labels: Array.from(some, (row) => truth[row]) },
  })
  assert.match(warnings[0], /no checked row has the class 2/)
  assert.ok(issues.length > 0 && issues.every(({ given }) => given !== 2))
})

test('checked: models that know nothing doubt nothing', async ({ backend }) => {
  const noise = Float64Array.from({ length: 240 }, (_, i) => Math.sin(1e4 * Math.sin(i + 1)))
  const coin = Uint32Array.from({ length: 240 }, (_, i) => (Math.sin(1e5 * Math.cos(i + 2)) > 0 ? 1 : 0))
  const { issues, warnings } = await cleanLabels({
    backend,
    features: matrix(noise, 240, 1),
    labels: coin,
    checked: {
      rows: Uint32Array.from({ length: 20 }, (_, i) => i),
      labels: Array.from({ length: 20 }, (_, i) => i % 2),
    },
  })
  assert.ok(issues.length === 0 || issues.every(({ score }) => score < 0.95), `${issues.length} ${warnings}`)
})

test('checked: what does not fit is refused by name', async ({ backend }) => {
  const refused = (code: ErrorCode, name: string, options: object) =>
    refuses(code, name, () => cleanLabels({ backend, features, labels, ...options } as CleanLabelsOptions))
  const { checked } = looked
  await refused('ERR_RANGE', 'trusted', { checked, trusted })
  await refused('ERR_RANGE', 'checked.rows', { checked: { rows: [0, 600] } })
  await refused('ERR_RANGE', 'checked.rows', { checked: { rows: [3, 3] } })
  await refused('ERR_RANGE', 'checked.rows', { checked: { rows: [1, 2, 3] } })
  await refused('ERR_SHAPE', 'checked.random', { checked: { ...checked, random: [true] } })
  await refused('ERR_RANGE', 'checked.random', { checked: { ...checked, random: checked.labels } })
  await refused('ERR_SHAPE', 'checked.labels', { checked: { rows, labels: [1] } })
  await refused('ERR_RANGE', 'checked.labels', {
    checked: { ...checked, labels: checked.labels.map(() => 3) },
  })
  await refused('ERR_RANGE', 'checked', { checked: { ...checked, labels: checked.labels.map(() => -1) } })
  await refused('ERR_RANGE', 'checked.right', {
    checked: { ...checked, right: checked.labels.map(() => false) },
  })
  await refused('ERR_RANGE', 'checked.right', { checked: { rows, right: 'all' } })
  await refused('ERR_RANGE', 'checked', { checked: { ...checked, row: 1 } })
  await refused('ERR_RANGE', 'holdout', { checked, holdout: 0.2 })
  await refused('ERR_RANGE', 'outerSteps', { outerSteps: 3 })
  await refused('ERR_RANGE', 'standardize', { checked, standardize: 1 })
})

test('nobody checked a row: models that never saw the labels judge them', async ({ backend }) => {
  const result = await cleanLabels({ backend, features, labels })
  assert.is(result.rows.length, labels.length)
  const found = quality(result)
  assert.ok(found.score > 0.97, `AUC ${found.score}`)
  assert.ok(found.f1 > 0.93, `F1 ${found.f1}`)
  assert.is(result.estimate, undefined)
  assert.equal(result.warnings, [])
  assert.ok(result.issues.every(({ row, given, suggested }) => given === labels[row] && suggested !== given))
  assert.ok(result.ranking.every((row) => result.scores[row] > 0.5 || result.suggested[row] === labels[row]))
  assert.ok(accuracy(result.model.probabilities(features), 3, truth) > 0.95)
})

/** Probabilities by a model that is right on two rows of three, and mostly in doubt on the third. */
const predicted = matrix(
  Float64Array.from({ length: 3 * labels.length }, (_, k) => {
    const [row, c] = [Math.floor(k / 3), k % 3]
    if (row % 3 > 0) return c === truth[row] ? 0.9 : 0.05
    return c === (truth[row] + 1) % 3 ? 0.4 : 0.3
  }),
  labels.length,
  3,
)

test('predicted probabilities are judges, beside features and alone', async ({ backend }) => {
  const blind = matrix(
    Float64Array.from({ length: labels.length }, (_, i) => Math.sin(1e4 * Math.sin(i + 1))),
    labels.length,
    1,
  )
  for (const checked of [looked.checked, undefined]) {
    for (const own of [undefined, blind]) {
      const result = await cleanLabels({
        backend,
        features: own,
        labels,
        predictedProbabilities: predicted,
        checked,
      })
      const sure = result.rows.filter((row) => row % 3 > 0)
      const found = quality({ ...result, rows: sure })
      assert.ok(found.score > 0.99, `${own ? 'beside' : 'alone'}, checked ${!!checked}: AUC ${found.score}`)
      const suggested = Array.from(sure, (row) => result.suggested[row] === truth[row]).filter(Boolean)
      assert.ok(suggested.length / sure.length > 0.95, `${suggested.length} of ${sure.length}`)
    }
    // Without them such features tell nothing.
    const { rows, scores, weights } = await cleanLabels({ backend, features: blind, labels, checked })
    assert.ok(quality({ rows, scores, weights }).score < 0.7)
  }
})

test('predicted probabilities that are none are refused by name', async ({ backend }) => {
  const refused = (code: ErrorCode, name: string, options: object) =>
    refuses(code, name, () => cleanLabels({ backend, labels, ...options } as CleanLabelsOptions))
  const name = 'predictedProbabilities'
  const changed = (at: number, to: number) => ({
    ...predicted,
    data: (predicted.data as Float64Array).with(at, to),
  })
  await refused('ERR_RANGE', 'features', {})
  await refused('ERR_RANGE', name, { predictedProbabilities: predicted.data })
  await refused('ERR_RANGE', name, { predictedProbabilities: predicted, trusted })
  await refused('ERR_RANGE', name, { predictedProbabilities: { ...predicted, row: 1 } })
  await refused('ERR_RANGE', name, { predictedProbabilities: changed(4, 0.5) })
  await refused('ERR_RANGE', name, { predictedProbabilities: { ...predicted, scale: -1 } })
  await refused('ERR_NOT_FINITE', name, { predictedProbabilities: changed(4, Number.NaN) })
  await refused('ERR_SHAPE', name, { predictedProbabilities: { ...predicted, rows: 10 } })
  const fewer = matrix(predicted.data.slice(3), labels.length - 1, 3)
  await refused('ERR_SHAPE', 'labels', { predictedProbabilities: fewer })
  await refused('ERR_SHAPE', name, { features, predictedProbabilities: fewer })
  const two = matrix(new Float32Array(2 * labels.length).fill(0.5), labels.length, 2)
  await refused('ERR_SHAPE', name, { features, predictedProbabilities: two })
})

test('nobody checked a row: models that know nothing doubt nothing, and say so', async ({ backend }) => {
  const noise = Float64Array.from({ length: 300 }, (_, i) => Math.sin(1e4 * Math.sin(i + 1)))
  const coin = Uint32Array.from({ length: 300 }, (_, i) => (Math.sin(1e5 * Math.cos(i + 2)) > 0 ? 1 : 0))
  const { issues, warnings } = await cleanLabels({ backend, features: matrix(noise, 300, 1), labels: coin })
  assert.equal(issues, [])
  assert.match(warnings[0], /no more of the labels than chance/)
})

test('nobody checked a row: an abort leaves no result', async ({ backend }) => {
  const signal = AbortSignal.abort('enough')
  await cleanLabels({ backend, features, labels, signal }).then(
    () => assert.unreachable('there is a result'),
    (error) => assert.is(error, 'enough'),
  )
})

test('confident learning counts as many doubts as the confident joint', () => {
  // The labels have .7 and .625 on average. All rows but the sixth have a class that is likelier than that.
  const first = [0.9, 0.9, 0.9, 0.9, 0.1, 0.5] // of label 0
  const second = [0.9, 0.8, 0.1, 0.7] // of label 1
  const own = [...first, ...second]
  const given = Uint32Array.of(0, 0, 0, 0, 0, 0, 1, 1, 1, 1)
  const logs = Float64Array.from(
    own.flatMap((p, row) => (given[row] === 0 ? [p, 1 - p] : [1 - p, p]).map(Math.log)),
  )
  const { odds, others } = confidentDoubts(logs, given, 2)
  // One of five for the other class makes 6/5 of six rows; one of four makes 1 of four: two doubts.
  assert.equal(
    Array.from(given.keys()).filter((row) => odds[row] > 0),
    [4, 8],
  )
  assert.equal([...others], [1, 1, 1, 1, 1, 1, 0, 0, 0, 0])
  const [of0, of1] = [0.7, 0.625]
  const plain = own.map((p, row) => Math.log((1 - p) / p) + (row < 6 ? 1 : -1) * Math.log(of0 / of1))
  // The third-largest is where the doubts end.
  close(
    odds,
    plain.map((x) => x - plain[5]),
    1e-12,
  )
  assert.is(knowsNothing(logs, given, 2), false)
  const shares = Float64Array.from({ length: 20 }, (_, k) => Math.log(k % 2 ? 0.4 : 0.6))
  assert.is(knowsNothing(shares, given, 2), true)
})

test('models take features as they were given, standardized or not', async ({ backend }) => {
  const shifted = features.data.map((x, k) => 100 * (k % 4) + (k % 4 ? 7 : 0.01) * x)
  const moved = matrix(shifted, features.rows, features.columns)
  for (const how of [{ checked: looked.checked }, { trusted }, {}]) {
    const { model } = await cleanLabels({ backend, features: moved, labels, ...how })
    const right = accuracy(model.probabilities(moved), 3, truth)
    assert.ok(right > 0.95, `${Object.keys(how)}: ${right}`)
  }
})

test('a perceptron tells wrong labels where no straight line parts the classes', async ({ backend }) => {
  const data = rings({ samples: 300 })
  const rows = Uint32Array.from({ length: 60 }, (_, i) => 5 * i)
  const checked = { rows, labels: Array.from(rows, (row) => data.truth[row]) }
  for (const own of [{ checked }, {}]) {
    const found = async (model?: 'softmax' | 'perceptron') => {
      const { features, labels, truth } = data
      const result = await cleanLabels({ backend, features, labels, model, ...own })
      const answer = Array.from(result.rows, (row) => labels[row] !== truth[row])
      const scores = Array.from(result.rows, (row) => result.scores[row])
      return {
        auc: auc(scores, answer),
        right: accuracy(result.model.probabilities(features), 2, truth),
        ...result,
      }
    }
    const straight = await found()
    assert.ok(straight.right < 0.8, `softmax regression is right on ${straight.right}`)
    const { auc: judged, right, model } = await found('perceptron')
    assert.ok(judged > 0.97, `AUC ${judged}`)
    assert.ok(right > 0.97, `the perceptron is right on ${right}`)
    const loaded = Classifier.load(backend, model.save())
    same(loaded.probabilities(data.features), model.probabilities(data.features))
  }
  await refuses('ERR_RANGE', 'model', () => cleanLabels({ backend, ...given, model: 'perceptron' }))
  await refuses('ERR_RANGE', 'model', () => cleanLabels({ backend, ...looked, model: 'tree' as 'softmax' }))
})

test('checked: an abort leaves no result', async ({ backend }) => {
  const controller = new AbortController()
  const run = cleanLabels({
    backend,
    ...looked,
    signal: controller.signal,
    onProgress: () => controller.abort('enough'),
  })
  await run.then(
    () => assert.unreachable('there is a result'),
    (error) => assert.is(error, 'enough'),
  )
})

test.run()
