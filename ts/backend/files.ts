import { builtin } from './node.ts'

/**
 * Writes a whole file, or leaves what was there: the content goes to a file beside it, which takes its name once it is
 * on the disk. With `keep`, that many of the contents before stay beside it as `PATH.1`, the newest, `PATH.2`, …
 *
 * @throws the system's error; then everything is as it was.
 */
export async function replaceFile(path: string, content: string | Uint8Array, keep = 0): Promise<void> {
  const { promises } = builtin('node:fs')
  const there = await promises.stat(path).catch(() => undefined)
  const target = await real(path)
  const beside = part(target)
  try {
    const file = await promises.open(beside, 'w', there?.mode)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    if (there && keep > 0) await moveOn(target, keep)
    await promises.rename(beside, target)
  } catch (error) {
    await promises.rm(beside, { force: true })
    throw error
  }
  await syncFolder(target)
}

const part = (path: string) => `${path}.${globalThis.process.pid}.part`

/** The file that a link leads to. */
const real = (path: string) =>
  builtin('node:fs')
    .promises.realpath(path)
    .catch(() => path)

/** Gives the contents before other names. At no moment is there no file at `path`. */
async function moveOn(path: string, keep: number): Promise<void> {
  const { promises } = builtin('node:fs')
  for (let k = keep; k > 1; k--) {
    await promises.rename(`${path}.${k - 1}`, `${path}.${k}`).catch((error) => {
      if (error.code !== 'ENOENT') throw error
    })
  }
  const beside = part(`${path}.1`)
  await promises.rm(beside, { force: true })
  try {
    // Some file systems have no second names.
    await promises.link(path, beside).catch(() => promises.copyFile(path, beside))
    await promises.rename(beside, `${path}.1`)
  } finally {
    await promises.rm(beside, { force: true })
  }
}

/** A new name is on the disk once its folder is; systems that can't write folders, such as Windows, do so themselves. */
async function syncFolder(path: string): Promise<void> {
  const folder = await builtin('node:fs')
    .promises.open(folderOf(path).folder, 'r')
    .catch(() => undefined)
  await folder?.sync().catch(() => {})
  await folder?.close()
}

/** A path's folder and its name there. */
function folderOf(path: string): { folder: string; name: string } {
  const { dirname, basename } = builtin('node:path')
  return { folder: dirname(path), name: basename(path) }
}

/** The file at `path` and those that `keep` left beside it, the newest first. */
export async function keptFiles(given: string): Promise<string[]> {
  const path = await real(given)
  const { folder, name } = folderOf(path)
  const names = await builtin('node:fs')
    .promises.readdir(folder)
    .catch(() => [])
  const ages = names.flatMap((other) => {
    if (other === name) return [0]
    const age = other.startsWith(`${name}.`) ? other.slice(name.length + 1) : ''
    return /^[1-9]\d*$/.test(age) ? [Number(age)] : []
  })
  return ages.sort((a, b) => a - b).map((age) => (age === 0 ? path : `${path}.${age}`))
}

/**
 * Makes sure that {@link replaceFile} can write beside `path`, and removes what writers were killed amid.
 *
 * @throws the system's error.
 */
export async function tryFolder(path: string): Promise<void> {
  const { promises } = builtin('node:fs')
  const { folder, name } = folderOf(await real(path))
  await (await promises.open(part(builtin('node:path').join(folder, name)), 'w')).close()
  for (const other of await promises.readdir(folder)) {
    if (!other.startsWith(`${name}.`) || !/^(\d+\.)?\d+\.part$/.test(other.slice(name.length + 1))) continue
    await promises.rm(builtin('node:path').join(folder, other), { force: true })
  }
}
