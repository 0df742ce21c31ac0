import { loadPlotter } from './assets.ts'
import { type CleaningReport, renderCleaningReport } from './cleaning.ts'

export type { Chart, CleaningReport, Curve, MethodResult, Plotter, SuspectLabel } from './cleaning.ts'
export { loadPlotter, renderCleaningReport }

/** {@link renderCleaningReport} with the installed uPlot inside (Node only). */
export function cleaningReport(report: CleaningReport): string {
  return renderCleaningReport(report, loadPlotter())
}
