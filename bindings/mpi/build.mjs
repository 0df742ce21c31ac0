// Compiles the addon with the mpicc of an MPI: $MPICC, or the one in PATH.
//   node build.mjs
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = (...path) => join(dirname(fileURLToPath(import.meta.url)), ...path)

/** The folder of node_api.h: beside this Node, or where Debian's libnode-dev puts it. */
function headers() {
  const beside = join(dirname(process.execPath), '..', 'include', 'node')
  return [beside, '/usr/include/node'].find((folder) => existsSync(join(folder, 'node_api.h')))
}

/** Compiles to `folder`; returns what went wrong, or nothing. */
export function buildAddon(mpicc, folder = here('build')) {
  const include = headers()
  if (!include) return 'node_api.h is not here: it comes with Node, on Debian with libnode-dev'
  mkdirSync(folder, { recursive: true })
  const link = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : []
  const flags = ['-O2', '-Wall', '-Wextra', '-Werror', '-fPIC', '-shared', '-DNAPI_VERSION=8', ...link]
  const args = [...flags, `-I${include}`, here('mpi.c'), '-o', join(folder, 'mpi.node')]
  const { status, stderr, error } = spawnSync(mpicc, args, { encoding: 'utf8' })
  return status === 0 ? undefined : `${mpicc} ${args.join(' ')}: ${error?.message ?? stderr}`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const failure = buildAddon(process.env.MPICC ?? 'mpicc')
  if (failure) console.error(failure)
  process.exitCode = failure ? 1 : 0
}
