// Measures the rows for WebAssembly, one after the other; its order is the seconds for each.
import type { BackendInfo } from '../../ts/backend/backend.ts'
import { simd } from '../../ts/backend/simd.ts'
import type { Threaded } from '../../ts/backend/threads.ts'
import { loadBackend } from '../../ts/wasm.ts'
import type { Entry } from '../harness/measure.ts'
import type { Side } from '../harness/row.ts'
import { threads } from '../rows/threads.ts'
import { wasm } from '../rows/wasm.ts'

/** The part of an entry of `npm run bench` that a browser can measure. */
export type Measured = Pick<Entry, 'name' | 'unit' | 'rounds' | 'seconds' | 'flops'>

export type Said =
  | { readonly kind: 'began'; readonly name: string }
  | { readonly kind: 'measured'; readonly entry: Measured }
  | { readonly kind: 'ended'; readonly info: BackendInfo }
  | { readonly kind: 'failed'; readonly message: string }

const say = (said: Said) => postMessage(said)
/** Seconds of one measurement at least: a browser's clock may tick in tenths of milliseconds. */
const cycle = 0.02

/** As files of the page, if they were there when it was built. */
async function threaded(): Promise<Threaded> {
  const glue = new URL('../../build/wasm-threads/nhgd.js', import.meta.url)
  return {
    ...(await import(/* @vite-ignore */ glue.href)),
    module:
      simd() === 'relaxed'
        ? new URL('../../build/wasm-threads/nhgd_threads_relaxed.wasm', import.meta.url)
        : new URL('../../build/wasm-threads/nhgd_threads.wasm', import.meta.url),
    helper: new URL('../../build/wasm-threads/nhgd_helper.js', import.meta.url),
  }
}

async function measureAll(seconds: number): Promise<void> {
  const backend = await loadBackend({ threads: false })
  for (const { name, unit, flops, prepare } of [
    ...wasm,
    ...(crossOriginIsolated ? [threads(threaded)] : []),
  ]) {
    say({ kind: 'began', name })
    const { ours } = await prepare({ backend, native: null, wasm: backend, openblas: null, seed: 1 })
    const { median, rounds } = await measure(ours, seconds)
    const entry = {
      name,
      unit,
      rounds,
      seconds: { ours: median, rival: null },
      flops: flops ? flops / median : null,
    }
    say({ kind: 'measured', entry })
  }
  say({ kind: 'ended', info: backend.info() })
}

async function measure(side: Side, seconds: number): Promise<{ median: number; rounds: number }> {
  let runs = 1
  while ((await time(side, runs)) * runs < cycle) runs *= 2
  const times: number[] = []
  const end = performance.now() + 1000 * seconds
  do times.push(await time(side, runs))
  while (performance.now() < end)
  times.sort((a, b) => a - b)
  return { median: times[times.length >> 1], rounds: times.length }
}

/** Seconds of a run, the mean of `runs`. */
async function time(side: Side, runs: number): Promise<number> {
  const start = performance.now()
  for (let i = 0; i < runs; i++) await side.run()
  return (performance.now() - start) / 1000 / runs
}

addEventListener('message', ({ data: seconds }: MessageEvent<number>) => {
  measureAll(seconds).catch((error) => say({ kind: 'failed', message: String(error) }))
})
