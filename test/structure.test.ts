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
const line = ['tasks', 'solve', 'methods', 'hypergradient', 'problems', 'backend', 'defaults']
const after = (room: string) => line.slice(line.indexOf(room) + 1)
const arrows: Record<string, readonly string[]> = {
  defaults: [],
  backend: [],
  problems: after('problems'),
  hypergradient: after('hypergradient'),
  methods: after('methods'),
  solve: after('solve'),
  tasks: [...after('tasks'), 'data'],
  data: ['backend/errors', 'backend/matrix'],
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
    readdirSync(join(root, parent)).map((name) => `${parent}/${name}`),
  )
  assert.equal(folders.sort(), Object.keys(all).sort())
  for (const [folder, expected] of Object.entries(all)) {
    const found = new Set(
      Array.from(text(`${folder}/Cargo.toml`).split('[dev-dependencies]')[0].matchAll(/^nhgd-(\w+)/gm), ([, name]) => name),
    )
    assert.is([...found].sort().join(' '), expected, folder)
  }
})

test('unsafe stays in the kernels', () => {
  for (const folder of ['crates/curvature', 'crates/fisher', 'crates/models', 'crates/problems', 'crates/engine']) {
    const files = readdirSync(join(root, folder, 'src'), { recursive: true, encoding: 'utf8' })
    for (const file of files.filter((file) => file.endsWith('.rs'))) {
      assert.not.match(text(`${folder}/src/${file}`), /\bunsafe\s*(\{|fn|impl)/, `${folder}/src/${file}`)
    }
  }
})

/** `Class.method` or `function`, with how many arguments it takes. */
type Exports = Record<string, number>

/** What a binding's source exports under JavaScript's names. */
function exportsOf(path: string): Exports {
  const found: Exports = {}
  let owner = ''
  let attribute = ''
  const source = text(path).replace(/^\s*\/\/.*$/gm, '')
  const pattern =
    /#\[(?:napi|wasm_bindgen)\b(?:\(([^\]]*)\))?\]|^impl (\w+)|^}|^( *)pub fn (\w+)(?:<[^>]*>)?\s*\(([^{;]*?)\)\s*(?:->|\{)/gm
  for (const [whole, attributes = '', impl, indent, name, parameters] of source.matchAll(pattern)) {
    if (whole.startsWith('#')) attribute = whole + attributes
    else if (impl) [owner, attribute] = [attribute ? impl : '', '']
    else if (whole === '}') owner = ''
    else if (name && attribute && (owner || indent === '')) {
      const given = /js_name\s*=\s*"?(\w+)/.exec(attribute)?.[1]
      const own = attribute.includes('napi')
        ? name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase())
        : name
      const called = /constructor/.test(attribute) ? 'constructor' : (given ?? own)
      const all = parameters.split(',').map((parameter) => parameter.trim())
      const passed = all.filter(
        (parameter) => parameter !== '' && !/^&(mut )?self$|: &?('\w+ )?Env$|: Env$/.test(parameter),
      )
      found[owner ? `${owner}.${called}` : called] = passed.length
      attribute = ''
    }
  }
  return found
}

/** What TypeScript expects of a binding. */
function expected(): Exports {
  const file = ts.createSourceFile('binding.ts', text('ts/backend/binding.ts'), ts.ScriptTarget.Latest)
  const interfaces = new Map(
    file.statements
      .filter(ts.isInterfaceDeclaration)
      .map((declaration) => [declaration.name.text, declaration]),
  )
  const found: Exports = {}
  const list = (owner: string, members: Iterable<ts.TypeElement>) => {
    for (const member of members) {
      const count = ts.isMethodSignature(member) ? member.parameters.length : 0
      found[`${owner}.${(member.name as ts.Identifier).text}`] = count
    }
  }
  const nameOf = (type: ts.TypeNode | undefined) =>
    ((type as ts.TypeReferenceNode).typeName as ts.Identifier).text
  for (const member of interfaces.get('Binding')?.members ?? []) {
    const name = (member.name as ts.Identifier).text
    if (ts.isMethodSignature(member)) {
      found[name] = member.parameters.length
      continue
    }
    const { type } = member as ts.PropertySignature
    let instance: string
    if (type && ts.isConstructorTypeNode(type)) {
      found[`${name}.constructor`] = type.parameters.length
      instance = nameOf(type.type)
    } else {
      const { members } = type as ts.TypeLiteralNode
      list(name, members)
      instance = nameOf((members[0] as ts.MethodSignature).type)
    }
    list(name, interfaces.get(instance)?.members ?? [])
  }
  return found
}

for (const binding of ['node', 'wasm']) {
  test(`bindings/${binding} exports what TypeScript expects, no more and no less`, () => {
    const wanted = expected()
    assert.ok(Object.keys(wanted).length > 50 && wanted['Vector.axpy'] === 2)
    assert.equal(sorted(exportsOf(`bindings/${binding}/src/lib.rs`)), sorted(wanted))
  })
}

function sorted(exports: Exports): Exports {
  return Object.fromEntries(Object.entries(exports).sort())
}

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
