import { execFile } from 'node:child_process'
import { copyFileSync, cpSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'

const local = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** How the addon is compiled: for release, or with Rust's checks of arithmetic and its assertions. */
export type Profile = 'release' | 'debug'

/** One file of this folder as JavaScript, for processes and threads that start fast; it lies where it finds the addon. */
export async function bundled(name: string, profile: Profile = 'release'): Promise<string> {
  if (profile === 'debug') await buildDebug()
  const outfile = local(`${folders[profile]}/soak/${name}.mjs`)
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

const folders: Record<Profile, string> = { release: 'build', debug: 'build/debug/build' }

/** Puts an addon of the debug profile where a bundle of that profile looks for it. */
async function buildDebug(): Promise<void> {
  const execute = promisify(execFile)
  await execute('cargo', ['build', '--locked', '-p', 'nhgd-node'], { cwd: local('.'), maxBuffer: 2 ** 26 })
  const folder = local(`${folders.debug}/native`)
  cpSync(local('build/native'), folder, { recursive: true })
  const library = process.platform === 'darwin' ? 'libnhgd_node.dylib' : 'libnhgd_node.so'
  for (const addon of readdirSync(folder).filter((file) => file.endsWith('.node')))
    copyFileSync(local(`target/debug/${library}`), `${folder}/${addon}`)
}
