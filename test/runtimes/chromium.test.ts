import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { withChromium, withServer } from './support/chromium.ts'
import type { Outcome } from './support/conformance.ts'
import { judge, order } from './support/outcome.ts'
import type { PageOrder } from './support/page.ts'
import { root } from './support/run.ts'

const test = suite('chromium')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-chromium-'))

test.before(async () => {
  const entryPoints = { main: join(root, 'test', 'runtimes', 'support', 'page.ts') }
  await build({ entryPoints, outdir: folder, bundle: true, format: 'esm', logLevel: 'error' })
  copyFileSync(join(root, 'build', 'wasm', 'nhgd_bg.wasm'), join(folder, 'nhgd_bg.wasm'))
  const html = '<!doctype html><meta charset="utf-8"><script type="module" src="/main.js"></script>'
  writeFileSync(join(folder, 'index.html'), html)
})

test.after(() => rmSync(folder, { recursive: true, force: true }))

const places = [
  { where: 'nhgdPage', source: 'module', isolated: false },
  { where: 'nhgdPage', source: 'bytes', isolated: true },
  { where: 'nhgdWorker', source: 'url', isolated: false },
  { where: 'nhgdWorker', source: 'bytes', isolated: true },
] as const

for (const { where, source, isolated } of places) {
  const place = where === 'nhgdPage' ? 'a page' : 'a dedicated worker'
  test(`${place}${isolated ? ', isolated' : ''}, module from ${source}`, () =>
    withChromium((browser) =>
      withServer(folder, { isolated }, async (url) => {
        const page = await browser.newPage()
        await page.goto(url)
        const work: PageOrder = { ...(await order('wasm')), source, isolated }
        const outcomes = await page.evaluate(
          ([where, work]) =>
            (globalThis as unknown as Record<string, (work: PageOrder) => Promise<Outcome[]>>)[where](work),
          [where, work] as const,
        )
        judge(outcomes)
      }),
    ))
}

test('where there is no Chromium, CI fails', async () => {
  const { CI, CHROMIUM } = process.env
  const absent = () => withChromium(async () => assert.unreachable('there was one'))
  try {
    process.env.CHROMIUM = join(folder, 'chromium')
    delete process.env.CI
    await absent()
    process.env.CI = 'true'
    const failed = await absent().then(
      () => false,
      ({ message }) => /CI expected Chromium/.test(message),
    )
    assert.ok(failed)
  } finally {
    restore({ CI, CHROMIUM })
  }
})

function restore(environment: Record<string, string | undefined>): void {
  for (const [name, value] of Object.entries(environment)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
}

test.run()
