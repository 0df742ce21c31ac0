// The live page as static files that any host can serve, from any folder.
import { createHash } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'vite'
import { type DigitSet, loadMnist, type Tensor, writeNpz } from '../ts/data/index.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const entries = { 'nhgd/wasm': 'ts/wasm.ts', 'nhgd/data': 'ts/data/browser.ts' }

/** Images that the page tests on. */
const tested = 2000

/** Builds the page into `outDir`, which is emptied first, with `trained` images to train on. */
export async function buildDemo(outDir: string, trained = 5000): Promise<void> {
  await build({
    root: join(root, 'demo'),
    base: './',
    configFile: false,
    logLevel: 'warn',
    resolve: {
      alias: Object.entries(entries).map(([entry, path]) => ({
        find: new RegExp(`^${entry}$`),
        replacement: join(root, path),
      })),
    },
    worker: { format: 'es' },
    build: { outDir, emptyOutDir: true, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 1000 },
  })
  await writeFile(join(outDir, 'digits.npz'), await packDigits(trained))
  await writeFile(join(outDir, 'files.js'), `self.files = ${JSON.stringify(await listFiles(outDir))}\n`)
}

/** The first images of MNIST's training and test sets. */
async function packDigits(trained: number): Promise<Uint8Array> {
  const { train, test } = await loadMnist()
  const some = ({ features, labels }: DigitSet, count: number): [Tensor<Uint8Array>, Tensor<Uint8Array>] => [
    { data: (features.data as Uint8Array).subarray(0, count * features.columns), shape: [count, 28, 28] },
    { data: Uint8Array.from(labels.subarray(0, count)), shape: [count] },
  ]
  const [x_train, y_train] = some(train, trained)
  const [x_test, y_test] = some(test, tested)
  return writeNpz({ x_train, y_train, x_test, y_test }, { compress: true })
}

/** What the service worker keeps, and a version that changes with any of it. */
async function listFiles(folder: string): Promise<{ version: string; paths: string[] }> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths = found
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(folder.length + 1)
        .replaceAll('\\', '/'),
    )
    .sort()
  const hash = createHash('sha256')
  for (const path of paths) hash.update(`${path}\0`).update(await readFile(join(folder, path)))
  return {
    version: hash.digest('hex').slice(0, 16),
    paths: ['./', ...paths.filter((path) => path !== 'offline.js')],
  }
}
