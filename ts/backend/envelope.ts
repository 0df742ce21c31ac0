import { type ErrorCode, NhgdError } from './errors.ts'

/** Opens what a promise of a binding resolves to: the report, or an error that is thrown. */
export function openEnvelope<Report>(envelope: string): Report {
  const { report, error } = JSON.parse(envelope) as {
    report: Report
    error?: { code: ErrorCode; message: string }
  }
  if (error) throw new NhgdError(error.code, error.message)
  return report
}
