import { type Command, Option } from 'commander'
import type { Backend } from '../backend/backend.ts'
import { loadBackend } from '../backend/load.ts'
import { whole } from './dataOptions.ts'

/** What commands say of where they run. */
export interface BackendOptions {
  readonly backend?: 'auto' | 'native' | 'wasm'
  readonly threads?: number
}

/** Adds the options of every command that computes. */
export function backendOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--backend <name>', 'where it runs').choices(['auto', 'native', 'wasm']).default('auto'),
    )
    .option('--threads <n>', 'threads at most (default: the cores that this process may use)', whole(1, 1024))
}

/** The backend that a command asks for. */
export function backendFor({ backend = 'auto', threads }: BackendOptions): Promise<Backend> {
  return loadBackend({ backend: backend === 'auto' ? undefined : backend, threads })
}
