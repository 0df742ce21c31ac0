import { loadPlotter } from './assets.ts'
import { renderCleaningReport } from './cleaning.ts'
import type { CleaningReport } from './content.ts'

export type { Plotter } from './cleaning.ts'
export type { Chart, CleaningReport, Curve, MethodResult, SuspectLabel } from './content.ts'
export { loadPlotter, renderCleaningReport }

/** {@link renderCleaningReport} with the installed uPlot inside (Node only). */
export function cleaningReport(report: CleaningReport): string {
  return renderCleaningReport(report, loadPlotter())
}
