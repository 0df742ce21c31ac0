import { existsSync } from 'node:fs'
import { threadedBesidePackage } from '../../ts/backend/beside.ts'
import { simd } from '../../ts/backend/simd.ts'
import type { Row } from '../harness/row.ts'
import { callbacks } from './callbacks.ts'
import { concurrency } from './concurrency.ts'
import { cross } from './cross.ts'
import { dense } from './dense.ts'
import { gemm } from './gemm.ts'
import { gradients } from './gradients.ts'
import { javascript } from './javascript.ts'
import { jax } from './jax.ts'
import { jaxProblems } from './jaxProblem.ts'
import { kronecker } from './kronecker.ts'
import { relaxed } from './relaxed.ts'
import { scaling } from './scaling.ts'
import { threads } from './threads.ts'
import { wasm } from './wasm.ts'
import { window } from './window.ts'

const threadsAreBuilt = existsSync(new URL('../../build/wasm-threads', import.meta.url))

/** Every row, in the order of the table. */
export const rows: readonly Row[] = [
  ...dense,
  ...window,
  ...kronecker,
  ...gemm,
  ...gradients,
  ...cross,
  ...concurrency,
  ...callbacks,
  ...scaling,
  ...javascript,
  ...wasm,
  ...(simd() === 'relaxed' ? [relaxed] : []),
  ...(threadsAreBuilt ? [threads(threadedBesidePackage)] : []),
  ...jax,
  ...jaxProblems,
]
