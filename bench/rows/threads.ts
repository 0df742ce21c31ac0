import { backendOf } from '../../ts/backend/backend.ts'
import { loadThreaded, type ThreadedSource } from '../../ts/backend/threads.ts'
import { distance, type Row } from '../harness/row.ts'
import { cleaning } from './wasm.ts'

/** The main job with helpers, of whichever place they come from, against the same without. */
export function threads(source: ThreadedSource): Row {
  return {
    name: 'WebAssembly with threads: ten outer iterations of cleaning',
    rival: 'one thread',
    bar: 0.6,
    unit: 'ten iterations',
    clock: 'wall',
    async prepare({ wasm, seed }) {
      if (!wasm) throw new Error('the wasm backend does not load: run "npm run setup"')
      const backend = backendOf((await loadThreaded(source)).binding, 'wasm')
      const [ours, theirs] = [cleaning(backend, seed, true), cleaning(wasm, seed, false)]
      // The same bits.
      const check = async () => distance(await ours(), await theirs())
      return { ours: { run: ours }, theirs: { run: theirs }, check, tolerance: 0 }
    },
  }
}
