// Runs every test: those of the Rust workspace, and each test/**/*.test.ts in a process of its own.
// Files under test/both run once on each backend, the others once.
//   node scripts/test.mjs [--backend native|wasm] [--only TEXT]
// The last line is `N passed, N failed`.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { findChromium } from './setup/chromium.mjs'
import { findMpi } from './setup/mpi.mjs'
import { environment, local, root } from './setup/step.mjs'

const filesAtOnce = 2
const minutesPerJob = 20

const { values: options } = parseArgs({
  options: { backend: { type: 'string' }, only: { type: 'string', default: '' } },
})
if (![undefined, 'native', 'wasm'].includes(options.backend)) {
  throw new Error(`"--backend" expected native or wasm, got ${options.backend}`)
}
const backends = options.backend ? [options.backend] : ['native', 'wasm']
const total = { passed: 0, failed: 0 }

/** Cargo's tests; the bindings have none, they are tested through TypeScript. */
const rust = {
  name: 'crates',
  command: 'cargo',
  args: ['test', '--workspace', '--exclude', 'nhgd-node', '--exclude', 'nhgd-wasm', '--no-fail-fast'],
  count(output) {
    const results = [...output.matchAll(/^test result: .* (\d+) passed; (\d+) failed/gm)]
    const sum = (group) => results.reduce((n, result) => n + Number(result[group]), 0)
    return { passed: sum(1), failed: sum(2) }
  },
}

/** The crates that take large products to the system's BLAS where they are built to. */
const rustWithBlas = {
  ...rust,
  name: "crates, with the system's BLAS",
  args: [
    'test',
    '-p',
    'nhgd-kernels',
    '-p',
    'nhgd-fisher',
    '--features',
    'nhgd-kernels/blas',
    '--no-fail-fast',
  ],
}

function systemBlas() {
  if (process.platform === 'darwin') return true
  return spawnSync('pkg-config', ['--exists', 'openblas'], { env: environment }).status === 0
}

function typescript(file, backend) {
  return {
    name: backend ? `${file} [${backend}]` : file,
    command: process.execPath,
    args: ['--import', 'tsx', file],
    backend: backend ?? options.backend,
    // uvu leaves with 0 when a hook throws, a test rejects with what is no Error, or `run` is forgotten:
    // its summary tells.
    count(output) {
      const [, all, passed] = /Total: +(\d+)\s+Passed: +(\d+)/.exec(output) ?? [null, 0, 0]
      return { passed: Number(passed), failed: all - passed + suitesNeverRun(file) }
    },
  }
}

function suitesNeverRun(file) {
  const source = readFileSync(local(file), 'utf8')
  const count = (pattern) => source.match(pattern)?.length ?? 0
  return Math.max(0, count(/\bsuite\(/g) - count(/\.run\(\)/g))
}

function allJobs() {
  const files = existsSync(local('test')) ? readdirSync(local('test'), { recursive: true }) : []
  const tests = files
    .map((file) => `test/${file.replaceAll('\\', '/')}`)
    .filter((file) => file.endsWith('.test.ts'))
    .sort()
  return [
    rust,
    ...(systemBlas() ? [rustWithBlas] : []),
    ...tests.flatMap((file) =>
      file.startsWith('test/both/')
        ? backends.map((backend) => typescript(file, backend))
        : [typescript(file)],
    ),
  ]
}

/** Runs one job, prints its line, and all that it printed where it failed. */
function runJob({ name, command, args, backend, count }) {
  const start = performance.now()
  const env = {
    ...environment,
    NO_COLOR: '1',
    CHROMIUM: findChromium() ?? '',
    MPI_BIN: findMpi() ?? '',
    ...(backend && { NHGD_BACKEND: backend }),
  }
  const child = spawn(command, args, { cwd: root, env, timeout: minutesPerJob * 60_000 })
  child.stdin.end()
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk) => {
      output += chunk
    })
  }
  return new Promise((resolve) => {
    const end = (how) => {
      let { passed, failed } = count(output)
      // A file that ended badly, or ran no test at all, is one failure even where no test failed.
      if (failed === 0 && (how !== 0 || passed === 0)) failed = 1
      total.passed += passed
      total.failed += failed
      const seconds = ((performance.now() - start) / 1000).toFixed(1)
      console.log(`${failed ? 'FAIL' : 'ok  '} ${name}: ${passed} passed, ${failed} failed (${seconds} s)`)
      if (failed) console.log(`${output.trim()}\n${how === 0 ? '' : `ended with ${how}\n`}`)
      resolve()
    }
    child.on('error', (error) => end(error.message))
    child.on('close', (code, signal) => end(signal ?? code))
  })
}

async function runAll() {
  const setup = ['scripts/setup.mjs', '--mpi']
  if (backends.includes('wasm')) setup.push('--wasm', '--scalar', '--threads', '--browser')
  if (!backends.includes('native')) setup.push('--no-native')
  if (spawnSync(process.execPath, setup, { cwd: root, stdio: 'inherit' }).status !== 0) {
    total.failed++
    return
  }
  const jobs = allJobs().filter((job) => job.name.includes(options.only))
  if (jobs.length === 0) {
    console.log(`no test has "${options.only}" in its name`)
    total.failed++
  }
  // Cargo uses every core while it compiles.
  while (jobs[0]?.command === 'cargo') await runJob(jobs.shift())
  if (!systemBlas()) console.log("left out crates, with the system's BLAS: pkg-config finds no openblas")
  const drain = async () => {
    for (let job = jobs.shift(); job; job = jobs.shift()) await runJob(job)
  }
  await Promise.all(Array.from({ length: filesAtOnce }, drain))
}

await runAll()
console.log(`${total.passed} passed, ${total.failed} failed`)
process.exitCode = total.failed === 0 ? 0 : 1
