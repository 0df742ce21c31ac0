// The WebAssembly modules, built by wasm-pack into folders of build: a compiler that can, the tools, the builds.
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, delimiter, join } from 'node:path'
import { brotliCompressSync } from 'node:zlib'
import { rustSources } from './native.mjs'
import { environment, local, refresh, run, SetupError, step, succeeds, tools } from './step.mjs'

const target = 'wasm32-unknown-unknown'
const wasmPack = '0.15.1'

/** What std and all else is compiled with for threads, and what the linker is told of the memory they share. */
const sharedMemory = [
  '-C target-feature=+atomics,+bulk-memory,+mutable-globals',
  ...['--shared-memory', '--import-memory', '--max-memory=4294967296'].map((arg) => `-C link-arg=${arg}`),
  ...['__wasm_init_tls', '__tls_size', '__tls_align', '__tls_base', '__heap_base'].map(
    (name) => `-C link-arg=--export=${name}`,
  ),
]
const buildStd = ['-Zbuild-std=std,panic_abort']
const relaxed = '-C target-feature=+relaxed-simd'

/** The modules: the folder in target, flags after those of .cargo/config.toml, features for wasm-opt, options of cargo. */
const modules = {
  'nhgd_bg.wasm': { target: 'wasm', flags: [], features: ['simd'] },
  'nhgd_relaxed.wasm': { target: 'wasm-relaxed', flags: [relaxed], features: ['simd', 'relaxed-simd'] },
  'nhgd_scalar.wasm': { target: 'wasm-scalar', flags: ['-C target-feature=-simd128'], features: [] },
  'nhgd_threads.wasm': {
    target: 'wasm-threads',
    flags: sharedMemory,
    features: ['simd', 'threads'],
    cargo: buildStd,
  },
  'nhgd_threads_relaxed.wasm': {
    target: 'wasm-threads-relaxed',
    flags: [...sharedMemory, relaxed],
    features: ['simd', 'relaxed-simd', 'threads'],
    cargo: buildStd,
  },
}

/** Builds the modules with SIMD, when their sources changed: the one that every engine takes, and the relaxed one. */
export async function buildWasm() {
  await refresh(local('build', 'wasm'), rustSources, async (next) => {
    const env = await compiler()
    await bindgen(env)
    await compile('nhgd_bg.wasm', next, env)
  })
  await buildBeside('wasm-relaxed', 'nhgd_relaxed.wasm')
}

/** Builds the module for engines without SIMD, when its sources changed; {@link buildWasm} comes first. */
export function buildScalarWasm() {
  return buildBeside('wasm-scalar', 'nhgd_scalar.wasm')
}

/** A module that runs on the glue in build/wasm. */
function buildBeside(folder, file) {
  return refresh(local('build', folder), rustSources, async (next) =>
    compile(file, next, await compiler(), local('build', 'wasm')),
  )
}

/**
 * Builds the modules with threads, when their sources changed; {@link buildWasm} comes first. They need the sources of
 * the standard library: where they can't be had it says so, and nothing is built.
 */
export async function buildThreadedWasm() {
  await refresh(local('build', 'wasm-threads'), rustSources, async (next) => {
    const env = await withStdSources(await compiler())
    if (!env) return false
    await compile('nhgd_threads.wasm', next, env)
    await compile('nhgd_threads_relaxed.wasm', next, env, next)
    const parts = [join(next, 'nhgd.js'), local('scripts', 'setup', 'helper.js')]
    writeFileSync(join(next, 'nhgd_helper.js'), parts.map((part) => readFileSync(part, 'utf8')).join('\n'))
  })
}

/** The environment in which cargo compiles the standard library, if its sources are there or can be had. */
async function withStdSources(env) {
  const rustc = env.RUSTC ?? 'rustc'
  const present = async () => {
    const sysroot = (await run(rustc, ['--print', 'sysroot'], { env })).trim()
    return existsSync(join(sysroot, 'lib', 'rustlib', 'src', 'rust', 'library', 'std', 'Cargo.toml'))
  }
  if (!(await present()) && (await succeeds('rustup', ['--version']))) {
    await step('rustup component add rust-src', () =>
      succeeds('rustup', ['component', 'add', 'rust-src'], { timeout: 120_000 }),
    )
  }
  // Stable compilers take unstable flags, which build-std still is, when told that this is on purpose.
  if (await present()) return { ...env, RUSTC_BOOTSTRAP: '1' }
  console.log('setup: no WebAssembly modules with threads, which need the sources of the standard library:')
  console.log('       rustup component add rust-src. Everything else works without.')
}

/** Compiles a module into a folder, with its glue unless that has to be the one which lies in `shared`. */
async function compile(file, folder, env, shared) {
  const { target, flags, features, cargo = [] } = modules[file]
  const out = join(folder, 'wasm-pack')
  await step(`${file} (wasm-pack, release)`, () =>
    run(
      'wasm-pack',
      [
        ...['build', local('bindings', 'wasm'), '--mode', 'no-install', '--profile', 'wasm', '--no-opt'],
        ...['--target', 'web', '--no-pack', '--no-typescript', '--out-dir', out, '--out-name', 'nhgd'],
        ...['--', ...cargo],
      ],
      {
        env: {
          ...env,
          RUSTFLAGS: undefined, // it would replace those of .cargo/config.toml, to which the next are appended
          CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS: flags.join(' '),
          // Its own folder: another compiler or other flags would evict the native build's results.
          CARGO_TARGET_DIR: local('target', target),
        },
      },
    ),
  )
  const glue = perInstance(readFileSync(join(out, 'nhgd.js'), 'utf8'))
  if (!shared) writeFileSync(join(folder, 'nhgd.js'), glue)
  else if (glue !== readFileSync(join(shared, 'nhgd.js'), 'utf8'))
    throw new SetupError(`the glue of ${file} is not that in ${shared}`)
  renameSync(join(out, 'nhgd_bg.wasm'), join(folder, file))
  rmSync(out, { recursive: true })
  await optimize(join(folder, file), features)
}

/**
 * wasm-bindgen's glue as a function, each call of which gives an instance with classes of its own: after a trap a fresh
 * one takes the place of the old, whose objects stay what they are. `end` lets go of the memory.
 */
function perInstance(glue) {
  const names = Array.from(glue.matchAll(/^export (?:class|function) (\w+)/gm), ([, name]) => name)
  const body = glue
    .replace(/^export (class|function)/gm, '$1')
    .replace(/^export \{ initSync, __wbg_init as default \};$/m, '')
  if (/^(import|export) /m.test(body) || !/^let wasmModule, wasmInstance, wasm;$/m.test(body))
    throw new SetupError('wasm-bindgen writes its glue in another way: scripts/setup/wasm.mjs has to follow')
  return `export function instance() {
${body}
function end() {
    wasm = new Proxy({}, { get: () => () => {} });
    wasmModule = wasmInstance = undefined;
    cachedFloat32ArrayMemory0 = cachedFloat64ArrayMemory0 = null;
    cachedUint32ArrayMemory0 = cachedUint8ArrayMemory0 = null;
}
return { ${[...names, 'initSync', 'end'].join(', ')}, default: __wbg_init };
}
`
}

/** The environment of the first compiler that links a module for {@link target}. */
async function compiler() {
  const debian = {
    ...environment,
    PATH: ['/usr/bin', environment.PATH].join(delimiter),
    RUSTC: '/usr/bin/rustc',
  }
  if (await links(environment)) return environment
  if (await links(debian)) return debian
  if (await succeeds('rustup', ['--version'])) {
    await step(`rustup target add ${target}`, () =>
      succeeds('rustup', ['target', 'add', target], { timeout: 120_000 }),
    )
    if (await links(environment)) return environment
  }
  const script = join('scripts', 'setup', 'debian-wasm.sh')
  const isDebian = await succeeds('apt-get', ['--version'])
  if (isDebian && process.getuid?.() === 0) {
    await step(`rustc for ${target}: installing Debian's rustc-web, compiling its std (${script})`, () =>
      run('bash', [local(script)]),
    )
    if (await links(debian)) return debian
  }
  throw new SetupError(
    [
      `no Rust compiler here links a module for ${target}. Either of these gives one:`,
      `  rustup target add ${target}`,
      ...(isDebian ? [`  sudo bash ${script}`] : []),
      'Without WebAssembly, the tests of the native backend run with:',
      '  npm test -- --backend native',
    ].join('\n'),
  )
}

/** Whether this environment's rustc is recent enough and links a real module: a target may be listed and lack its std. */
async function links(env) {
  const folder = mkdtempSync(join(tmpdir(), 'nhgd-'))
  try {
    const source = join(folder, 'probe.rs')
    // Chained `let` came with Rust 1.88; allocation and f64::exp need alloc and std.
    writeFileSync(
      source,
      `#[unsafe(no_mangle)]
      pub extern "C" fn probe(x: f64) -> f64 {
        let v = vec![x.exp(); 3];
        if let Some(a) = v.first() && *a > 0.0 { v.iter().sum() } else { 0.0 }
      }`,
    )
    const flags = ['--edition', '2024', '--crate-type', 'cdylib', '-O', '--out-dir', folder]
    return await succeeds(env.RUSTC ?? 'rustc', ['--target', target, ...flags, source], { env })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Installs wasm-pack, and the wasm-bindgen command of the version that Cargo.lock names. */
async function bindgen(env) {
  const wanted = /name = "wasm-bindgen"\nversion = "(.+)"/.exec(readFileSync(local('Cargo.lock'), 'utf8'))[1]
  const present = await run('wasm-bindgen', ['--version']).catch(() => '')
  if (present.trim() !== `wasm-bindgen ${wanted}`) {
    await install('wasm-bindgen-cli', wanted, [
      '--no-default-features',
      ...(present ? ['--root', tools] : []),
    ])
  }
  if (!(await succeeds('wasm-pack', ['--version'], { env })))
    await install('wasm-pack', wasmPack, ['--locked'])
}

function install(crate, version, options) {
  // The environment without RUSTC: the tools run here, they are not compiled for the web.
  return step(`cargo install ${crate} ${version} (once on this machine, some minutes)`, () =>
    run('cargo', ['install', crate, '--version', version, ...options]),
  )
}

/** Runs the optimiser, which refuses a module that uses more than the features, and prints what is downloaded. */
async function optimize(module, more) {
  const features = [
    'bulk-memory',
    'nontrapping-float-to-int',
    'sign-ext',
    'mutable-globals',
    'reference-types',
    'multivalue',
    ...more,
  ]
  const wasmOpt = local('node_modules', 'binaryen', 'bin', 'wasm-opt')
  const enable = features.map((feature) => `--enable-${feature}`)
  await step(`${basename(module)} (wasm-opt)`, () =>
    run(process.execPath, [wasmOpt, '-O3', ...enable, module, '-o', module]),
  )
  const bytes = readFileSync(module)
  const [size, compressed] = [bytes, brotliCompressSync(bytes)].map(({ length }) => Math.round(length / 1000))
  console.log(`setup: ${basename(module)} has ${size} kB, ${compressed} kB with brotli`)
}
