import { read } from '../../backend/backend.ts'
import type { Point } from '../../backend/binding.ts'
import { checkOptions, refuse } from '../../backend/check.ts'
import { NhgdError } from '../../backend/errors.ts'
import { fingerprint } from '../../backend/fingerprint.ts'
import type { Fisher } from '../../backend/fisher.ts'
import * as defaults from '../../defaults.ts'
import { isNetwork } from '../../problems/model.ts'
import type { Problem } from '../../problems/problem.ts'
import { type SampleSet, setData } from '../../problems/samples.ts'
import { Ranks } from '../../run/ranks.ts'
import { type ModelFormat, openModel, writeModel } from '../modelFile.ts'
import { Stages } from '../stages.ts'
import { Control } from './control.ts'
import { type InfluenceTile, sweep, testsAtOnce, tilesOf } from './effects.ts'
import { inverse, settingsIn, settingsOf, trainTo } from './fit.ts'
import { Directions, observeAll } from './inverse.ts'
import {
  controlChecks,
  type DataValueOptions,
  type DataValueResult,
  type InfluenceControl,
  type InfluenceModelOptions,
  type InfluenceOptions,
  type InfluenceResult,
  modelChecks,
  type SelfInfluenceResult,
  testChecks,
  valueChecks,
} from './options.ts'
import { prepare, prepareTest, type Settings } from './prepare.ts'
import { asking, type Judged, joined, larger, outcome } from './question.ts'
import { Strongest } from './strongest.ts'

const { block, refine: steps } = defaults.influence

/** Of the layout of checkpoints. */
const version = 2

/**
 * θ of a model that was trained on `train`, and the inverse Fisher A there, factored once. Removing the training sample i,
 * whose weight 1/n becomes 0, moves θ by about A∇ℓ_i/n, and so changes a test loss by about ∇ℓ_testᵀA∇ℓ_i/n (Koh & Liang
 * 2017, equation 2): positive where the sample helps.
 */
export class InfluenceModel {
  readonly #problem: Problem
  readonly #point: Point
  readonly #fisher: Fisher
  readonly #train: SampleSet
  readonly #settings: Settings
  readonly #stages: Stages

  private constructor(
    problem: Problem,
    point: Point,
    fisher: Fisher,
    train: SampleSet,
    settings: Settings,
    stages: Stages,
  ) {
    this.#problem = problem
    this.#point = point
    this.#fisher = fisher
    this.#train = train
    this.#settings = settings
    this.#stages = stages
  }

  /**
   * Trains θ unless it is given, and makes the inverse. A `checkpoint` keeps both, and what later questions have so far.
   *
   * @throws NhgdError `ERR_RANGE`, `ERR_SHAPE` and `ERR_NOT_FINITE` for bad options or data; `ERR_CHECKPOINT` where the
   * checkpoint is that of another model, or can't be written; what `signal` was aborted with.
   */
  static async fit(options: InfluenceModelOptions): Promise<InfluenceModel> {
    const given = checkOptions(options, modelChecks, ['backend', 'model', 'train'])
    const ranks = new Ranks(given.communicator, given.signal)
    return ranks.together(() => InfluenceModel.#fit({ ...given, signal: ranks.signal }, ranks))
  }

  static async #fit(given: InfluenceModelOptions, ranks: Ranks): Promise<InfluenceModel> {
    const { backend, theta, seed = 0, checkpoint } = given
    const control = new Control(given)
    const { problem, settings, train } = prepare(settingsOf(given), given.train)
    const { oracles } = problem
    if (theta && theta.length !== oracles.innerLength)
      refuse('theta', `${oracles.innerLength} numbers`, theta.length, 'ERR_SHAPE')
    const point = problem.start(seed, theta && { inner: read(problem.vector(theta, 'theta')) })
    const fisher = inverse(backend, problem, point, settings)
    try {
      const start = theta && fingerprint([theta])
      const about = { version, task: 'influence', ...settings, seed, theta: start, data: problem.about() }
      await ranks.alike(about)
      const stages = await Stages.open(about, checkpoint, ranks)
      const made = await stages.take('model', async () => {
        const paced = problem.paced(control.pause)
        if (theta === undefined) await trainTo(point, { problem, settings, train, seed }, control)
        await observeAll(paced, point, fisher, seed, (done, total) => control.tell('inverse', done, total))
        return stages.kept ? { theta: read(point.inner), fisher: await fisher.save() } : undefined
      })
      if (made && stages.resumed) {
        point.inner.copyFrom(problem.vector(made.theta))
        await fisher.restore(made.fisher)
      }
      return new InfluenceModel(problem, point, fisher, train, settings, stages)
    } catch (error) {
      problem.dispose()
      fisher.dispose()
      throw error
    }
  }

  /**
   * Reads what {@link InfluenceModel.save} wrote, for the same training samples.
   *
   * @throws NhgdError `ERR_CHECKPOINT` for other files, and for other training samples.
   */
  static async load(
    { backend, train: set }: Pick<InfluenceModelOptions, 'backend' | 'train'>,
    bytes: Uint8Array,
  ): Promise<InfluenceModel> {
    const { tensors, text } = openModel(bytes)
    const { theta, fisher: state } = tensors
    const about = settingsIn(text('influence'))
    if (!theta || !(state?.data instanceof Uint8Array) || !about) {
      const expected = 'what InfluenceModel.save wrote'
      throw new NhgdError('ERR_CHECKPOINT', `"file" expected ${expected}, got another file`)
    }
    const { data, ...settings } = about
    const checked = checkOptions({ backend, train: set, ...settings }, modelChecks, ['backend', 'train'])
    const { problem, train } = prepare(settingsOf(checked), checked.train)
    const known = problem.oracles.innerLength === theta.data.length
    if (!known || JSON.stringify(problem.about()) !== JSON.stringify(data)) {
      throw new NhgdError('ERR_CHECKPOINT', '"train" expected the samples of the saved model, got others')
    }
    const point = problem.start(0, { inner: theta.data as Float64Array })
    const fisher = inverse(backend, problem, point, settings)
    await fisher.restore(state.data)
    return new InfluenceModel(problem, point, fisher, train, settings, await Stages.open({}))
  }

  /** θ. */
  get theta(): Float32Array | Float64Array {
    return read(this.#point.inner)
  }

  /** θ, the inverse and the settings as a file, safetensors unless another `format` is named; the samples are not in it. */
  async save({ format = 'safetensors' }: { readonly format?: ModelFormat } = {}): Promise<Uint8Array> {
    const [theta, state] = [this.theta, await this.#fisher.save()]
    const tensors = {
      theta: { data: theta, shape: [theta.length] },
      fisher: { data: state, shape: [state.length] },
    }
    return writeModel(format, tensors, { influence: { ...this.#settings, data: this.#problem.about() } })
  }

  /** The checkpoint that the model went on from, if it did, and what is wrong with newer ones. */
  get resumed(): { readonly file: string; readonly damaged: readonly string[] } | undefined {
    return this.#stages.resumed
  }

  /** What each training sample does to each test sample, the strongest effects alone: n × m numbers are never held. */
  async influence(options: InfluenceOptions): Promise<InfluenceResult> {
    const { test, top = defaults.influence.top, ...rest } = checkOptions(options, testChecks, ['test'])
    const { ranks, control, isOver } = asking(rest)
    const stage = `influence, top ${top}, test ${fingerprint(setData(test))}`
    const { samples } = this.#problem.oracles
    const none: Judged = { tests: [], sums: new Float64Array(samples) }
    let judged = this.#stages.begun<Judged>(stage) ?? none
    const work = async (directions: Directions, outer: Problem) => {
      const total = outer.oracles.outerSamples
      const [from, most] = [judged.tests.length, testsAtOnce(this.#problem)]
      for (let at = from; at < total && !(await isOver(at > from)); at = judged.tests.length) {
        const blocks = Math.min(ranks.size, Math.ceil((total - at) / most))
        const told = await ranks.sharedOut(blocks, (k) =>
          this.#judge(outer, directions, control, at + k * most, top),
        )
        judged = told.reduce(joined, judged)
        await this.#stages.soFar(stage, async () => judged)
      }
      const { tests, sums, residual } = judged
      const values = sums.map((sum) => sum / tests.length)
      return { tests, values, ...outcome(tests.length === total, residual, control) }
    }
    return this.#ask(test, { stage }, ranks, control, work).catch(this.#keeping(stage, () => judged))
  }

  /** The strongest effects on a block of test samples. */
  async #judge(outer: Problem, directions: Directions, control: Control, first: number, top: number) {
    const sums = new Float64Array(this.#problem.oracles.samples)
    let [strongest, all]: [Strongest, Float64Array] = [new Strongest(0, top), new Float64Array(0)]
    const to = first + testsAtOnce(this.#problem)
    for await (const { losses, rows, changes } of tilesOf(
      this.#trained,
      outer,
      directions,
      control,
      first,
      to,
    )) {
      if (rows === 0) strongest = new Strongest(losses.length, top)
      strongest.see(rows, changes, sums)
      all = losses
    }
    const tests = strongest.lists().map((lists, j) => ({ loss: all[j], ...lists }))
    return { tests, sums, ...(directions.residual !== undefined && { residual: directions.residual }) }
  }

  /** The effects on all test samples in tiles, for those who want more than the strongest. */
  async *tiles(options: DataValueOptions): AsyncGenerator<InfluenceTile, void> {
    const { test, ...rest } = checkOptions(options, valueChecks, ['test'])
    const [outer, control] = [this.#outer(test), new Control(rest)]
    try {
      for await (const tile of tilesOf(this.#trained, outer, this.#directions(outer, control), control, 0)) {
        yield { ...tile, changes: tile.changes.slice() }
      }
    } finally {
      outer.dispose()
    }
  }

  /**
   * By about how much the mean test loss changes when a training sample is removed: ∇fᵀA∇ℓ_i/n, with one solve for all test
   * samples. Positive values are those of samples that help.
   */
  async valueData(options: DataValueOptions): Promise<DataValueResult> {
    const { test, ...rest } = checkOptions(options, valueChecks, ['test'])
    const { ranks, control, isOver } = asking(rest)
    return this.#ask(test, { test: fingerprint(setData(test)) }, ranks, control, async (directions) => {
      await directions.take()
      const values = new Float64Array(this.#problem.oracles.samples).fill(Number.NaN)
      for await (const { rows, changes } of sweep(this.#trained, read(directions.u), control)) {
        values.set(changes, rows)
        if (await isOver()) break
      }
      return { values, ...outcome(!Number.isNaN(values.at(-1)), directions.residual, control) }
    })
  }

  /**
   * By about how much the loss of each training sample itself rises when it is removed: ∇ℓ_iᵀA∇ℓ_i/n ≥ 0. Large values are
   * those of samples that the others don't explain. Wrong labels are found a little better by losses + values, the losses
   * that samples would have if they were left out.
   */
  async selfInfluence(options: InfluenceControl = {}): Promise<SelfInfluenceResult> {
    const { ranks, control, isOver } = asking(checkOptions(options, controlChecks))
    const { samples } = this.#problem.oracles
    const directions = this.#directions(this.#problem, control, 0)
    const stage = 'self-influence'
    const begun = this.#stages.begun<{ readonly [name in 'values' | 'losses']: Float64Array }>(stage)
    const [values, losses] = [begun?.values, begun?.losses].map((known) => {
      const all = new Float64Array(samples).fill(Number.NaN)
      all.set(known ?? [])
      return all
    })
    let done = begun?.values.length ?? 0
    const state = () => ({ values: values.slice(0, done), losses: losses.slice(0, done) })
    // Where ranks share the samples out, each takes several before they meet.
    const most = ranks.several ? block.tests : 1
    const judge = async (first: number) => {
      const rows = Math.min(most, samples - first)
      const own = { values: new Float64Array(rows), losses: new Float64Array(rows) }
      for (let k = 0; k < rows; k++) {
        await control.pause()
        own.losses[k] = await directions.take(this.#problem.backend.Batch.of(Uint32Array.of(first + k)))
        own.values[k] = directions.target.dot(directions.u) / samples
      }
      return { ...own, residual: directions.residual }
    }
    let residual: number | undefined
    const work = async () => {
      for (const from = done; done < samples && !(await isOver(done > from)); ) {
        const blocks = Math.min(ranks.size, Math.ceil((samples - done) / most))
        const first = done
        for (const own of await ranks.sharedOut(blocks, (k) => judge(first + k * most))) {
          values.set(own.values, done)
          losses.set(own.losses, done)
          done += own.values.length
          residual = larger(residual, own.residual)
        }
        control.tell('samples', done, samples)
        await this.#stages.soFar(stage, async () => state())
      }
    }
    await ranks.together(work).catch(this.#keeping(stage, state))
    return { values, losses, ...outcome(done === samples, residual, control) }
  }

  /** Frees the uploaded samples and the inverse. */
  dispose(): void {
    this.#problem.dispose()
    this.#fisher.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** Does some work on test samples, which are freed when it ends; `about` tells it from others. */
  #ask<R>(
    test: SampleSet,
    about: object,
    ranks: Ranks,
    control: Control,
    work: (directions: Directions, outer: Problem) => Promise<R>,
  ): Promise<R> {
    return ranks.together(async () => {
      await ranks.alike(about)
      const outer = this.#outer(test)
      try {
        return await work(this.#directions(outer, control), outer)
      } finally {
        outer.dispose()
      }
    })
  }

  /** What to do where a question fails: the checkpoint, if there is one, gets what it has so far. */
  #keeping(stage: string, state: () => object): (error: unknown) => Promise<never> {
    return async (error) => {
      await this.#stages.soFar(stage, async () => state())
      await this.#stages.write()
      throw error
    }
  }

  get #trained() {
    return { problem: this.#problem, point: this.#point }
  }

  #directions(outer: Problem, control: Control, usual: number = steps): Directions {
    const { model, refine = isNetwork(model) ? 0 : usual } = this.#settings
    return new Directions(this.#problem.paced(control.pause), this.#point, this.#fisher, refine, outer)
  }

  #outer(test: SampleSet): Problem {
    return prepareTest({ ...this.#settings, backend: this.#problem.backend }, this.#train, test)
  }
}
