import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { between, coresOf, loaded } from '../bench/harness/cores.ts'
import type { Entry } from '../bench/harness/measure.ts'
import { nameOf, summary, worst } from '../bench/harness/recorded.ts'
import type { Report } from '../bench/harness/report.ts'

const test = suite('bench')

// user nice system idle iowait irq softirq steal guest guest_nice, in jiffies
const before = coresOf(
  'cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 100 0 50 800 50 0 0 0 7 0\ncpu1 0 0 0 500 0 0 0 0 0 0\nintr 1 2\n',
)
const after = coresOf(
  'cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 160 10 50 820 60 0 0 0 9 0\ncpu1 10 0 5 575 0 2 3 5 0 0\nintr 3 4\n',
)

test('the busy share of each core leaves idle time and waits for disks out, and counts stolen time', () => {
  assert.equal(before, [
    [100, 0, 50, 800, 50, 0, 0, 0],
    [0, 0, 0, 500, 0, 0, 0, 0],
  ])
  const { busy, others } = between(before, after, 0.9)
  assert.equal(
    busy.map((share) => share.toFixed(3)),
    ['0.700', '0.250'],
  )
  assert.ok(Math.abs(others - 0.05) < 1e-9, 'what this process took is no load')
  assert.is(loaded({ busy, others }), '')
  assert.match(loaded(between(before, after, 0.2)), /others took 0\.8 cores \(busy 70 %, 25 %\)/)
  assert.is(loaded(null), '')
  assert.equal(between(before, before, 1), { busy: [0, 0], others: 0 })
})

test('results are named by processor', () => {
  const names = {
    'Intel(R) Xeon(R) Processor': 'intel-xeon',
    'Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz': 'intel-xeon-platinum-8481c',
    'AMD EPYC 9B14 96-Core Processor': 'amd-epyc-9b14',
    'Apple M2 Pro': 'apple-m2-pro',
    '': 'unknown',
  }
  for (const [processor, name] of Object.entries(names)) assert.is(nameOf(processor), name)
})

test('the page of all processors has the worse ratio of each row', () => {
  const report = (processor: string, ratios: Record<string, number | null>) =>
    ({
      machine: { processor, simd: 'avx2' },
      commit: 'c',
      entries: Object.entries(ratios).map(([name, ratio]) => ({ name, rival: 'R', ratio, bar: 1 }) as Entry),
    }) as unknown as Report
  const reports = [
    report('Intel X', { a: 0.4, b: 1.2, c: null }),
    report('AMD Y', { a: 0.6, b: 0.9, c: 0.5, d: null }),
  ]
  assert.equal(
    worst(reports).map(({ entry, processor }) => [entry.name, entry.ratio, processor]),
    [
      ['a', 0.6, 'AMD Y'],
      ['b', 1.2, 'Intel X'],
      ['c', 0.5, 'AMD Y'],
      ['d', null, 'AMD Y'],
    ],
  )
  const page = summary(reports)
  assert.match(page, '| b | R | 1.20 | ≤ 1, missed | Intel X |')
  assert.match(page, '(kernels-amd-y.md)')
})

test.run()
