import { NhgdError } from './errors.ts'

interface Builtins {
  'node:fs': typeof import('node:fs')
  'node:module': typeof import('node:module')
  'node:os': typeof import('node:os')
  'node:path': typeof import('node:path')
  'node:worker_threads': typeof import('node:worker_threads')
}

/**
 * One of Node's own modules, which Deno and Bun have too. It is asked for at run time, so that a bundle for the browser
 * has nothing to resolve.
 */
export function builtin<Name extends keyof Builtins>(name: Name): Builtins[Name] {
  const { process } = globalThis as {
    process?: { getBuiltinModule?: (name: Name) => Builtins[Name] | undefined }
  }
  const module = process?.getBuiltinModule?.(name)
  if (module) return module
  throw new NhgdError(
    'ERR_BACKEND',
    `"runtime" expected one with ${name} (Node 20.19, Deno 2, Bun 1.2), got none`,
  )
}
