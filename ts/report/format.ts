/** Stands for what is not known. */
export const MISSING = '–'

/** Four decimals, as accuracies are compared. */
export function figure(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? MISSING : value.toFixed(4)
}

/** Three digits. */
export function short(value: number): string {
  return String(Number(value.toPrecision(3)))
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

/** Thousands apart by narrow spaces. */
export function count(value: number): string {
  return value.toLocaleString('en').replaceAll(',', '\u202f')
}
