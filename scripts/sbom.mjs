// Writes what a release holds, in CycloneDX: build/sbom/npm.cdx.json for the package and what npm installs with it, and
// node.cdx.json and wasm.cdx.json for the crates that are compiled into each binding.
//   npm run sbom
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { local, run, SetupError, step } from './setup/step.mjs'

const folder = local('build', 'sbom')
const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm']
const text = (name) => readFileSync(local(name), 'utf8')
const write = (name, content) =>
  writeFileSync(local('build', 'sbom', name), `${JSON.stringify(content, null, 2)}\n`)

/** From a manifest without the tools: npm leaves out what tools use too where it is told to omit them. */
async function ofPackage() {
  const { devDependencies: _, ...manifest } = JSON.parse(text('package.json'))
  const lock = JSON.parse(text('package-lock.json'))
  delete lock.packages[''].devDependencies
  for (const [path, { dev }] of Object.entries(lock.packages)) if (dev) delete lock.packages[path]
  // npm calls the package as its folder is called.
  mkdirSync(local('build', 'sbom', 'nhgd'))
  write('nhgd/package.json', manifest)
  write('nhgd/package-lock.json', lock)
  const [command, ...args] = npm
  const place = ['--prefix', local('build', 'sbom', 'nhgd'), '--package-lock-only', '--offline']
  const bom = await run(command, [...args, 'sbom', '--sbom-format', 'cyclonedx', ...place])
  rmSync(local('build', 'sbom', 'nhgd'), { recursive: true })
  write('npm.cdx.json', JSON.parse(bom))
}

const checksums = new Map(
  Array.from(
    text('Cargo.lock').matchAll(/name = "(.+)"\nversion = "(.+)"\nsource = ".+"\nchecksum = "(.+)"/g),
    ([, name, version, checksum]) => [`${name}@${version}`, checksum],
  ),
)

function component({ name, version, license }) {
  const content = checksums.get(`${name}@${version}`)
  return {
    type: 'library',
    'bom-ref': `${name}@${version}`,
    name,
    version,
    purl: `pkg:cargo/${name}@${version}`,
    licenses: [{ expression: license.replaceAll('/', ' OR ') }],
    ...(content && { hashes: [{ alg: 'SHA-256', content }] }),
  }
}

/** What is compiled into a binding, on the given platforms: not what builds or tests it. */
async function ofCrates(binding, platforms) {
  const metadata = await run('cargo', ['metadata', '--locked', '--format-version', '1', ...platforms])
  const { packages, resolve } = JSON.parse(metadata.slice(metadata.indexOf('{"packages"')))
  const byId = new Map(packages.map((crate) => [crate.id, crate]))
  const nodes = new Map(resolve.nodes.map((node) => [node.id, node]))
  const root = packages.find(({ name }) => name === `nhgd-${binding}`)
  const found = new Map([[root.id, []]])
  for (const id of found.keys()) {
    const used = nodes.get(id).deps.filter(({ dep_kinds }) => dep_kinds.some(({ kind }) => kind === null))
    found.set(
      id,
      used.map(({ pkg }) => pkg),
    )
    for (const { pkg } of used) if (!found.has(pkg)) found.set(pkg, [])
  }
  const ref = (id) => component(byId.get(id))['bom-ref']
  const [, ...others] = found.keys()
  write(`${binding}.cdx.json`, {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    version: 1,
    metadata: { component: component(root) },
    components: others.map((id) => component(byId.get(id))),
    dependencies: Array.from(found, ([id, used]) => ({ ref: ref(id), dependsOn: used.map(ref) })),
  })
}

try {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  await step('packages (npm sbom)', ofPackage)
  await step('crates (cargo metadata)', async () => {
    await ofCrates('node', [])
    await ofCrates('wasm', ['--filter-platform', 'wasm32-unknown-unknown'])
  })
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  console.error(`\nsbom failed: ${error.message}`)
  process.exitCode = 1
}
