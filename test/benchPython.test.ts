import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { markdown, plainText, type Report, withRatios } from '../bench/python/report.ts'
import { type BilevelEntry, bilevelEntry } from '../bench/python/result.ts'

const test = suite('bench:python')

/** The setup with nothing in PATH, or a python3 that gives this as its version. */
function setup(version: string | null, ...args: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'nhgd-path-'))
  if (version) writeFileSync(join(folder, 'python3'), `#!/bin/sh\necho ${version}\n`, { mode: 0o755 })
  const script = fileURLToPath(new URL('../bench/python/setup.mjs', import.meta.url))
  const env = { PATH: folder, CARGO_HOME: folder }
  const result = spawnSync(process.execPath, [script, ...args], { env, encoding: 'utf8' })
  rmSync(folder, { recursive: true })
  return result
}

function refuses({ status, stdout, stderr }: ReturnType<typeof setup>, message: RegExp) {
  assert.is(status, 2)
  assert.is(stdout, '')
  assert.match(stderr, message)
  assert.not.match(stderr, / {4}at /)
}

test('without Python it says so and exits with 2', () => {
  for (const args of [[], ['--torch']]) {
    refuses(setup(null, ...args), /^bench:python: expected Python 3\.11 or newer.* there is none$/m)
  }
})

if (process.platform !== 'win32') {
  test('names the versions of Python that do not serve', () => {
    refuses(setup('3.10'), /^bench:python: expected Python 3\.11 or newer.* there is only 3\.10$/m)
    refuses(setup('3.12', '--torch'), /^bench:python: expected Python 3\.11, .* there is only 3\.12$/m)
  })
}

test('refuses bad options before any work', () => {
  const main = fileURLToPath(new URL('../bench/python/main.ts', import.meta.url))
  const cases: [string[], RegExp][] = [
    [['--seeds', '0', '--quick'], /^"--seeds" expected a whole number from 1, got 0$/m],
    [['--budget', '0'], /^"--budget" expected seconds, got 0$/m],
    [['--json', join(tmpdir(), 'nhgd-nowhere', 'x')], /^"--json" expected a file that can be written/m],
    [['--pytorch'], /--pytorch/],
  ]
  for (const [args, told] of cases) {
    const run = ['--import', 'tsx', main, ...args]
    const { status, stdout, stderr } = spawnSync(process.execPath, run, { encoding: 'utf8' })
    assert.is(status, 1)
    assert.is(stdout, '')
    assert.match(stderr, told)
    assert.not.match(stderr, / {4}at /)
  }
})

/** A run that reaches its end after `seconds` CPU seconds, and twice as many seconds of wall time. */
function entry(
  method: string,
  seed: number,
  seconds: number,
  end: { f: number; accuracy: number },
): BilevelEntry {
  const looks = [
    { step: 1, cpu: seconds / 10, wall: seconds / 5, f: 2, accuracy: 0.1 },
    { step: 9, cpu: seconds, wall: 2 * seconds, ...end },
  ]
  const { f: outerLoss, accuracy } = end
  const [cpu, wall] = [seconds, 2 * seconds]
  return bilevelEntry(method, seed, {
    accuracy,
    outerLoss,
    auc: 0.9,
    f1: 0.8,
    steps: 9,
    cpu,
    wall,
    curve: looks,
  })
}

test('reports every rival by its ratio to ours, and the bars against the soonest', () => {
  const [best, slow] = [
    { f: 0.27, accuracy: 0.92 },
    { f: 0.31, accuracy: 0.912 },
  ]
  const report: Report = {
    command: 'npm run bench:python -- --torch',
    commit: 'abc',
    machine: { processor: 'x', platform: 'y', node: 'z', simd: 's', threads: 2 } as Report['machine'],
    threads: 1,
    budget: 15,
    seeds: [0, 1],
    quick: false,
    settings: '',
    packages: ['jax==1.0', 'torch==2.0', 'mpmath==3.0'],
    bilevel: [
      entry('preconditionedConjugateGradients', 0, 1, best),
      entry('preconditionedConjugateGradients', 1, 3, best),
      entry('amigo', 0, 10, best),
      entry('amigo', 1, 10, best),
      entry('bettyNeumann', 0, 8, best),
      entry('bettyNeumann', 1, 8, slow),
    ],
    cleaning: [],
  }
  const { ratios, bars } = withRatios(report)
  assert.equal(
    ratios.map(({ rival, cpu, wall }) => [rival, cpu['f 0.30'], cpu['f 0.32'], wall['accuracy 0.91']]),
    [
      ['amigo', 0.2, 0.2, 0.2],
      ['bettyNeumann', null, 0.25, 0.25],
    ],
  )
  assert.equal(
    bars.map(({ rival, ratio, met }) => [rival, ratio, met]),
    [
      ['amigo', 0.2, true],
      ['amigo', 0.2, true],
    ],
  )
  for (const text of [plainText(report), markdown(report)]) {
    assert.match(text, /rivals on 1 thread: jax==1\.0, torch==2\.0$/m)
    assert.match(text, /bettyNeumann[ |]+8\.00/)
  }
})

test.run()
