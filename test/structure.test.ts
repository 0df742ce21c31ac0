import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
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
  data: [
    'arrays',
    'check',
    'communicator',
    'crc32',
    'errors',
    'mapping',
    'matrix',
    'matrixLike',
    'numbers',
    'safetensors',
    'strides',
    'table',
  ].map((file) => `backend/${file}`),
  report: ['backend/errors', 'backend/matrix'],
  cli: ['tasks', 'data', 'report', 'backend'],
  kernels: ['backend'],
  jax: ['problems', 'backend'],
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

/** The paths of a `use` tree: `a::{b, c::d as e}` has `a::b` and `a::c::d`, under the names that they get. */
function paths(tree: string, above: readonly string[] = []): { path: readonly string[]; name: string }[] {
  const [head, list] = /^([^{]*)(?:\{(.*)\})?$/s.exec(tree.trim())?.slice(1) ?? []
  const [own, name] = head.split(/ as /)
  const path = [...above, ...own.split('::').map((part) => part.trim())].filter(Boolean)
  if (list === undefined) {
    const item = path.at(-1) === 'self' ? path.slice(0, -1) : path
    return [{ path: item, name: name?.trim() ?? item.at(-1) ?? '' }]
  }
  let depth = 0
  const parts = ['']
  for (const letter of list) {
    depth += letter === '{' ? 1 : letter === '}' ? -1 : 0
    if (letter === ',' && depth === 0) parts.push('')
    else parts[parts.length - 1] += letter
  }
  return parts.filter((part) => part.trim()).flatMap((part) => paths(part, path))
}

/** The modules of a crate that each of its modules imports, given their sources without tests by path below `src`.
 * A name that is re-exported counts for the module that defines it; re-exports themselves are no imports. */
function crateImports(files: ReadonlyMap<string, string>): Map<string, string[]> {
  const modules = new Map<
    string,
    { parent: string; uses: string[][]; exported: Map<string, readonly string[]> }
  >()
  const nameOf = (file: string) => file.replace(/(^|\/)(lib|mod)\.rs$|\.rs$/, '')
  const join = (module: string, part: string) => (module ? `${module}/${part}` : part)
  for (const [file, source] of files) {
    // `super` of a module within the file is the file.
    const code = source.replace(/\/\/.*/g, '').replace(/^( +use )super::/gm, '$1self::')
    const uses = Array.from(code.matchAll(/^ *(pub(?:\(.*?\))? )?use ([^;]+);/gm), ([, shared, tree]) =>
      paths(tree).map((use) => ({ ...use, shared })),
    ).flat()
    const plain = uses.filter(({ shared }) => !shared).map(({ path }) => [...path])
    const inline = code.replace(/^.*\buse [^;]+;/gm, '').matchAll(/(?<!\$)\b((?:crate|super)(?:::\w+)+)/g)
    for (const [, path] of inline) plain.push(path.split('::'))
    const exported = uses.filter(({ shared }) => shared).map(({ path, name }) => [name, [...path]] as const)
    const name = nameOf(file)
    const parent = name.replace(/\/?[^/]*$/, '')
    modules.set(name, { parent, uses: plain, exported: new Map(exported) })
  }
  /** The module that defines what `path` names in `module`; nothing for another crate. */
  const defining = (module: string, path: readonly string[]): string | undefined => {
    const [first, ...rest] = path
    if (first === 'crate') return below('', rest)
    if (first === 'self') return below(module, rest)
    if (first === 'super') return below(modules.get(module)?.parent ?? '', rest)
    return modules.has(join(module, first)) ? below(module, path) : undefined
  }
  const below = (module: string, [first, ...rest]: readonly string[]): string | undefined => {
    if (first === undefined) return module
    if (modules.has(join(module, first))) return below(join(module, first), rest)
    const exported = modules.get(module)?.exported.get(first)
    return exported && exported[0] !== first ? defining(module, exported) : module
  }
  return new Map(
    Array.from(modules, ([name, { uses }]) => [
      name || 'lib',
      uses
        .map((path) => defining(name, path))
        .filter((target) => target !== undefined && target !== name)
        .map((target) => target || 'lib'),
    ]),
  )
}

test('no module of a crate imports itself by way of others', () => {
  for (const crate of readdirSync(join(root, 'crates'))) {
    const source = `crates/${crate}/src`
    const files = readdirSync(join(root, source), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.rs'))
      .map((file) => file.replaceAll('\\', '/'))
    const code = files.map(
      (file) => [file, text(`${source}/${file}`).split(/^#\[cfg\(test\)\]\s*mod \w+ \{/m)[0]] as const,
    )
    assert.is(circle(crateImports(new Map(code))), undefined, crate)
  }
})

test('imports between the modules of a crate are found', () => {
  const files = {
    'lib.rs': 'mod a;\nmod b;\npub use a::{Kind as Sort, d::Deep};\npub trait Own {}',
    'a/mod.rs': 'mod d;\nuse d::Deep;\npub use b::Missing;',
    'a/d.rs': 'use std::sync::Arc;\nuse super::Kind;\n// use crate::Own;',
    'b.rs': 'use crate::{\n    Own, Sort,\n};\nfn f() -> crate::Deep {}\nmod inner {\n    use super::f;\n}',
  }
  assert.equal(Object.fromEntries(crateImports(new Map(Object.entries(files)))), {
    lib: [],
    a: ['a/d'],
    'a/d': ['a'],
    b: ['lib', 'a', 'a/d'],
  })
})

test('what is published imports what is a dependency', () => {
  const { dependencies, peerDependencies } = JSON.parse(text('package.json'))
  for (const path of sources) {
    for (const name of imports(path).filter((name) => !/^(\.|node:)/.test(name))) {
      assert.ok(
        Object.keys({ ...dependencies, ...peerDependencies }).some(
          (known) => name === known || name.startsWith(`${known}/`),
        ),
        `${path}: ${name}`,
      )
    }
  }
})

test('crates depend on those below them', () => {
  const crates = {
    kernels: '',
    settings: '',
    curvature: 'kernels settings',
    fisher: 'curvature kernels settings',
    models: 'curvature kernels settings',
    problems: 'curvature kernels models',
  }
  const all: Record<string, string> = {
    ...Object.fromEntries(Object.entries(crates).map(([name, below]) => [`crates/${name}`, below])),
    'crates/engine': 'curvature fisher kernels models problems settings',
    'bindings/node': 'engine',
    'bindings/wasm': 'engine',
  }
  const folders = ['crates', 'bindings'].flatMap((parent) =>
    readdirSync(join(root, parent), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `${parent}/${name}`)
      .filter((folder) => existsSync(join(root, folder, 'Cargo.toml'))),
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
    'crates/settings',
    'crates/curvature',
    'crates/fisher',
    'crates/models',
    'crates/problems',
    'crates/settings',
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

test('the library asks for no global of Node by its bare name, which a page does not have', () => {
  const others = ['cli', 'data', 'jax']
  const named = sources.filter(
    (path) =>
      !others.includes(roomOf(path)) && /(?<![.\w])(process|Buffer|require|__dirname)[.(]\w/.test(text(path)),
  )
  assert.equal(named, [])
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
