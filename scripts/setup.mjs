// Brings a clone to where it runs: npm packages, the native addon, with --wasm the WebAssembly modules, with
// --scalar the one for engines without SIMD too, with --threads those for shared memory, with --browser a Chromium,
// with --mpi an MPI for the tests, and with --command the command that `npm start` runs. The addon of @nhgd/mpi is built wherever there is an MPI.
// It needs nothing but Node, does what is missing, and does nothing twice.
//   node scripts/setup.mjs [--wasm] [--scalar] [--threads] [--no-native] [--browser] [--mpi] [--command]
import { existsSync, statSync } from 'node:fs'
import { bundleCommand } from './command.mjs'
import { installChromium } from './setup/chromium.mjs'
import { buildMpi, installMpi } from './setup/mpi.mjs'
import { buildNative } from './setup/native.mjs'
import { local, run, SetupError, step } from './setup/step.mjs'
import { buildScalarWasm, buildThreadedWasm, buildWasm } from './setup/wasm.mjs'

async function installPackages() {
  const installed = local('node_modules', '.package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(local('package-lock.json')).mtimeMs)
    return
  const [command, ...path] = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm']
  await step('npm ci', () => run(command, [...path, 'ci', '--include=dev', '--no-audit', '--no-fund']))
}

try {
  await installPackages()
  if (!process.argv.includes('--no-native')) await buildNative()
  if (process.argv.includes('--wasm')) await buildWasm()
  if (process.argv.includes('--scalar')) await buildScalarWasm()
  if (process.argv.includes('--threads')) await buildThreadedWasm()
  if (process.argv.includes('--browser')) await installChromium()
  if (process.argv.includes('--mpi')) await installMpi()
  if (process.argv.includes('--command')) await bundleCommand()
  await buildMpi()
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`\nsetup failed: ${error.message}`)
  process.exitCode = 1
}
