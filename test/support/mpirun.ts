import { spawn } from 'node:child_process'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { Hosts } from './hosts.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The folder of mpirun, as scripts/test.mjs finds it; empty where there is none. */
export const mpiFolder = process.env.MPI_BIN ?? ''

/** As root, and with more ranks than cores, for Open MPI 4 (OMPI) and 5 (PRTE); MPICH allows both. */
export const mpiEnvironment = {
  ...Object.fromEntries(
    ['OMPI', 'PRTE'].flatMap((name) => [
      [`${name}_ALLOW_RUN_AS_ROOT`, '1'],
      [`${name}_ALLOW_RUN_AS_ROOT_CONFIRM`, '1'],
    ]),
  ),
  OMPI_MCA_rmaps_base_oversubscribe: '1',
  PRTE_MCA_rmaps_default_mapping_policy: ':oversubscribe',
  // See docs/more-than-one-machine.md: without it, about one of 100 ranks crashes where a loaded machine starts several.
  MALLOC_TOP_PAD_: `${2 ** 26}`,
}

/** How a job ended; the status is null where it did not end by itself. */
export interface Job {
  readonly status: number | null
  readonly output: string
  readonly errors: string
}

/** Programs as JavaScript, made once: without a loader of TypeScript ranks start sooner. */
const bundles = new Map<string, Promise<string>>()

/** A program of the repository, at a place as deep as ts/backend, which looks for build beside it. */
export function bundled(path: string): Promise<string> {
  const outfile = join(root, 'build', 'ranks', basename(path).replace(/ts$/, 'js'))
  const made =
    bundles.get(path) ??
    build({
      entryPoints: [join(root, path)],
      outfile,
      bundle: true,
      format: 'esm',
      platform: 'node',
      packages: 'external',
      external: ['*/bindings/mpi/index.js'],
      logLevel: 'error',
    }).then(() => outfile)
  bundles.set(path, made)
  return made
}

/** A signal that the launcher gets once standard error has what `after` looks for. */
interface Interruption {
  readonly after: RegExp
  readonly signal: NodeJS.Signals
}

/** Runs programs on ranks, as `mpirun` takes them. */
function launch(args: readonly string[], interruption?: Interruption, reach: object = {}): Promise<Job> {
  const env = { ...process.env, ...mpiEnvironment, ...reach }
  const job = spawn(join(mpiFolder, 'mpirun'), args, { cwd: root, env, timeout: 120_000 })
  let [output, errors, interrupted] = ['', '', false]
  job.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  job.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text
    if (!interruption || interrupted || !interruption.after.test(errors)) return
    interrupted = true
    job.kill(interruption.signal)
  })
  return new Promise((resolve, reject) => {
    job.on('error', reject)
    job.on('close', (status) => resolve({ status, output, errors }))
  })
}

/** Runs test/support/rankWorker.ts on so many ranks. */
export async function mpirun(ranks: number, ...task: string[]): Promise<Job> {
  const worker = await bundled('test/support/rankWorker.ts')
  return launch(['-n', `${ranks}`, process.execPath, worker, ...task])
}

/** The same with a rank on each of some hosts. */
export async function mpirunOn({ addresses, environment }: Hosts, ...task: string[]): Promise<Job> {
  const worker = await bundled('test/support/rankWorker.ts')
  const where = ['--host', addresses.join(), '-n', `${addresses.length}`]
  return launch([...where, process.execPath, worker, ...task], undefined, environment)
}

/** Runs `nhgd` on so many ranks; the last of them may have other arguments, or may be `lost` after so many milliseconds. */
export async function nhgdOnRanks(
  ranks: number,
  args: readonly string[],
  { last = args, lost, ...rest }: { last?: readonly string[]; lost?: number } & Partial<Interruption> = {},
): Promise<Job> {
  const command = await bundled('ts/cli/main.ts')
  const killer = `data:text/javascript,setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${lost})`
  const dying = lost === undefined ? [] : ['--import', killer]
  const most = ['-n', `${ranks - 1}`, process.execPath, command, ...args]
  const one = ['-n', '1', process.execPath, ...dying, command, ...last]
  return launch([...most, ':', ...one], 'after' in rest ? (rest as Interruption) : undefined)
}
