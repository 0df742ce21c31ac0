import { fileURLToPath } from 'node:url'
import { build, preview } from 'vite'

const root = fileURLToPath(new URL('.', import.meta.url))

/** Builds the page into `outDir`, which is emptied first. */
export async function buildPage(outDir: string): Promise<void> {
  await build({
    root,
    base: './',
    configFile: false,
    logLevel: 'warn',
    worker: { format: 'es' },
    build: { outDir, emptyOutDir: true, modulePreload: { polyfill: false } },
  })
}

/** Builds the page into build/bench and serves it. */
export async function servePage(): Promise<void> {
  const outDir = fileURLToPath(new URL('../../build/bench', import.meta.url))
  await buildPage(outDir)
  // Isolated, so that threads may share memory.
  const headers = {
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Embedder-Policy': 'require-corp',
  }
  const server = await preview({ configFile: false, build: { outDir }, preview: { headers } })
  server.printUrls()
}
