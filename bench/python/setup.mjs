// Makes Python environments: build/python with what requirements.txt pins and, if asked for, build/python-torch with
// what requirements-torch.txt does. Without Python, or where the packages can't be had, it says so and exits with 2.
//   node bench/python/setup.mjs [--torch]
import { join } from 'node:path'
import { local, refresh, run, SetupError, step } from '../../scripts/setup/step.mjs'

const windows = process.platform === 'win32'

/** Versions are minor ones of Python 3. */
const environments = {
  python: {
    title: 'Python packages of the rivals (pip)',
    requirements: 'requirements.txt',
    versions: { least: 11, most: Number.POSITIVE_INFINITY, text: '3.11 or newer' },
  },
  'python-torch': {
    title: 'PyTorch, Betty and TorchOpt (pip, gigabytes on Linux)',
    requirements: 'requirements-torch.txt',
    versions: { least: 11, most: 11, text: '3.11' },
  },
}

async function findPython({ least, most, text }) {
  const versions = new Set()
  for (const command of windows ? ['py', 'python'] : ['python3', 'python', 'python3.11']) {
    const code = 'import sys, venv, ensurepip; print("%d.%d" % sys.version_info[:2])'
    // Debian's Python without its package python3-venv counts as none.
    const version = await run(command, ['-c', code]).then(
      (text) => text.trim(),
      () => undefined,
    )
    if (!version) continue
    const [major, minor] = version.split('.').map(Number)
    if (major === 3 && minor >= least && minor <= most) return command
    versions.add(version)
  }
  const found = versions.size > 0 ? `only ${[...versions].join(' and ')}` : 'none'
  throw new SetupError(`expected Python ${text}, with venv, in PATH; there is ${found}`)
}

async function prepare(python, folder, { title, requirements }) {
  const file = local('bench', 'python', requirements)
  await refresh(local('build', folder), [file], (next) =>
    step(title, async () => {
      await run(python, ['-m', 'venv', next])
      const inside = windows ? join(next, 'Scripts', 'python.exe') : join(next, 'bin', 'python')
      const install = ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check']
      // What scripts of the environment say about their folder goes stale when it is renamed; none is called.
      await run(inside, [...install, '--retries', '1', '-r', file]).catch((error) => {
        const reason = /^ERROR: .*$/m.exec(error.message)?.[0] ?? error.message
        throw new SetupError(`PyPI did not give the packages of bench/python/${requirements}: ${reason}`)
      })
    }),
  )
}

try {
  const folders = process.argv.includes('--torch') ? Object.keys(environments) : ['python']
  const pythons = []
  for (const folder of folders) pythons.push(await findPython(environments[folder].versions))
  for (const [i, folder] of folders.entries()) await prepare(pythons[i], folder, environments[folder])
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`\nbench:python: ${error.message}`)
  process.exitCode = 2
}
