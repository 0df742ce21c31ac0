// The benchmarks in a browser: every row of the WebAssembly bench ends with a figure, under its name.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { buildPage } from '../bench/page/build.ts'
import { threads } from '../bench/rows/threads.ts'
import { wasm as rows } from '../bench/rows/wasm.ts'
import { threadedBesidePackage } from '../ts/backend/beside.ts'
import { withChromium, withServer } from './runtimes/support/chromium.ts'
import { hasThreads } from './runtimes/support/run.ts'

const test = suite('bench page')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-bench-'))

test.before(() => buildPage(folder))
test.after(() => rmSync(folder, { recursive: true, force: true }))

test('every row has a figure, and the file has the same', () =>
  withChromium((browser) =>
    withServer(folder, { isolated: hasThreads() }, async (url) => {
      const page = await browser.newPage()
      await page.goto(`${url}?seconds=0`)
      await page.waitForFunction(
        () => /^(Done|Failed|The worker)/.test(document.getElementById('status')?.textContent ?? ''),
        undefined,
        { timeout: 300_000 },
      )
      assert.match((await page.textContent('#status')) ?? '', /^Done, on relaxed/)
      const threaded = hasThreads() ? [threads(threadedBesidePackage).name] : []
      const names = [...rows.map(({ name }) => name), ...threaded]
      assert.equal(await page.locator('#rows th').allTextContents(), names)
      const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download')])
      const { entries } = JSON.parse(readFileSync(await download.path(), 'utf8'))
      assert.equal(
        entries.map(({ name }: { name: string }) => name),
        names,
      )
      for (const { name, seconds } of entries) assert.ok(seconds.ours > 0, name)
    }),
  ))

test.run()
