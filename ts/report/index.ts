import { loadPlotter } from './assets.ts'
import { renderCleaningReport } from './cleaning.ts'
import type { CleaningReport } from './content.ts'
import { type DistillationReport, renderDistillationReport } from './distillation.ts'
import { renderTuningReport, type TuningReport } from './tuning.ts'

export type { Chart, CleaningReport, Curve, MethodResult, SuspectLabel } from './content.ts'
export type { Plotter } from './html.ts'
export { type DistillationReport, loadPlotter, renderCleaningReport, type TuningReport }

/** {@link renderDistillationReport} with the installed uPlot inside (Node only). */
export function distillationReport(report: DistillationReport): string {
  return renderDistillationReport(report, loadPlotter())
}

/** {@link renderTuningReport} with the installed uPlot inside (Node only). */
export function tuningReport(report: TuningReport): string {
  return renderTuningReport(report, loadPlotter())
}

/** {@link renderCleaningReport} with the installed uPlot inside (Node only). */
export function cleaningReport(report: CleaningReport): string {
  return renderCleaningReport(report, loadPlotter())
}
