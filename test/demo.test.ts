// The live page as a visitor uses it: built once, served under a strict policy, clicked at in Chromium.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { buildDemo } from '../demo/build.ts'
import { parseChecked, writeNpy } from '../ts/data/index.ts'
import { withChromium, withServer } from './runtimes/support/chromium.ts'

const test = suite('demo')
const folder = mkdtempSync(join(tmpdir(), 'nhgd-demo-'))

test.before(() => buildDemo(folder, 1000))
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

/** What the page's console called an error, and what it asked for elsewhere than at its own server, since the last look. */
const errors: string[] = []
const elsewhere: string[] = []

async function open(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Page> {
  const context = await browser.newContext(options)
  // Of workers and of the service worker too.
  context.on('request', (request) => {
    const asked = request.url()
    const own = asked.startsWith(url) || asked.startsWith(`blob:${url}`)
    if (!own || request.method() !== 'GET') elsewhere.push(`${request.method()} ${asked}`)
  })
  const page = await context.newPage()
  page.setDefaultTimeout(180_000)
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()))
  page.on('websocket', (socket) => elsewhere.push(socket.url()))
  // The name keeper of the compiler that runs this file, for functions that run in the page.
  await page.addInitScript('globalThis.__name = (named) => named')
  await page.goto(url)
  // A server that closes while the service worker is fetched makes the browser report an error.
  await page.waitForFunction(() => document.getElementById('offline')?.textContent)
  return page
}

const visit = (use: (page: Page) => Promise<void>, options?: BrowserContextOptions) =>
  withChromium((browser) => withServer(folder, {}, async (url) => use(await open(browser, url, options))))

test.after.each(() => {
  assert.equal(errors.splice(0), [])
  assert.equal(elsewhere.splice(0), [])
})

const phone = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }

/** Starts a run by a button, and waits for its end; the first sentence says what was found. */
async function run(page: Page, button = '#start'): Promise<string> {
  await page.click(button)
  await page.waitForSelector('#stop[disabled]', { state: 'attached' })
  return (await page.textContent('#status')) ?? ''
}

async function giveFruit(page: Page, lines: readonly string[] = fruit, rows = '0-89'): Promise<void> {
  await page.check('[value=own]')
  await page.setInputFiles('#features', csv(lines))
  await page.waitForFunction(() => document.querySelector<HTMLInputElement>('#label')?.value === 'fruit')
  await page.locator('#own details').evaluate((details) => details.setAttribute('open', ''))
  await page.fill('#rows', rows)
}

const doubted = (page: Page) =>
  page
    .locator('#doubted [data-row]')
    .evaluateAll((all) => all.map((one) => Number((one as HTMLElement).dataset.row)))

async function downloaded(page: Page, button: string): Promise<{ name: string; text: string }> {
  const [download] = await Promise.all([page.waitForEvent('download'), page.click(button)])
  return { name: download.suggestedFilename(), text: readFileSync(await download.path(), 'utf8') }
}

test('digits: most wrong labels are found, and the end says how many', () =>
  visit(async (page) => {
    assert.match(await run(page), /^\d+ of \d+ labels look wrong, about \d+ of them really are\.$/)
    const words = (await page.textContent('#summary')) ?? ''
    const [, wrong, found, lost] =
      /In truth (\d+) of them are wrong\. (\d+) of these were found, and (\d+) right/
        .exec(words)
        ?.map(Number) ?? []
    assert.ok(wrong > 150 && found > 0.8 * wrong && lost < 0.2 * wrong, words)
    const drawn = await page
      .locator('#doubted canvas')
      .evaluateAll((all) => all.map((canvas) => (canvas as HTMLCanvasElement).toDataURL()))
    assert.is(drawn.length, 24)
    assert.is(new Set(drawn).size, 24)
    assert.ok((await page.locator('#helpful [data-row]').count()) > 0)
  }))

test('the page answers while its worker runs, and stops it', () =>
  visit(async (page) => {
    await page.click('#start')
    await page.waitForFunction(() => document.getElementById('status')?.textContent?.startsWith('Training'))
    await page.evaluate(async () => {
      for (let frames = 0; frames < 10; frames++) await new Promise(requestAnimationFrame)
    })
    assert.ok(await page.isVisible('#bar'))
    await page.click('#stop')
    assert.is(await page.textContent('#status'), 'Stopped.')
    assert.ok((await page.isHidden('#bar')) && (await page.isHidden('#results')))
    assert.ok(await page.isEnabled('#start'))
  }))

test('own CSV: what is wrong with it is said until it is mended, then its rows are ranked', () =>
  visit(async (page) => {
    const says = async (pattern: RegExp) => {
      await page.click('#start')
      await page.waitForSelector('#problem:not([hidden])')
      assert.match((await page.textContent('#problem')) ?? '', pattern)
    }
    await page.check('[value=own]')
    await says(/file of features/)
    await giveFruit(page)
    assert.ok(await page.isHidden('#problem'))
    await page.fill('#label', 'colour')
    await says(/expected a column "colour"/)
    await page.fill('#label', 'fruit')
    assert.ok(await page.isHidden('#problem'))
    await page.fill('#rows', '0-89, 600')
    await says(/"checked" expected rows below 600/)
    await page.fill('#rows', '0-89')
    await run(page)
    const rows = await doubted(page)
    assert.ok(rows.length >= 40 && rows.filter(isWrong).length >= 0.95 * rows.length, rows.join())
    assert.ok(!(await page.textContent('#summary'))?.includes('In truth'))
    assert.match((await page.textContent('#doubted')) ?? '', /width .*, height .*, weight /)
    const { name, text } = await downloaded(page, '#download')
    assert.is(name, 'issues.csv')
    const [header, ...lines] = text.trim().split('\n')
    assert.is(header, 'row,given,suggested,weight,score,rank,doubted')
    assert.is(lines.length, 510)
    const [row, label, suggested, , score, rank, isDoubted] = lines[0].split(',')
    assert.equal([row, label, rank, isDoubted], [String(rows[0]), kinds[given[rows[0]]], '1', 'true'])
    assert.is(suggested, kinds[rows[0] % 3])
    assert.ok(Number(score) > 0.5 && Number(score) <= 1)
  }))

test('checks by a click: kept, downloaded as the command takes them, and used by the next run', () =>
  visit(async (page) => {
    await giveFruit(page, fruit, '')
    assert.match(await run(page), /never saw them\. Nobody has checked enough/)
    const rows = await doubted(page)
    const answer = async (row: number, how: string) => {
      await page.click(`#doubted [data-row="${row}"]`)
      if (how === 'other') await page.selectOption('#other', { index: 1 })
      else await page.click(`#${how}`)
    }
    for (const row of rows.slice(0, 11)) await answer(row, isWrong(row) ? 'suggested' : 'right')
    await answer(rows[11], 'wrong')
    await answer(rows[12], 'right')
    await answer(rows[12], 'forget')
    await answer(rows[13], 'other')
    assert.match((await page.textContent('#checks')) ?? '', /^13 labels are checked/)
    assert.is(await page.locator('#doubted .checked').count(), 13)
    const { name, text } = await downloaded(page, '#save')
    assert.is(name, 'checked.csv')
    const checked = parseChecked({ name, bytes: Buffer.from(text) }, { names: kinds, labels: given })
    assert.equal([...checked.rows], [...rows.slice(0, 12), rows[13]])
    for (const [i, row] of rows.slice(0, 11).entries()) assert.is(checked.labels[i], row % 3)
    // Doubted rows are no random sample.
    assert.ok(checked.random?.every((random) => !random))
    assert.is(checked.labels[11], -1)
    assert.ok(![given[rows[13]], rows[13] % 3].includes(checked.labels[12]))
    assert.match(await run(page, '#again'), /really are\.$/)
    for (const row of checked.rows) assert.not((await doubted(page)).includes(row))
    // The next visit to the same data knows them.
    await page.reload()
    await giveFruit(page, fruit, '')
    await run(page)
    assert.match((await page.textContent('#checks')) ?? '', /^13 labels are checked/)
    // Other labels are other data.
    await giveFruit(page, [...fruit.slice(1), fruit[0]], '')
    await run(page)
    assert.not.match((await page.textContent('#checks')) ?? '', /checked/)
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
        'checked.npy',
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
    await run(page)
    const rows = await doubted(page)
    assert.is(rows.length, 24)
    assert.ok(rows.every(isWrong))
    assert.is(await page.locator('#doubted canvas').count(), 24)
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
    await giveFruit(page)
    await run(page)
    assert.ok((await doubted(page)).length > 0)
  }))

test('the policy of the page alone lets nothing out, though a script of the page asks', () =>
  withChromium(async (browser) => {
    const heard: string[] = []
    const stranger = createServer((request, response) => {
      heard.push(request.url ?? '')
      response.writeHead(200, { 'Access-Control-Allow-Origin': '*' }).end()
    })
    await new Promise<void>((listening) => stranger.listen(0, '127.0.0.1', listening))
    const { port } = stranger.address() as AddressInfo
    try {
      await withServer(folder, { policy: 'default-src * data: blob:' }, async (url) => {
        const page = await open(browser, url)
        await page.evaluate(async (target) => {
          const image = new Image()
          const loaded = new Promise((told) => image.addEventListener('error', told))
          image.src = `${target}/picture`
          await Promise.allSettled([fetch(`${target}/fetch`, { method: 'POST', body: 'rows' }), loaded])
          navigator.sendBeacon(`${target}/beacon`, 'rows')
        }, `http://127.0.0.1:${port}`)
        await page.waitForTimeout(200)
      })
    } finally {
      stranger.close()
    }
    assert.equal(heard, [])
    assert.ok(errors.splice(0).some((one) => /Content Security Policy/.test(one)))
    elsewhere.length = 0
  }))

test('on a phone Start is on the first screen, nothing sticks out, and every control has a name', () =>
  visit(
    async (page) => {
      const fits = async () =>
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
      const startsHigh = async () => {
        const box = await page.locator('#start').boundingBox()
        assert.ok(
          box && box.y + box.height <= phone.viewport.height,
          `Start ends at ${box && box.y + box.height}`,
        )
      }
      await fits()
      await startsHigh()
      await page.check('[value=own]')
      await startsHigh()
      await giveFruit(page)
      await fits()
      await run(page)
      await fits()
      await page.click('#doubted button')
      await fits()
      const nameless = await page.locator('input, select, button, progress').evaluateAll((all) =>
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
    { ...phone, colorScheme: 'dark' },
  ))

test.run()
