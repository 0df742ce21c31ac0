import { preconditionedConjugateGradients } from '../../ts/methods/preconditionedConjugateGradients.ts'
import type { Run } from './job.ts'
import { cellOf, group, mean } from './report.ts'

/** The default method of `solve`. */
const ours = preconditionedConjugateGradients().name

/** The measures that compare runs, and whether less is better. */
const measures: readonly (readonly [string, (run: Run) => number | null | undefined, boolean])[] = [
  ['seconds to f ≤ 0.30', (run) => run.secondsTo.f['0.30'], true],
  ['seconds to accuracy 0.915', (run) => run.secondsTo.accuracy['0.915'], true],
  ['f at the end', (run) => run.outerLoss, true],
  ['accuracy at the end', (run) => run.accuracy, false],
  ['F1', (run) => run.f1, false],
  ['AUC', (run) => run.auc, false],
]

/** One sentence per measure in which the default method is not the best. A method takes part if all its runs reached the measure. */
export function lost(runs: readonly Run[]): string[] {
  return [...group(runs, cellOf)].flatMap(([cell, inCell]) => {
    const methods = group(inCell, (run) => run.method)
    return measures.flatMap(([name, pick, less]) => {
      const means = [...methods].flatMap(([method, all]) => {
        const values = all.map(pick).filter((x): x is number => typeof x === 'number' && Number.isFinite(x))
        return values.length === all.length ? [{ method, value: mean(values) }] : []
      })
      const [best] = means.sort((a, b) => (less ? a.value - b.value : b.value - a.value))
      if (!best || best.method === ours) return []
      const own = means.find(({ method }) => method === ours)?.value.toFixed(4) ?? 'not in every run'
      return [`${cell}: ${name}, ${best.method} ${best.value.toFixed(4)}, ${ours} ${own}`]
    })
  })
}
