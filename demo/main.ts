// npm run demo: builds the live page into build/demo and serves it; with --build it only builds.
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { preview } from 'vite'
import { buildDemo } from './build.ts'

const outDir = fileURLToPath(new URL('../build/demo', import.meta.url))

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { build: { type: 'boolean' } } })
  await buildDemo(outDir)
  console.log(`the page is in ${join('build', 'demo')}: any static host can serve it`)
  if (values.build) return
  const server = await preview({ configFile: false, build: { outDir } })
  server.printUrls()
}

main().catch((error) => {
  console.error(error.message)
  process.exitCode = 1
})
