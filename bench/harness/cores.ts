import { readFileSync } from 'node:fs'

/** How busy the cores were during a measurement. */
export interface Cores {
  /** Share of the time that each core worked, for whomever. */
  readonly busy: readonly number[]
  /** How many cores other processes, or other guests of the host, took. */
  readonly others: number
}

/** Cores that others may take before a row counts as measured on a loaded machine. */
export const mostOthers = 0.1

/** Jiffies of the first eight kinds: user, nice, system, idle, iowait, irq, softirq, steal. */
type Ticks = readonly number[]

/** The lines of /proc/stat for each core; nothing where there is no such file. */
function ticks(): Ticks[] | undefined {
  try {
    return coresOf(readFileSync('/proc/stat', 'utf8'))
  } catch {
    return undefined
  }
}

export function coresOf(stat: string): Ticks[] {
  const lines = stat.split('\n').filter((line) => /^cpu\d+ /.test(line))
  return lines.map((line) => line.split(/\s+/).slice(1, 9).map(Number))
}

/** Begins to watch the cores; the function that it gives says how busy they were since. Nothing off Linux. */
export function watchCores(): () => Cores | null {
  const [before, own] = [ticks(), process.cpuUsage()]
  const began = performance.now()
  return () => {
    const after = ticks()
    if (!before || !after) return null
    const { user, system } = process.cpuUsage(own)
    return between(before, after, (user + system) / 1000 / (performance.now() - began))
  }
}

/** `own` is how many cores this process took. */
export function between(before: readonly Ticks[], after: readonly Ticks[], own: number): Cores {
  const busy = after.map((now, core) => {
    const spent = now.map((n, kind) => n - (before[core]?.[kind] ?? 0))
    const all = spent.reduce((sum, n) => sum + n, 0)
    return all > 0 ? 1 - (spent[3] + spent[4]) / all : 0
  })
  return { busy, others: Math.max(0, busy.reduce((sum, share) => sum + share, 0) - own) }
}

/** What a table says of a row that was measured beside others. */
export function loaded(cores: Cores | null | undefined): string {
  if (!cores || cores.others <= mostOthers) return ''
  const shares = cores.busy.map((share) => `${Math.round(100 * share)} %`).join(', ')
  return `loaded machine: others took ${cores.others.toFixed(1)} cores (busy ${shares})`
}
