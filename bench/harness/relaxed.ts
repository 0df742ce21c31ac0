// Imported before what looks whether there is relaxed SIMD: Node 20 has it behind a flag, later versions without.
import { setFlagsFromString } from 'node:v8'
import { simd } from '../../ts/backend/simd.ts'

if (simd() !== 'relaxed' && process.versions.node.startsWith('20.')) {
  setFlagsFromString('--experimental-wasm-relaxed-simd')
}
