import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const root = new URL('..', import.meta.url)
const { version, scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'))

function told(backend: string) {
  const env = { ...process.env, NHGD_BACKEND: backend }
  const { stdout } = spawnSync(process.execPath, ['build/cli/main.js', 'info'], {
    cwd: fileURLToPath(root),
    env,
  })
  return JSON.parse(String(stdout))
}

test('what npm start runs is bundled, and finds the package and both backends', async () => {
  const { bundleCommand } = await import(new URL('scripts/command.mjs', root).href)
  await bundleCommand()
  assert.match(scripts.start, /^node build\/cli\/main\.js clean/)
  for (const backend of ['native', 'wasm']) {
    const info = told(backend)
    assert.equal([info.backend, info.package], [backend, version])
  }
})

test.run()
