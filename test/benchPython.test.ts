import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('bench:python')

test('without Python it says so and exits with 2', () => {
  const empty = mkdtempSync(join(tmpdir(), 'nhgd-path-'))
  const script = fileURLToPath(new URL('../bench/python/setup.mjs', import.meta.url))
  const env = { PATH: empty, CARGO_HOME: empty }
  const { status, stdout, stderr } = spawnSync(process.execPath, [script], { env, encoding: 'utf8' })
  rmSync(empty, { recursive: true })
  assert.is(status, 2)
  assert.is(stdout, '')
  assert.match(stderr, /^bench:python: expected Python 3\.11 or newer.* there is none$/m)
  assert.not.match(stderr, / {4}at /)
})

test.run()
