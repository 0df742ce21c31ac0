import fs from 'node:fs'

type Call = 'open' | 'write' | 'sync' | 'rename'

const real = { open: fs.promises.open, rename: fs.promises.rename }

/** Lets one of the calls that write a file fail with a code of the system, until it is called with nothing. */
export function failing(call: Call | undefined, code = 'ENOSPC'): void {
  Object.assign(fs.promises, real)
  const fail = async (): Promise<never> => {
    throw Object.assign(new Error(`${code}: injected, ${call}`), { code, syscall: call })
  }
  if (call === 'open' || call === 'rename') Object.assign(fs.promises, { [call]: fail })
  if (call !== 'write' && call !== 'sync') return
  fs.promises.open = async (...args) => {
    const file = await real.open(...args)
    if (`${args[1]}`.startsWith('w')) {
      // A disk that is full takes the first bytes.
      if (call === 'write') Object.assign(file, { writeFile: () => file.write('first bytes').then(fail) })
      else Object.assign(file, { sync: fail })
    }
    return file
  }
}

/** Calls `act` after each file that gets its name, until it is called with nothing. */
export function afterEachFile(act: ((path: string) => void) | undefined): void {
  Object.assign(fs.promises, real)
  if (!act) return
  fs.promises.rename = async (from, to) => {
    await real.rename(from, to)
    act(`${to}`)
  }
}
