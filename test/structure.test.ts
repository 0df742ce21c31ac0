import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('structure')
const root = fileURLToPath(new URL('..', import.meta.url))
const text = (path: string) => readFileSync(join(root, path), 'utf8')
const sources = readdirSync(join(root, 'ts'), { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => join('ts', path).replaceAll('\\', '/'))

/** What each room of `ts` may import; where a file is named, that file alone. */
const line = ['tasks', 'run', 'methods', 'hypergradient', 'problems', 'backend', 'defaults']
const after = (room: string) => line.slice(line.indexOf(room) + 1)
const arrows: Record<string, readonly string[]> = {
  defaults: [],
  backend: [],
  problems: after('problems'),
  hypergradient: after('hypergradient'),
  methods: after('methods'),
  run: after('run'),
  tasks: [...after('tasks'), 'data'],
  data: ['backend/arrays', 'backend/errors', 'backend/matrix'],
  report: ['backend/errors', 'backend/matrix'],
  cli: ['tasks', 'data', 'report', 'backend'],
  kernels: ['backend'],
  library: line,
  index: ['library', 'backend'],
  native: ['library', 'backend'],
  wasm: ['library', 'backend'],
  browser: ['library', 'backend'],
  workerd: ['library', 'backend'],
}

/** Modules that a file imports or re-exports, types too. */
function imports(path: string): string[] {
  return ts.preProcessFile(text(path), true, true).importedFiles.map(({ fileName }) => fileName)
}

const roomOf = (path: string) => /^ts\/([^/.]+)/.exec(path)?.[1] ?? ''

test('imports follow the arrows', () => {
  for (const path of sources) {
    const room = roomOf(path)
    assert.ok(room in arrows, `${path} is in no room that this test knows`)
    for (const name of imports(path).filter((name) => name.startsWith('.'))) {
      const target = normalize(join(dirname(path), name)).replaceAll('\\', '/')
      if (!target.startsWith('ts/') || roomOf(target) === room) continue
      const allowed = arrows[room].some(
        (arrow) => target === `ts/${arrow}.ts` || target.startsWith(`ts/${arrow}/`),
      )
      assert.ok(allowed, `${path} may not import ${name}`)
    }
  }
})

/** A path from a file back to itself, if there is one. */
function circle(targets: ReadonlyMap<string, readonly string[]>): string | undefined {
  const done = new Set<string>()
  const visit = (file: string, path: readonly string[]): string | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file].join(' → ')
    if (done.has(file)) return undefined
    for (const target of targets.get(file) ?? []) {
      const found = visit(target, [...path, file])
      if (found) return found
    }
    done.add(file)
    return undefined
  }
  for (const file of targets.keys()) {
    const found = visit(file, [])
    if (found) return found
  }
  return undefined
}

test('no file imports itself by way of others', () => {
  const target = (path: string, name: string) => normalize(join(dirname(path), name)).replaceAll('\\', '/')
  const relative = (path: string) => imports(path).filter((name) => name.startsWith('.'))
  const files = sources.map((path) => [path, relative(path).map((name) => target(path, name))] as const)
  assert.is(circle(new Map(files)), undefined)
  assert.is(
    circle(
      new Map([
        ['a', ['b']],
        ['b', ['c']],
        ['c', ['b']],
      ]),
    ),
    'b → c → b',
  )
})

test('what is published imports what is a dependency', () => {
  const { dependencies } = JSON.parse(text('package.json'))
  for (const path of sources) {
    for (const name of imports(path).filter((name) => !/^(\.|node:)/.test(name))) {
      assert.ok(
        Object.keys(dependencies).some((known) => name === known || name.startsWith(`${known}/`)),
        `${path}: ${name}`,
      )
    }
  }
})

test('crates depend on those below them', () => {
  const crates = {
    kernels: '',
    curvature: 'kernels',
    fisher: 'curvature kernels',
    models: 'curvature kernels',
    problems: 'curvature kernels models',
  }
  const all: Record<string, string> = {
    ...Object.fromEntries(Object.entries(crates).map(([name, below]) => [`crates/${name}`, below])),
    'crates/engine': 'curvature fisher kernels models problems',
    'bindings/node': 'engine',
    'bindings/wasm': 'engine',
  }
  const folders = ['crates', 'bindings'].flatMap((parent) =>
    readdirSync(join(root, parent), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `${parent}/${name}`),
  )
  assert.equal(folders.sort(), Object.keys(all).sort())
  for (const [folder, expected] of Object.entries(all)) {
    const found = new Set(
      Array.from(
        text(`${folder}/Cargo.toml`)
          .split('[dev-dependencies]')[0]
          .matchAll(/^nhgd-(\w+)/gm),
        ([, name]) => name,
      ),
    )
    assert.is([...found].sort().join(' '), expected, folder)
  }
})

test('unsafe stays in the kernels', () => {
  for (const folder of [
    'crates/curvature',
    'crates/fisher',
    'crates/models',
    'crates/problems',
    'crates/engine',
  ]) {
    const files = readdirSync(join(root, folder, 'src'), { recursive: true, encoding: 'utf8' })
    for (const file of files.filter((file) => file.endsWith('.rs'))) {
      assert.not.match(text(`${folder}/src/${file}`), /\bunsafe\s*(\{|fn|impl)/, `${folder}/src/${file}`)
    }
  }
})

test('the method reads as an algorithm', () => {
  const code = text('ts/methods/nhgd.ts')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .split('\n')
  const lines = code.filter((line) => !/^\s*(\/\/.*)?$/.test(line)).length
  assert.ok(lines <= 130, `ts/methods/nhgd.ts has ${lines} lines of code`)
})

test('no file names a path of some machine', () => {
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: root, encoding: 'utf8' })
    .split('\0')
    .filter(Boolean)
  const machine = /(?<![\w.$}])\/(?:home|root|work|Users|mnt|tmp)\/\w/
  for (const file of files) {
    const bytes = readFileSync(join(root, file))
    if (bytes.includes(0)) continue
    const found = machine.exec(bytes.toString('utf8'))
    assert.not.ok(found, `${file}: ${found?.input.slice(found.index, found.index + 40)}`)
  }
})

test.run()
