import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from '../../ts/backend/crc32.ts'
import { loadBackend } from '../../ts/backend/load.ts'
import { lastWhole } from '../../ts/run/checkpointFile.ts'
import { save, solve } from '../../ts/run/solve.ts'
import { Random } from '../harness/random.ts'
import { bundled } from './bundle.ts'
import { runOptions, smallProblem } from './smallRun.ts'

/** What came of kills. */
export interface Kills {
  readonly kills: number
  /** Kills of a process that wrote a checkpoint at that moment: a part was left beside the file. */
  readonly amidWrite: number
  /** Runs that were killed until they came to their end. */
  readonly runs: number
}

const steps = 60

/**
 * Kills a process (SIGKILL) that writes its run after each step, at random moments, and lets the next one go on, until a
 * run has come to its end; then another begins. After each kill the file has to hold a whole checkpoint, with the bytes
 * that a run without interruption saves after the same step, and no older than the last one before.
 *
 * @throws where it does not.
 */
export async function killAtRandom(kills: number, seed: number): Promise<Kills> {
  const folder = await mkdtemp(join(tmpdir(), 'nhgd-kills-'))
  try {
    const script = await bundled('killed')
    const expected = await checksums()
    const random = new Random(seed)
    let [done, amidWrite, runs] = [0, 0, 0]
    while (done < kills) {
      const file = join(folder, `run${runs}`)
      let last = -1
      for (;;) {
        const ended = await once(script, file, done < kills ? random.whole(1, 400)[0] : undefined)
        const step = await stepOf(file, expected)
        if (step < last) throw new Error(`after step ${last} the file held step ${step}`)
        last = step
        if (ended) break
        done++
        if ((await readdir(folder)).some((name) => name.endsWith('.part'))) amidWrite++
      }
      if (last !== steps) throw new Error(`a run ended after step ${last}`)
      runs++
    }
    return { kills: done, amidWrite, runs }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** The checksum of what a run without interruption saves after each step. */
async function checksums(): Promise<Map<number, number>> {
  const found = new Map<number, number>()
  const backend = await loadBackend({ backend: 'native' })
  const run = solve(smallProblem(backend), {
    ...runOptions(steps),
    async onStep({ step }) {
      found.set(step, crc32(await save(run)))
    },
  })
  await run.result
  return found
}

/** Runs the child, and kills it so many milliseconds after its start; whether it came to its end. */
function once(script: string, file: string, milliseconds?: number): Promise<boolean> {
  const child = spawn(process.execPath, [script, file, `${steps}`], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [error, ended] = ['', false]
  child.stdout.on('data', (text) => {
    ended ||= `${text}`.includes('ended')
    if (milliseconds !== undefined && `${text}`.includes('started')) {
      setTimeout(() => child.kill('SIGKILL'), milliseconds)
    }
  })
  child.stderr.on('data', (text) => {
    error += text
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => {
      if (code === 0) resolve(ended)
      else if (signal === 'SIGKILL') resolve(false)
      else reject(new Error(`the run failed (${code ?? signal}): ${error}`))
    })
  })
}

/** The step that the file holds, −1 where there is no file yet. */
async function stepOf(file: string, expected: ReadonlyMap<number, number>): Promise<number> {
  const found = await lastWhole(file)
  if (!found) return -1
  if (found.damaged.length > 0) throw new Error(found.damaged.join('; '))
  const step = found.archive.tensors.get('run.outerStep')?.[0] ?? Number.NaN
  if (crc32(await readFile(file)) !== expected.get(step)) throw new Error(`other bytes after step ${step}`)
  return step
}
