// Makes a Python environment under build/python with what requirements.txt pins. Without Python, or where the packages
// can't be had, it says so and exits with 2.
//   node bench/python/setup.mjs
import { join } from 'node:path'
import { local, refresh, run, SetupError, step } from '../../scripts/setup/step.mjs'

const oldest = [3, 11]
const windows = process.platform === 'win32'
const requirements = local('bench', 'python', 'requirements.txt')

async function findPython() {
  const versions = []
  for (const command of windows ? ['py', 'python'] : ['python3', 'python']) {
    const code = 'import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2])'
    // Debian's Python without its package python3-venv counts as none.
    const version = await run(command, ['-c', code]).then(
      (text) => text.trim(),
      () => undefined,
    )
    if (!version) continue
    const [major, minor] = version.split('.').map(Number)
    if (major === oldest[0] && minor >= oldest[1]) return command
    versions.push(version)
  }
  const found = versions.length > 0 ? `only ${versions.join(' and ')}` : 'none'
  throw new SetupError(`expected Python ${oldest.join('.')} or newer, with venv, in PATH; there is ${found}`)
}

try {
  const python = await findPython()
  await refresh(local('build', 'python'), [requirements], (next) =>
    step('Python packages of the rivals (pip)', async () => {
      await run(python, ['-m', 'venv', next])
      const inside = windows ? join(next, 'Scripts', 'python.exe') : join(next, 'bin', 'python')
      const install = ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check']
      // What scripts of the environment say about their folder goes stale when it is renamed; none is called.
      await run(inside, [...install, '--retries', '1', '-r', requirements]).catch((error) => {
        const reason = /^ERROR: .*$/m.exec(error.message)?.[0] ?? error.message
        throw new SetupError(`PyPI did not give the packages of bench/python/requirements.txt: ${reason}`)
      })
    }),
  )
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`\nbench:python: ${error.message}`)
  process.exitCode = 2
}
