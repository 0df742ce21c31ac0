import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { simd } from '../../ts/backend/simd.ts'
import { type LoadOptions, loadBackend, NhgdError } from '../../ts/index.ts'
import { root, run } from './support/run.ts'

const test = suite('loading')

/** A module that imports a function from nowhere. */
const anotherModule = [
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x04, 0x01, 0x60, 0x00, 0x00],
  ...[0x02, 0x07, 0x01, 0x01, 0x61, 0x01, 0x62, 0x00, 0x00],
]

const failures: Record<string, [options: LoadOptions, message: RegExp]> = {
  'an unknown name': [{ backend: 'cuda' as 'wasm' }, /"backend" expected native, wasm or auto, got "cuda"/],
  'a wish that is none': [
    { backend: 'wasm', relaxed: 'no' as unknown as boolean },
    /"relaxed" expected true or false, got "no"/,
  ],
  'a file that is absent': [{ backend: 'wasm', wasm: 'file:///absent.wasm' }, /ENOENT.+pass its URL/],
  'bytes of another module': [{ backend: 'wasm', wasm: new Uint8Array(anotherModule) }, /another version’s/],
  'bytes that are no module': [{ backend: 'wasm', wasm: new Uint8Array(8) }, /magic.+pass its URL/],
}

for (const [name, [options, message]] of Object.entries(failures)) {
  test(`${name} is refused with a remedy`, async () => {
    const error = await loadBackend(options).catch((error) => error)
    assert.instance(error, NhgdError)
    assert.is(error.code, 'ERR_BACKEND')
    assert.match(error.message, message)
  })
}

if (simd() !== 'relaxed') {
  test('a module that needs relaxed SIMD is refused with a remedy where there is none', async () => {
    const wasm = new URL('../../build/wasm-relaxed/nhgd_relaxed.wasm', import.meta.url)
    const error = await loadBackend({ backend: 'wasm', wasm }).catch((error) => error)
    assert.match(error.message, /no relaxed SIMD: pass nhgd\/nhgd\.wasm/)
  })
}

test('where no backend loads, the error tells why each does not, and what to do', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'nhgd-'))
  try {
    for (const path of ['ts', 'package.json'])
      cpSync(join(root, path), join(folder, path), { recursive: true })
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
    const command = ['--import', 'tsx', join('ts', 'cli', 'main.ts'), 'info']
    const { message } = await run(process.execPath, command, { cwd: folder, env: { NHGD_BACKEND: '' } }).then(
      () => ({ message: '' }),
      (error: Error) => error,
    )
    const reasons = /no backend loads\n(the native backend .+)\n(the wasm backend .+)/.exec(message) ?? []
    assert.is(reasons.length, 3, message)
    for (const reason of reasons.slice(1)) assert.match(reason, /does not load: .+; .*npm run setup/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('after a failure it loads, and two loads at once share an instance', async () => {
  const [one, other] = await Promise.all([loadBackend({ backend: 'wasm' }), loadBackend({ backend: 'wasm' })])
  const x = new one.Vector(2, 'f64')
  const y = new other.Vector(2, 'f64')
  x.fill(3)
  y.copyFrom(x)
  assert.equal(y.readF64(), Float64Array.of(3, 3))
})

test.run()
