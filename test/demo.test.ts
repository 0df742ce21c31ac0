// The live page as a visitor uses it: built once, served under a strict policy, clicked at in Chromium.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { buildDemo } from '../demo/build.ts'
import { writeNpy } from '../ts/data/index.ts'
import { withChromium, withServer } from './runtimes/support/chromium.ts'

const test = suite('demo')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-demo-'))

test.before(() => buildDemo(folder, 3000))
test.after(() => rmSync(folder, { recursive: true, force: true }))

/** Three kinds of fruit around three corners; every fourth label after the first 90 rows is wrong. */
const kinds = ['apple', 'pear', 'plum']
const isWrong = (row: number) => row >= 90 && row % 4 === 0
const given = Array.from({ length: 600 }, (_, row) => (isWrong(row) ? (row + 1) % 3 : row % 3))
const noise = (k: number) => (Math.sin(12.9898 * k) * 43758.5453) % 1
const size = (row: number, j: number) => (j === row % 3 ? 2 : 0) + noise(3 * row + j + 1)
const fruit = given.map((kind, row) => [...[0, 1, 2].map((j) => size(row, j).toFixed(3)), kinds[kind]].join())
const csv = (lines: readonly string[]) => ({
  name: 'fruit.csv',
  mimeType: 'text/csv',
  buffer: Buffer.from(`width,height,weight,fruit\n${lines.join('\n')}\n`),
})
const npy = (name: string, data: Uint8Array, shape: number[]) => ({
  name,
  mimeType: 'application/octet-stream',
  buffer: Buffer.from(writeNpy({ data, shape })),
})

/** What the page's console called an error since the last look. */
const errors: string[] = []

async function open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options)
  const page = await context.newPage()
  page.setDefaultTimeout(120_000)
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
  // The name keeper of the compiler that runs this file, for functions that run in the page.
  await page.addInitScript('globalThis.__name = (named) => named')
  await page.addInitScript(countMessages)
  await page.goto(url)
  return page
}

/** Runs in the page: when its worker spoke. */
function countMessages(): void {
  const times: number[] = []
  const Plain = Worker
  class Counted extends Plain {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options)
      this.addEventListener('message', () => times.push(performance.now()))
    }
  }
  Object.assign(globalThis, { Worker: Counted, messageTimes: times })
}

const visit = (use: (page: Page) => Promise<void>, options?: BrowserContextOptions) =>
  withChromium((browser) => withServer(folder, {}, async (url) => use(await open(browser, url, options))))

const number = async (page: Page, id: string) => Number.parseFloat((await page.textContent(`#${id}`)) ?? '')
const status = (page: Page, start: string) =>
  page.waitForFunction((start) => document.getElementById('status')?.textContent?.startsWith(start), start)
const stepAbove = (page: Page, step: number) =>
  page.waitForFunction(
    (step) => Number.parseInt(document.getElementById('step')?.textContent ?? '', 10) > step,
    step,
  )

async function giveFruit(page: Page, lines: readonly string[], trusted = '0-89'): Promise<void> {
  await page.check('[value=own]')
  await page.setInputFiles('#features', csv(lines))
  await page.waitForFunction(() => document.querySelector<HTMLInputElement>('#label')?.value === 'fruit')
  await page.fill('#rows', trusted)
}

test('digits: better than believing every label, stopped and resumed while it runs', () =>
  visit(async (page) => {
    await page.fill('#steps', '1000')
    await page.click('#start')
    await stepAbove(page, 5)
    const baseline = Number(/[\d.]+/.exec((await page.textContent('#gain')) ?? '')?.[0])
    assert.ok(baseline > 50 && (await number(page, 'accuracy')) > baseline + 1, `baseline ${baseline}`)
    // Of the same ranking by `cleanLabels` on all of MNIST: 0.99.
    assert.ok((await number(page, 'auc')) > 0.95)
    const pictures = page.locator('#gallery li')
    assert.is(await pictures.count(), 24)
    assert.ok((await page.locator('#gallery .right').count()) >= 20)
    const drawn = await page.locator('#gallery canvas').evaluateAll((all) =>
      all.map((canvas) => {
        const context = (canvas as HTMLCanvasElement).getContext('2d')
        return context
          ?.getImageData(0, 0, 28, 28)
          .data.filter((_, i) => i % 4 === 0)
          .join()
      }),
    )
    assert.is(new Set(drawn).size, 24)
    for (let round = 0; round < 2; round++) {
      await page.click('text=Stop')
      await status(page, 'Stopped')
      const step = await number(page, 'step')
      await page.waitForTimeout(500)
      assert.is(await number(page, 'step'), step)
      await page.click('text=Resume')
      await stepAbove(page, step)
    }
    const frames = await page.evaluate(async () => {
      const step = () => Number.parseInt(document.getElementById('step')?.textContent ?? '', 10)
      const from = step()
      for (let frames = 0; ; frames++) {
        await new Promise(requestAnimationFrame)
        if (step() >= from + 4) return frames
      }
    })
    assert.ok(frames > 8, `${frames} frames in four steps: the page waits for its worker`)
  }))

test('own CSV: what is wrong with it is said, then its rows are ranked', () =>
  visit(async (page) => {
    const says = async (pattern: RegExp) => {
      await page.click('#start')
      await page.waitForSelector('#problem:not([hidden])')
      assert.match((await page.textContent('#problem')) ?? '', pattern)
    }
    await page.check('[value=own]')
    await says(/file of features/)
    await giveFruit(page, ['1,2,heavy,apple', ...fruit])
    await says(/expected a number in every cell, got "heavy" in row 0, column "weight"/)
    await page.setInputFiles('#features', csv(fruit))
    await page.fill('#label', 'colour')
    await says(/expected a column "colour"/)
    await page.fill('#label', 'fruit')
    await page.fill('#rows', '0-89, 600')
    await says(/"trusted" expected rows below 600/)
    await page.fill('#rows', '0-89')
    await page.click('#start')
    await status(page, 'Done')
    assert.ok(await page.isHidden('#problem'))
    assert.ok(await page.isHidden('#accuracy'))
    const rows = await page.locator('#ranked tbody td:first-child').allTextContents()
    assert.is(rows.length, 100)
    assert.ok(rows.every((row) => isWrong(Number(row))))
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download')])
    assert.is(download.suggestedFilename(), 'issues.csv')
    const [header, ...lines] = readFileSync(await download.path(), 'utf8')
      .trim()
      .split('\n')
    assert.is(header, 'index,given,suggested,weight,score,rank')
    assert.is(lines.length, 510)
    const [index, label, suggested] = lines[0].split(',')
    assert.is(index, rows[0])
    assert.is(label, kinds[given[Number(index)]])
    assert.is(suggested, kinds[Number(index) % 3])
  }))

test('own NPY: pictures, files dropped on the form', () =>
  visit(async (page) => {
    const pixels = Uint8Array.from({ length: 600 * 9 }, (_, k) => {
      const [row, pixel] = [Math.floor(k / 9), k % 9]
      return Math.round(255 * Math.min(1, Math.max(0, size(row, pixel % 3) / 3)))
    })
    const dropped = [
      npy('X.npy', pixels, [600, 3, 3]),
      npy('labels.npy', Uint8Array.from(given), [600]),
      npy(
        'trusted.npy',
        Uint8Array.from({ length: 90 }, (_, row) => row),
        [90],
      ),
    ].map(({ name, buffer }) => ({ name, bytes: [...buffer] }))
    await page.check('[value=own]')
    await page.evaluate((files) => {
      const dataTransfer = new DataTransfer()
      for (const { name, bytes } of files) dataTransfer.items.add(new File([Uint8Array.from(bytes)], name))
      document.getElementById('own')?.dispatchEvent(new DragEvent('drop', { dataTransfer, cancelable: true }))
    }, dropped)
    await page.click('#start')
    await status(page, 'Done')
    const names = page.locator('#gallery canvas')
    const rows = await names.evaluateAll((all) =>
      all.map((one) => /Row (\d+)/.exec(one.ariaLabel ?? '')?.[1]),
    )
    assert.is(rows.length, 24)
    assert.ok(rows.every((row) => isWrong(Number(row))))
  }))

test('every method that is offered runs, and the worker sends few messages', () =>
  visit(async (page) => {
    await giveFruit(page, fruit)
    await page.fill('#steps', '5')
    const offered = page.locator('#method option')
    const names = await offered.evaluateAll((all) => all.map((one) => (one as HTMLOptionElement).value))
    assert.ok(names.length >= 5)
    for (const name of names) {
      await page.selectOption('#method', name)
      await page.click('#start')
      await status(page, 'Done after 5')
      assert.ok(await page.isHidden('#problem'), name)
    }
    await page.fill('#steps', '300')
    await page.click('#start')
    await status(page, 'Done after 300')
    const times = await page.evaluate(
      () => (globalThis as unknown as { messageTimes: number[] }).messageTimes,
    )
    const busiest = Math.max(...times.map((from) => times.filter((t) => t >= from && t < from + 1000).length))
    assert.ok(busiest <= 20, `${busiest} messages in a second`)
  }))

test('offline, once it was open', () =>
  withChromium(async (browser) => {
    let page: Page | undefined
    await withServer(folder, {}, async (url) => {
      page = await open(browser, url)
      await page.waitForFunction(() => document.getElementById('offline')?.textContent !== '')
    })
    if (!page) throw new Error('no page')
    // The server is gone.
    await page.reload()
    await page.fill('#steps', '1')
    await page.click('#start')
    await status(page, 'Done after 1')
    assert.is(await page.locator('#gallery li').count(), 24)
  }))

test('on a phone nothing sticks out, and every control has a name', () =>
  visit(
    async (page) => {
      const fits = async () =>
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
      await fits()
      await page.fill('#steps', '1')
      await page.click('#start')
      await status(page, 'Done')
      await fits()
      await giveFruit(page, fruit)
      await fits()
      await page.click('#start')
      await status(page, 'Done')
      await fits()
      const nameless = await page.locator('input, select, button').evaluateAll((all) =>
        all
          .filter((one) => {
            const { labels, textContent, ariaLabel } = one as HTMLInputElement
            return (
              ![...(labels ?? [])].some((label) => label.textContent?.trim()) &&
              !ariaLabel &&
              !textContent?.trim()
            )
          })
          .map((one) => one.id),
      )
      assert.equal(nameless, [])
      const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
      const dark = await ground()
      await page.emulateMedia({ colorScheme: 'light' })
      assert.is.not(await ground(), dark)
    },
    { viewport: { width: 360, height: 740 }, colorScheme: 'dark', hasTouch: true, isMobile: true },
  ))

test.run()
