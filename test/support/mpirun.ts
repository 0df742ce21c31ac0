import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The folder of mpirun, as scripts/test.mjs finds it; empty where there is none. */
export const mpiFolder = process.env.MPI_BIN ?? ''

/** As root, and with more ranks than cores, for Open MPI 4 (OMPI) and 5 (PRTE); MPICH allows both. */
const environment = {
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

/** test/support/rankWorker.ts as JavaScript, made once: without a loader of TypeScript ranks start sooner. */
let worker: Promise<string> | undefined

async function bundled(): Promise<string> {
  const outfile = join(root, 'build', 'ranks', 'rankWorker.js') // as deep as ts/backend, which looks for build beside it
  await build({
    entryPoints: [join(root, 'test', 'support', 'rankWorker.ts')],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    external: ['*/bindings/mpi/index.js'],
    logLevel: 'error',
  })
  return outfile
}

/** Runs test/support/rankWorker.ts on so many ranks of this machine. */
export async function mpirun(ranks: number, ...task: string[]): Promise<Job> {
  worker ??= bundled()
  const args = ['-n', `${ranks}`, process.execPath, await worker, ...task]
  const env = { ...process.env, ...environment }
  const job = spawn(join(mpiFolder, 'mpirun'), args, { cwd: root, env, timeout: 120_000 })
  let [output, errors] = ['', '']
  job.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  job.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  return new Promise((resolve, reject) => {
    job.on('error', reject)
    job.on('close', (status) => resolve({ status, output, errors }))
  })
}
