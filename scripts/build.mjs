// What is published: dist from ts, and under build/npm a package for each platform's addon, this platform's filled.
// The setup comes first.
import { copyFileSync, readdirSync, rmSync } from 'node:fs'
import { local, run, SetupError, step } from './setup/step.mjs'

const node = (...args) => run(process.execPath, args)
const napi = local('node_modules', '@napi-rs', 'cli', 'dist', 'cli.js')

try {
  await step('dist (tsc)', async () => {
    rmSync(local('dist'), { recursive: true, force: true })
    await node(local('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.build.json')
  })
  await step('packages of the platforms (napi)', async () => {
    rmSync(local('build', 'npm'), { recursive: true, force: true })
    await node(napi, 'create-npm-dirs', '--npm-dir', 'build/npm')
    for (const addon of readdirSync(local('build', 'native')).filter((name) => name.endsWith('.node'))) {
      const [, platform] = addon.split('.')
      copyFileSync(local('build', 'native', addon), local('build', 'npm', platform, addon))
    }
  })
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`\nbuild failed: ${error.message}`)
  process.exitCode = 1
}
