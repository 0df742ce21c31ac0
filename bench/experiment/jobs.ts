import { execFile } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Job, Run } from './job.ts'

export interface RunnerOptions {
  /** The file that receives the runs, one per line. */
  readonly lines: string
  /** Keeps the runs that the lines file holds; otherwise the file begins anew. */
  readonly resume: boolean
  /** Processes at a time. */
  readonly jobs: number
}

/** Runs a list of jobs and returns the runs in that order. A run that fails is left out. */
export type Runner = (jobs: readonly Job[]) => Promise<Run[]>

/** Runs jobs, each once and in a process of its own: a job that the lines file has is not run again. */
export function runner({ lines, resume, jobs: atOnce }: RunnerOptions): Runner {
  const script = fileURLToPath(new URL('run.ts', import.meta.url))
  const done = resume && existsSync(lines) ? readLines(lines) : new Map<string, Run>()
  if (done.size === 0) write(lines, '')

  async function run(job: Job, place: string): Promise<Run | undefined> {
    const key = JSON.stringify(job)
    const before = done.get(key)
    if (before) return before
    const { dataset, noise, kind, trusted, weighting } = job.cell
    const name = `${place} ${dataset} ${noise} ${kind} ${trusted} ${weighting}, ${job.method} ${job.candidate}, seed ${job.seed}`
    try {
      const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', script, key], {
        maxBuffer: 2 ** 28,
      })
      const run: Run = JSON.parse(stdout)
      appendFileSync(lines, `${JSON.stringify({ job, run })}\n`)
      const { outerLoss, accuracy, steps } = run
      console.error(`${name}: f ${outerLoss?.toFixed(3)}, accuracy ${accuracy?.toFixed(4)}, ${steps} steps`)
      return run
    } catch (error) {
      console.error(`${name} failed: ${(error as Error).message}`)
      return undefined
    }
  }

  return async (jobs) => {
    const runs: (Run | undefined)[] = []
    let next = 0
    const work = async () => {
      while (next < jobs.length) {
        const i = next++
        runs[i] = await run(jobs[i], `${i + 1}/${jobs.length}`)
      }
    }
    await Promise.all(Array.from({ length: atOnce }, work))
    return runs.filter((run) => run !== undefined)
  }
}

/** A run that was cut short may have left half a line at the end. */
function readLines(path: string): Map<string, Run> {
  const whole = readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'))
  const entries = whole.map((line) => JSON.parse(line) as { job: Job; run: Run })
  // Cuts off half a line at the end, so that the next line begins where it should.
  writeFileSync(path, whole.map((line) => `${line}\n`).join(''))
  return new Map(entries.map(({ job, run }) => [JSON.stringify(job), run]))
}

/** Writes a whole file, or leaves what was there. */
export function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(`${path}.part`, text)
  renameSync(`${path}.part`, path)
}
