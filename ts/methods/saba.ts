import type { Batch, Sampler, Vector } from '../backend/binding.ts'
import { methods } from '../defaults.ts'
import { settingsOf } from './check.ts'
import type { Method } from './method.ts'
import { type SingleLoopOptions, singleLoop } from './singleLoop.ts'

export type SabaOptions = SingleLoopOptions

/**
 * SABA (Dagréou et al. 2022, arXiv 2201.13409, section 2.3): SOBA with the variance reduction of SAGA, new − old +
 * mean of the old. The samples of g and those of f are split into batches once, whose sizes differ by at most one; a
 * table remembers the sums of each batch. It starts at u = 0, where Cu and Lᵀu are zero.
 */
export function saba(options: SabaOptions = {}): Method {
  const settings = settingsOf(methods.saba, options)
  const { batchSize, outerBatchSize } = settings
  return singleLoop('saba', settings, {
    async init(problem, point, sampler, outerSampler) {
      const { oracles } = problem
      const [inner, outer] = [
        () => problem.zeros(point.inner.length),
        () => problem.zeros(point.outer.length),
      ]
      const zeros = () => ({ gradient: inner(), product: inner(), cross: outer() })
      const outerZeros = () => ({ target: inner(), direct: outer() })
      const batches = part(oracles.samples, batchSize, sampler)
      const outerBatches = part(oracles.outerSamples, outerBatchSize, outerSampler)
      const table = await Table.of(batches, zeros, async (batch, { gradient }) => {
        await oracles.innerGradient(point, batch, gradient)
      })
      const outerTable = await Table.of(outerBatches, outerZeros, async (batch, { target, direct }) => {
        await oracles.outerGradient(point, direct, target, batch)
      })
      return { table, outerTable }
    },
    next: ({ sampler, outerSampler, own }) => ({
      batch: own.table.draw(sampler),
      outerBatch: own.outerTable.draw(outerSampler),
    }),
    reduce({ target, direct, ...sums }, { table, outerTable }) {
      table.reduce(sums)
      outerTable.reduce({ target, direct })
    },
  })
}

/** Batches that together hold each sample once. */
function part(samples: number, size: number, sampler: Sampler): Batch[] {
  const m = Math.ceil(samples / size)
  return Array.from({ length: m }, (_, i) => sampler.take(Math.floor((samples + i) / m)))
}

/** What SAGA remembers: the sums of each batch, scaled by the batch's share of the samples, and their mean. */
class Table<Sums extends Readonly<Record<string, Vector>>> {
  readonly entries: Sums[]
  readonly mean: Sums
  /** The seed decides the batches, so a resumed run splits the samples in the same way. */
  readonly #batches: readonly Batch[]
  /** m n_i / n: all batches are drawn equally often, and larger ones count for more. */
  readonly #shares: number[]
  readonly #change: Sums
  #drawn = 0

  private constructor(batches: readonly Batch[], zeros: () => Sums) {
    const samples = batches.reduce((sum, batch) => sum + batch.length, 0)
    this.#batches = batches
    this.#shares = batches.map((batch) => (batches.length * batch.length) / samples)
    this.mean = zeros()
    this.#change = zeros()
    this.entries = batches.map(zeros)
  }

  /** A table whose entries `start` writes. */
  static async of<Sums extends Readonly<Record<string, Vector>>>(
    batches: readonly Batch[],
    zeros: () => Sums,
    start: (batch: Batch, entry: Sums) => Promise<void>,
  ): Promise<Table<Sums>> {
    const table = new Table(batches, zeros)
    for (const [i, entry] of table.entries.entries()) {
      await start(batches[i], entry)
      for (const key in entry) {
        entry[key].scale(table.#shares[i])
        table.mean[key].axpy(1 / batches.length, entry[key])
      }
    }
    return table
  }

  /** The batch of the next step. */
  draw(sampler: Sampler): Batch {
    this.#drawn = sampler.seed() % this.#batches.length
    return this.#batches[this.#drawn]
  }

  /** Turns the drawn batch's sums into an estimate over all samples, in place, and remembers them. */
  reduce(fresh: Sums): void {
    const entry = this.entries[this.#drawn]
    for (const key in entry) {
      const [change, mean] = [this.#change[key], this.mean[key]]
      fresh[key].scale(this.#shares[this.#drawn])
      change.copyFrom(fresh[key])
      change.axpy(-1, entry[key]) // new − old
      entry[key].copyFrom(fresh[key])
      fresh[key].copyFrom(mean)
      fresh[key].axpy(1, change) // new − old + mean
      mean.axpy(1 / this.entries.length, change)
    }
  }
}
