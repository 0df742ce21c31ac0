import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

const types: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.wasm': 'application/wasm',
}

/** The least that WebAssembly needs: no eval, nothing from elsewhere. */
export const strictPolicy =
  "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'"

/**
 * Hands a browser to `use`. Where there is none, which the setup of the run has told or mended, it does nothing; in CI,
 * where nobody reads that, it fails.
 */
export async function withChromium(use: (browser: Browser) => Promise<void>): Promise<void> {
  const executablePath = process.env.CHROMIUM || '/usr/bin/chromium'
  if (!existsSync(executablePath)) {
    if (process.env.CI) throw new Error(`CI expected Chromium at ${executablePath} or in $CHROMIUM, got none`)
    return
  }
  const browser = await chromium.launch({ executablePath, args: flags })
  try {
    await use(browser)
  } finally {
    await browser.close()
  }
}

/** Serves a folder under a strict policy while `use` runs; `isolated` lets pages share memory with their workers. */
export async function withServer<Result>(
  folder: string,
  { isolated = false, policy = strictPolicy },
  use: (url: string) => Promise<Result>,
): Promise<Result> {
  const headers = {
    'Content-Security-Policy': policy,
    ...(isolated && {
      'Cross-Origin-Opener-Policy': 'same-origin',
      'Cross-Origin-Embedder-Policy': 'require-corp',
    }),
  }
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost')
    const file = pathname.endsWith('/') ? `${pathname}index.html` : pathname
    try {
      const content = await readFile(join(folder, file))
      response.writeHead(200, {
        ...headers,
        'Content-Type': types[extname(file)] ?? 'application/octet-stream',
      })
      response.end(content)
    } catch {
      response.writeHead(404, headers).end()
    }
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  try {
    return await use(`http://localhost:${(server.address() as AddressInfo).port}/`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}
