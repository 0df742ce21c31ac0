// Runs every test: those of the Rust workspace, and each test/**/*.test.ts in a process of its own.
// Files under test/both run once on each backend, the others once.
//   node scripts/test.mjs [--backend native|wasm] [--only TEXT]
// The last line is `N passed, N failed`.
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { environment, local, root } from './setup/step.mjs'

const minutesPerFile = 15
const filesAtOnce = 2

const { values: options } = parseArgs({
  options: { backend: { type: 'string' }, only: { type: 'string', default: '' } },
})
