// The command as few files, which Node loads in a tenth of the time that the sources take.
import { local, refresh, step } from './setup/step.mjs'

/** Bundles the command into build/cli when its sources changed; packages stay outside. */
export async function bundleCommand() {
  const sources = [local('ts'), local('scripts', 'command.mjs'), local('package-lock.json')]
  await refresh(local('build', 'cli'), sources, (outdir) =>
    step('command (esbuild)', async () => {
      const { build } = await import('esbuild')
      const entryPoints = [local('ts', 'cli', 'main.ts')]
      const options = { bundle: true, splitting: true, platform: 'node', target: 'node20', format: 'esm' }
      await build({
        ...options,
        entryPoints,
        outdir,
        packages: 'external',
        external: ['../../build/*'],
        logLevel: 'warning',
      })
    }),
  )
}
