import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import type { Browser } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadBackend } from '../../ts/index.ts'
import { withChromium, withServer } from './support/chromium.ts'
import { type Answer, measure } from './support/conformance.ts'
import { judge, order } from './support/outcome.ts'
import type { PageOrder } from './support/page.ts'
import { hasThreads, root } from './support/run.ts'

const test = suite('chromium')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-chromium-'))

test.before(async () => {
  const entryPoints = { main: join(root, 'test', 'runtimes', 'support', 'page.ts') }
  await build({ entryPoints, outdir: folder, bundle: true, format: 'esm', logLevel: 'error' })
  for (const name of ['wasm', 'wasm-relaxed', 'wasm-threads']) {
    const from = join(root, 'build', name)
    if (existsSync(from)) cpSync(from, join(folder, 'build', name), { recursive: true })
  }
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
    withChromium(async (browser) => {
      judge(await ask(browser, where, { ...(await order('wasm')), source, isolated, simd: 'simd128' }))
    }))
}

test('it has relaxed SIMD; without, the bits are those of Node', () =>
  withChromium(async (browser) => {
    const work = { ...(await order('wasm')), isolated: false }
    judge(await ask(browser, 'nhgdPage', { ...work, simd: 'relaxed' }))
    const bits = await measure(await loadBackend({ backend: 'wasm', relaxed: false }))
    judge(await ask(browser, 'nhgdWorker', { ...work, relaxed: false, simd: 'simd128', bits }))
  }))

function ask(browser: Browser, where: 'nhgdPage' | 'nhgdWorker', work: PageOrder): Promise<Answer> {
  return withServer(folder, { isolated: work.isolated }, async (url) => {
    const page = await browser.newPage()
    await page.goto(url)
    return page.evaluate(
      ([where, work]) =>
        (globalThis as unknown as Record<string, (work: PageOrder) => Promise<Answer>>)[where](work),
      [where, work] as const,
    )
  })
}

if (hasThreads()) {
  test('a worker of an isolated page has helpers, which change no bit', () =>
    withChromium(async (browser) => {
      for (const relaxed of [true, false]) {
        const simd = relaxed ? 'relaxed' : 'simd128'
        const work = { ...(await order('wasm')), isolated: true, relaxed, simd }
        const { measured: bits } = await ask(browser, 'nhgdWorker', { ...work, helper: false })
        judge(await ask(browser, 'nhgdWorker', { ...work, threads: true, bits }))
      }
    }))

  const absent = '/absent.js'
  const without = {
    'where helpers do not start': {
      where: 'nhgdWorker',
      isolated: true,
      helper: absent,
      reason: /worker does not start/,
    },
    'where memory can’t be shared': {
      where: 'nhgdWorker',
      isolated: false,
      helper: '/main.js',
      reason: /crossOriginIsolated/,
    },
    'on a page’s own thread': {
      where: 'nhgdPage',
      isolated: true,
      helper: absent,
      reason: /load in a worker/,
    },
  } as const
  for (const [place, { where, isolated, helper, reason }] of Object.entries(without)) {
    test(`${place} one thread does the work, and it says why`, () =>
      withChromium(async (browser) => {
        const { info, outcomes } = await ask(browser, where, { ...(await order('wasm')), isolated, helper })
        assert.is(info.threads, 1)
        assert.is(info.skipped[0]?.backend, 'wasm with threads')
        assert.match(info.skipped[0].reason, reason)
        const failed = outcomes.filter(({ error }) => error !== undefined).map(({ name }) => name)
        assert.equal(failed, ['the backend is the one asked for']) // which is nothing skipped
      }))
  }
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
