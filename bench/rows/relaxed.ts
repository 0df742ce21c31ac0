import { readFileSync } from 'node:fs'
import { type Backend, backendOf } from '../../ts/backend/backend.ts'
import { besidePackage } from '../../ts/backend/beside.ts'
import { distance, type Row } from '../harness/row.ts'
import { cleaning } from './wasm.ts'

/** The main job with products and sums fused, where the machine can, against the same with each rounded. */
export const relaxed: Row = {
  name: 'WebAssembly with relaxed SIMD: ten outer iterations of cleaning',
  rival: 'without',
  bar: null,
  unit: 'ten iterations',
  async prepare({ seed }) {
    const [ours, theirs] = [
      cleaning(await loaded(true), seed, false),
      cleaning(await loaded(false), seed, false),
    ]
    const check = async () => distance(await ours(), await theirs())
    return { ours: { run: ours }, theirs: { run: theirs }, check, tolerance: 2e-3 }
  },
}

/** An instance of its own: the library shares one. */
async function loaded(relaxed: boolean): Promise<Backend> {
  const { instance } = await import(new URL('../../build/wasm/nhgd.js', import.meta.url).href)
  const glue = instance()
  await glue.default({ module_or_path: readFileSync(besidePackage(relaxed)) })
  return backendOf(glue, 'wasm')
}
