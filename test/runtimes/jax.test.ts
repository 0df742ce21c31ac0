import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadBackend } from '../../ts/index.ts'
import { close } from '../support/close.ts'
import { withChromium, withServer } from './support/chromium.ts'
import { jaxHypergradient } from './support/jaxPage.ts'
import { root } from './support/run.ts'

const test = suite('jax-js on a page')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-jax-'))
test.after(() => rmSync(folder, { recursive: true, force: true }))

test('the hypergradient of functions of jax-js is that of Node', async () => {
  const entryPoints = { main: join(root, 'test', 'runtimes', 'support', 'jaxPage.ts') }
  await build({
    entryPoints,
    outdir: folder,
    bundle: true,
    format: 'esm',
    splitting: true,
    logLevel: 'error',
  })
  cpSync(join(root, 'build', 'wasm', 'nhgd_bg.wasm'), join(folder, 'nhgd_bg.wasm'))
  const html = '<!doctype html><meta charset="utf-8"><script type="module" src="/main.js"></script>'
  writeFileSync(join(folder, 'index.html'), html)
  const expected = await jaxHypergradient(await loadBackend({ backend: 'wasm' }))
  assert.ok(Math.max(...expected.map(Math.abs)) > 1e-3)
  await withChromium((browser) =>
    withServer(folder, { isolated: false }, async (url) => {
      const page = await browser.newPage()
      await page.goto(url)
      const found = await page.evaluate(() =>
        (globalThis as unknown as { jaxOnPage: () => Promise<number[]> }).jaxOnPage(),
      )
      close(found, expected, 1e-5)
    }),
  )
})

test.run()
