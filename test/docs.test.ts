// Runs what the documentation shows. The blocks of a page are one program, in their order.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import ts from 'typescript'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { cleanCommand } from '../ts/cli/clean.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const folder = join(root, 'build', 'snippets')
const entries: Record<string, string> = {
  // On the page each program is one rank.
  '@nhgd/mpi': '../../test/support/oneRank.ts',
  nhgd: '../../ts/index.ts',
  'nhgd/data': '../../ts/data/index.ts',
  'nhgd/jax': '../../ts/jax/index.ts',
  'nhgd/kernels': '../../ts/kernels.ts',
}
const pages = ['', 'docs/']
  .flatMap((path) => readdirSync(join(root, path)).map((name) => path + name))
  .filter((name) => name.endsWith('.md'))
  .sort()

const test = suite('docs')

test.before(() => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  writeFruit()
})

test('code type-checks and runs', async () => {
  const programs = pages.map(writeProgram).filter((file) => file !== undefined)
  assert.ok(programs.length > 1)
  assert.is(typeErrors(programs), '')
  process.chdir(folder)
  for (const file of programs) await import(pathToFileURL(file).href)
})

test('links lead to files', () => {
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
      .map(([, target]) => target)
      .filter((target) => !statSync(join(root, dirname(page), target), { throwIfNoEntry: false })?.isFile())
      .map((target) => `${page}: ${target}`),
  )
  assert.equal(broken, [])
})

test('the site has every guide', () => {
  const { projectDocuments } = JSON.parse(read('typedoc.json'))
  assert.equal(
    projectDocuments.toSorted(),
    pages.filter((page) => page.startsWith('docs/')),
  )
})

test('the site has no broken link, and every type of a signature is exported', () => {
  const typedoc = join(root, 'node_modules', 'typedoc', 'bin', 'typedoc')
  const { status, stdout, stderr } = spawnSync(process.execPath, [typedoc, '--emit', 'none'], {
    cwd: root,
    encoding: 'utf8',
  })
  assert.is(status, 0, stdout + stderr)
})

test('options of the command exist', () => {
  const known = new Set(cleanCommand().options.map((option) => option.long))
  const commands = pages.flatMap((page) => read(page).match(/(?:npm start -- |main\.ts clean ).*/g) ?? [])
  const named = commands.flatMap((line) => line.match(/--[a-z-]+(?= |$|`)/g) ?? [])
  assert.ok(named.length > 10)
  assert.equal(
    named.filter((option) => !known.has(option) && option !== '--help'),
    [],
  )
})

function read(page: string): string {
  return readFileSync(join(root, page), 'utf8')
}

/** A page's blocks of TypeScript at the lines where they stand, so that errors name the page's lines. */
function writeProgram(page: string): string | undefined {
  let inside = false
  let blocks = 0
  const lines = read(page)
    .split('\n')
    .map((line) => {
      if (line.startsWith('```')) {
        inside = line === '```ts'
        if (inside) blocks++
        return ''
      }
      return inside ? line.replace(/(?<=from ')@?nhgd[^']*/, (name) => entries[name] ?? name) : ''
    })
  if (blocks === 0) return
  const file = join(folder, `${page.replaceAll(/[/\\]/g, '-')}.ts`)
  writeFileSync(file, lines.join('\n'))
  return file
}

function typeErrors(files: string[]): string {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files }, ts.sys, root)
  // A page may import what its later lines alone would use. Readers copy samples into projects that are stricter than ours.
  const program = ts.createProgram(files, {
    ...options,
    noUnusedLocals: false,
    noUncheckedIndexedAccess: true,
  })
  const found = files.flatMap((file) => ts.getPreEmitDiagnostics(program, program.getSourceFile(file)))
  return ts.formatDiagnostics(found, {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => folder,
    getNewLine: () => '\n',
  })
}

/** 600 fruits of three kinds around three corners; a quarter of the labels after the first 90 rows are wrong. */
function writeFruit(): void {
  const names = ['apple', 'pear', 'plum']
  const noise = (k: number) => (Math.sin(12.9898 * k) * 43758.5453) % 1
  const rows = Array.from({ length: 600 }, (_, row) => {
    const kind = row % 3
    const given = row >= 90 && row % 4 === 0 ? (kind + 1) % 3 : kind
    const sizes = names.map((_, j) => ((j === kind ? 2 : 0) + noise(3 * row + j + 1)).toFixed(3))
    return [...sizes, names[given]].join()
  })
  writeFileSync(join(folder, 'fruit.csv'), `width,height,weight,fruit\n${rows.join('\n')}\n`)
  writeFileSync(
    join(folder, 'checked.csv'),
    `row\n${Array.from({ length: 90 }, (_, row) => row).join('\n')}\n`,
  )
}

test.run()
