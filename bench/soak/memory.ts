import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { withChromium, withServer } from '../../test/runtimes/support/chromium.ts'
import { bun, deno, run } from '../../test/runtimes/support/run.ts'
import { bundled } from './bundle.ts'
import type { Lives } from './lives.ts'

const limitMb = 256
const growthMb = 16

/** What runs a script. */
export const runtimes: Record<string, readonly [command: string, ...args: string[]]> = {
  node: [process.execPath, '--max-old-space-size=128'],
  deno: [deno, 'run', '--allow-all', '--node-modules-dir=manual'],
  bun: [bun, '--smol', 'run'],
}

/** Lives on a backend in a runtime: for some seconds, or some times. */
export async function liveIn(
  runtime: string,
  backend: string,
  seconds: number,
  times?: number,
): Promise<Lives> {
  const [command, ...args] = runtimes[runtime]
  const order = [await bundled('living'), backend, `${seconds}`, ...(times ? [`${times}`] : [])]
  return JSON.parse((await run(command, [...args, ...order])).trim().split('\n').at(-1) ?? '')
}

export async function liveOnPage(seconds: number): Promise<Lives | undefined> {
  const local = (path: string) => fileURLToPath(new URL(`../../build/${path}`, import.meta.url))
  const folder = local('soak/page')
  mkdirSync(folder, { recursive: true })
  const entryPoints = [fileURLToPath(new URL('livingPage.ts', import.meta.url))]
  await build({ entryPoints, outfile: `${folder}/main.js`, bundle: true, format: 'esm', logLevel: 'error' })
  for (const name of ['wasm', 'wasm-relaxed'])
    cpSync(local(name), `${folder}/build/${name}`, { recursive: true })
  writeFileSync(
    `${folder}/index.html`,
    '<!doctype html><meta charset="utf-8"><script type="module" src="/main.js"></script>',
  )
  let lives: Lives | undefined
  await withChromium((browser) =>
    withServer(folder, {}, async (url) => {
      const page = await browser.newPage()
      await page.goto(url)
      await page.waitForFunction(() => 'living' in globalThis)
      // Garbage in a page's small heap holds WebAssembly's memory for long: the page is asked to collect it now and then.
      const parts: Lives[] = []
      for (let part = 0; part < 12; part++) {
        const living = (seconds: number) =>
          (globalThis as unknown as { living(seconds: number): Promise<Lives> }).living(seconds)
        parts.push(await page.evaluate(living, seconds / 12))
        await page.requestGC()
        await page.waitForTimeout(100)
      }
      const most = (from: number, to: number) =>
        Math.max(...parts.slice(from, to).map(({ mostMb }) => mostMb))
      lives = {
        lives: parts.reduce((sum, part) => sum + part.lives, 0),
        mostMb: most(0, 12),
        grownMb: Number((most(9, 12) - most(3, 6)).toFixed(1)),
      }
    }),
  )
  return lives
}

/**
 * Makes, runs and frees problems on each backend of each runtime.
 *
 * @throws where the memory of one goes beyond 256 MB, or grows.
 */
export async function liveEverywhere(seconds: number): Promise<Record<string, Lives | undefined>> {
  const found: Record<string, Lives | undefined> = {}
  for (const runtime of Object.keys(runtimes)) {
    for (const backend of ['native', 'wasm']) {
      found[`${runtime}, ${backend}`] = await liveIn(runtime, backend, seconds)
    }
  }
  found['Chromium, wasm'] = await liveOnPage(seconds)
  for (const [where, lives] of Object.entries(found)) {
    if (!lives || (lives.mostMb < limitMb && lives.grownMb < growthMb)) continue
    throw new Error(`${where}: ${JSON.stringify(lives)}`)
  }
  return found
}
