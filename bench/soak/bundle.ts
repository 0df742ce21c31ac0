import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

/** One file of this folder as JavaScript, for processes and threads that start fast; it lies where it finds the addon. */
export async function bundled(name: string): Promise<string> {
  const outfile = fileURLToPath(new URL(`../../build/soak/${name}.mjs`, import.meta.url))
  await build({
    entryPoints: [fileURLToPath(new URL(`${name}.ts`, import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
  })
  return outfile
}
