// What the project depends on is what docs/dependencies.md says, under licences that deny.toml allows, locked.
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const test = suite('dependencies')
const root = fileURLToPath(new URL('..', import.meta.url))
const text = (path: string) => readFileSync(join(root, path), 'utf8')
const json = (path: string) => JSON.parse(text(path))

interface Crate {
  readonly name: string
  readonly version: string
  readonly license: string | null
  readonly source: string | null
  readonly manifest_path: string
  readonly dependencies: readonly {
    readonly name: string
    readonly kind: string | null
    readonly req: string
    readonly path?: string
  }[]
}

/** Every crate that Cargo.lock knows; it fails where the lock is out of date. */
function crates(): readonly Crate[] {
  const args = ['metadata', '--locked', '--all-features', '--format-version', '1']
  const options = { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 } as const
  return JSON.parse(execFileSync('cargo', args, { ...options, stdio: ['ignore', 'pipe', 'ignore'] })).packages
}

const all = crates()
const manifest = json('package.json')
const lock = json('package-lock.json')

/** The rows of each table of the page: the package, its licence, and the reason. */
const tables = text('docs/dependencies.md')
  .split(/\n\n+/)
  .filter((block) => block.startsWith('| '))
  .map((block) =>
    block
      .trim()
      .split('\n')
      .slice(2)
      .map((row) => row.split('|').map((cell) => cell.trim().replaceAll('`', '')))
      .map(([, name, licence, reason]) => ({ name, licence, reason })),
  )
const [shipped, optional, compiled, tools, cratesToBuild] = tables
const names = (table: readonly { readonly name: string }[]) => table.map(({ name }) => name)

/** Names of crates that manifests of the workspace, and of the rival in benchmarks, take from elsewhere. */
function taken(kinds: readonly (string | null)[]): string[] {
  const own = all.filter(({ source }) => source === null).flatMap(({ dependencies }) => dependencies)
  for (const { name, req, path } of own) assert.ok(path !== undefined || req !== '*', `${name}: any version`)
  const foreign = own.filter(({ kind, path }) => kinds.includes(kind) && path === undefined)
  return [...new Set(names(foreign))].sort()
}

test('the page lists every dependency, with a reason', () => {
  const peers = Object.keys(manifest.peerDependencies)
  assert.equal(names(shipped), Object.keys(manifest.dependencies).sort())
  assert.equal(names(optional), peers.sort())
  assert.equal(Object.keys(manifest.peerDependenciesMeta).sort(), peers)
  assert.equal(
    names(tools),
    Object.keys(manifest.devDependencies)
      .filter((name) => !peers.includes(name))
      .sort(),
  )
  // `ts-rs` is an optional dependency that only tests turn on.
  assert.equal(
    names(compiled),
    taken([null]).filter((name) => name !== 'ts-rs'),
  )
  assert.equal(
    names(cratesToBuild),
    taken(['dev', 'build', null]).filter((name) => !names(compiled).includes(name)),
  )
  const rival = text('bench/rivals/openblas/Cargo.toml').matchAll(/^([\w-]+) = .*\d/gm)
  for (const [, name] of rival) {
    if (['name', 'version', 'edition'].includes(name)) continue
    if (all.some((crate) => crate.name === name))
      assert.ok([...names(compiled), ...names(cratesToBuild)].includes(name), name)
  }
  for (const { name, reason } of tables.flat()) assert.ok(reason.length > 3, name)
})

test('the licences are those that the packages name', () => {
  for (const { name, licence } of [...shipped, ...optional, ...tools]) {
    assert.is(json(`node_modules/${name}/package.json`).license, licence, name)
  }
  for (const { name, licence } of [...compiled, ...cratesToBuild]) {
    const found = all.filter((crate) => crate.name === name).map(({ license }) => license)
    assert.equal([...new Set(found)], [licence], name)
  }
})

/** Whether one may choose licences among those allowed: `A OR B` offers a choice, `A AND B` does not. */
function allows(licence: string, allowed: readonly string[]): boolean {
  const simple = licence
    .replaceAll('/', ' OR ')
    .replace(/\(([^()]*)\)/g, (_, inner) => (allows(inner, allowed) ? allowed[0] : 'none'))
  return simple.split(' AND ').every((part) => part.split(' OR ').some((one) => allowed.includes(one.trim())))
}

test('every crate comes from crates.io, under a licence that deny.toml allows, and is locked', () => {
  const allowed = Array.from(
    /^allow = \[(.*)\]/m.exec(text('deny.toml'))?.[1].matchAll(/"([^"]+)"/g) ?? [],
    ([, name]) => name,
  )
  assert.ok(allowed.length > 2)
  assert.is(allows('(MIT OR GPL-3.0) AND Unicode-3.0', ['MIT']), false)
  assert.is(allows('(MIT OR GPL-3.0) AND Apache-2.0', ['MIT', 'Apache-2.0']), true)
  for (const { name, license, source } of all) {
    assert.ok(license && allows(license, allowed), `${name}: ${license}`)
    if (source === null) assert.match(name, /^nhgd-/)
    else assert.is(source, 'registry+https://github.com/rust-lang/crates.io-index', name)
  }
  const entries = text('Cargo.lock').split('[[package]]').slice(1)
  for (const entry of entries) {
    if (/name = "nhgd-/.test(entry)) continue
    assert.match(
      entry,
      /^source = "registry\+https:\/\/github\.com\/rust-lang\/crates\.io-index"\nchecksum = "[0-9a-f]{64}"$/m,
    )
  }
})

/** What packages that never leave this machine may be under, beside what crates may. */
const licencesOfTools = [
  'MIT',
  'Apache-2.0',
  'ISC',
  '0BSD',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'MPL-2.0',
  'PSF-2.0',
  'Python-2.0',
]

test('every npm package has a checksum, comes from the registry, and is under a known licence', () => {
  const { '': own, ...packages } = lock.packages as Record<string, Record<string, string>>
  for (const kind of ['dependencies', 'devDependencies', 'peerDependencies']) {
    assert.equal(own[kind], manifest[kind], `package-lock.json is out of date in ${kind}`)
  }
  for (const [path, { integrity, resolved, license, link, dev }] of Object.entries(packages)) {
    assert.ok(/^sha512-/.test(integrity) && !link, path)
    assert.ok(resolved === undefined || resolved.startsWith('https://registry.npmjs.org/'), path)
    assert.ok(allows(license, dev ? licencesOfTools : ['MIT']), `${path}: ${license}`)
  }
})

test('the bills of materials list what npm installs with the package, and the crates that are compiled', () => {
  execFileSync(process.execPath, ['scripts/sbom.mjs'], { cwd: root })
  const { bomFormat, metadata, components } = json('build/sbom/npm.cdx.json')
  assert.equal(
    [bomFormat, metadata.component.name, metadata.component.version],
    ['CycloneDX', 'nhgd', manifest.version],
  )
  const listed = components.map(({ name, version, hashes }: Record<string, unknown>) => [
    name,
    version,
    Array.isArray(hashes),
  ])
  const installed = names(shipped).map((name) => [name, lock.packages[`node_modules/${name}`].version, true])
  assert.equal(listed.sort(), installed)
  for (const [binding, own, other] of [
    ['node', 'napi', 'wasm-bindgen'],
    ['wasm', 'wasm-bindgen', 'napi'],
  ]) {
    const bom = json(`build/sbom/${binding}.cdx.json`)
    const crates = names(bom.components)
    for (const name of [own, 'nhgd-kernels', 'serde_json', 'num-traits'])
      assert.ok(crates.includes(name), name)
    for (const name of [other, 'proptest', 'napi-build']) assert.not(crates.includes(name), name)
    for (const { name, hashes } of bom.components) assert.ok(hashes || /^nhgd-/.test(name), name)
  }
})

test('nothing runs when the package is installed', () => {
  const run = ['preinstall', 'install', 'postinstall', 'prepublish', 'preprepare', 'prepare', 'postprepare']
  assert.equal(
    run.filter((name) => name in manifest.scripts),
    [],
  )
  assert.is(readdirSync(root).includes('binding.gyp'), false) // npm would build it
  const scripted = Object.entries(lock.packages as Record<string, { hasInstallScript?: true; dev?: true }>)
    .filter(([, { hasInstallScript, dev }]) => hasInstallScript && !dev)
    .map(([path]) => path)
  assert.equal(scripted, [])
})

test.run()
