import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { hasThreads, root } from './support/run.ts'

const test = suite('size')

/** Bytes with brotli that a page may have to load. */
const budgets = {
  'build/wasm/nhgd_bg.wasm': 350_000,
  'build/wasm-relaxed/nhgd_relaxed.wasm': 350_000,
  'build/wasm-scalar/nhgd_scalar.wasm': 350_000,
  ...(hasThreads() && {
    'build/wasm-threads/nhgd_threads.wasm': 365_000,
    'build/wasm-threads/nhgd_threads_relaxed.wasm': 365_000,
  }),
}

for (const [file, budget] of Object.entries(budgets)) {
  test(`${file} is within its budget`, () => {
    const size = brotliCompressSync(readFileSync(join(root, file))).length
    assert.ok(size <= budget, `${size} bytes with brotli, of ${budget}`)
  })
}

test.run()
