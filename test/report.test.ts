import { Script } from 'node:vm'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type CleaningReport, cleaningReport } from '../ts/report/index.ts'

const report: CleaningReport = {
  title: 'Cleaning of digits',
  facts: { samples: 50000 },
  methods: [
    { name: 'NHGD', accuracy: 0.91, f1: 0.95, seconds: 5.04 },
    { name: 'filter', accuracy: 0.92, f1: 0.94 },
    { name: 'all labels true', accuracy: 0.99, oracle: true },
  ],
  steps: [0, 1, 2],
  charts: [
    {
      title: 'Loss',
      curves: [
        { name: 'held-out loss', values: [0.9, 0.25, 0.5] },
        { name: 'unknown', values: [Number.NaN, 2, 3] },
      ],
    },
    { title: 'Residual', logarithmic: true, curves: [{ name: 'residual', values: [1, 0, 0.01] }] },
  ],
  overfitting: 1,
  weights: { values: [0.1, 0.9, 1, 0], wrong: [true, false, false, true] },
  suspects: [
    { index: 7, given: 'cat', suggested: 'dog', truth: 'dog', score: 0.01234, pixels: [0, 0.5, 1, 0.25] },
  ],
  imageShape: [2, 2],
  phases: { inner: 2, outer: 1 },
  environment: { backend: 'native' },
  settings: { fisher: { damping: 0.03 }, hidden: [300] },
  command: 'nhgd clean --demo mnist',
}

const page = cleaningReport(report)
const data = (html: string) =>
  JSON.parse(/<script type="application\/json" id="report">(.*?)<\/script>/s.exec(html)?.[1] ?? '')
const words = (html: string) => html.replace(/<(script|style)[\s\S]*?<\/\1>/g, '').replace(/<[^>]*>/g, '')

const html = suite('report')

html('needs no network', () => {
  assert.not.match(page, /(?:src|href|action)\s*=\s*["']?\s*(?:https?:)?\/\//i)
  assert.not.match(page, /<link|<iframe|@import|url\(/i)
  assert.match(page, "default-src 'none'")
})

html('has scripts that parse', () => {
  const scripts = [...page.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, source]) => source)
  assert.is(scripts.length, 2)
  for (const source of scripts) new Script(source)
})

html('says which method is best, the oracle apart', () => {
  assert.match(words(page), 'filter is best by accuracy: 0.9200, 0.0100 above NHGD (0.9100).')
  const best = [...page.matchAll(/<td class="best">([\d.]+)/g)].map(([, value]) => value)
  assert.equal(best, ['0.9500', '0.9200'])
  const level = cleaningReport({
    title: '',
    methods: report.methods?.map((m) => ({ ...m, accuracy: 0.9 })) ?? [],
  })
  assert.match(words(level), 'NHGD is best by accuracy: 0.9000, level with filter.')
})

html('draws what it was given', () => {
  const { charts, overfitting, weights, pictures, steps } = data(page)
  assert.equal(steps, [0, 1, 2])
  assert.is(overfitting, 1)
  assert.equal(charts[1], { logarithmic: true, curves: [{ name: 'residual', values: [1, null, 0.01] }] })
  assert.equal(charts[0].curves[1].values, [null, 2, 3])
  assert.equal([...Buffer.from(pictures[0], 'base64')], [0, 128, 255, 64])
  for (const { shares } of weights) {
    assert.is(shares.length, 40)
    assert.is(
      shares.reduce((sum: number, share: number) => sum + share, 0),
      100,
    )
  }
  assert.equal([weights[0].shares[36], weights[0].shares[39]], [50, 50])
  assert.equal([weights[1].shares[4], weights[1].shares[0]], [50, 50])
})

html('says in words what pictures show', () => {
  assert.match(page, 'held-out loss: 0.9 at step 0, 0.5 at step 2; least 0.25 at 1, greatest 0.9 at 0.')
  assert.match(page, 'aria-label="Sample 7: given cat, suggested dog, in truth dog, score 0.0123"')
  assert.match(words(page), 'Over-fitting of the trusted set began at outer step 1')
  assert.match(words(page), 'Wrong labels: 100.0 % of 2 have a weight below one half.')
})

html('lists all settings', () => {
  for (const text of ['fisher.damping', '0.03', '[300]', 'nhgd clean --demo mnist', '5.0'])
    assert.match(words(page), text)
})

html('shows a table where there are no pictures, one histogram where the truth is unknown', () => {
  const suspect = { index: 7, given: 'cat', suggested: 'dog', score: 0.01234 }
  const plain = cleaningReport({ title: 'x', suspects: [suspect], weights: { values: [0.5] } })
  assert.not.match(plain, '<canvas')
  assert.match(plain, '<th scope="row">7</th><td>cat</td><td>dog</td><td>0.0123</td>')
  assert.equal(data(plain).weights.length, 1)
})

html('leaves out what is not known', () => {
  const bare = words(cleaningReport({ title: 'bare' }))
  for (const heading of [
    'Methods',
    'Course',
    'Weights',
    'worst',
    'Time',
    'Machine',
    'Settings',
    'Command',
    'undefined',
  ]) {
    assert.not.match(bare, heading)
  }
})

html('escapes all text', () => {
  const evil = `</script><script>alert("1")</script><img src=x onerror='alert(2)'>`
  const page = cleaningReport({
    ...report,
    title: evil,
    facts: { [evil]: evil },
    methods: [{ name: evil, accuracy: 1 }],
    charts: [{ title: evil, curves: [{ name: evil, values: [1, 2, 3] }] }],
    suspects: [{ index: 0, given: evil, suggested: evil, truth: evil, score: 0, pixels: [0, 0, 0, 0] }],
    phases: { [evil]: 1 },
    environment: { [evil]: evil },
    settings: { [evil]: evil },
    command: evil,
  })
  assert.not.match(page, '<script>alert')
  assert.not.match(page, '<img')
  assert.is(page.match(/<\/script>/g)?.length, 3)
  assert.is(data(page).charts[0].curves[0].name, evil)
  const table = cleaningReport({
    title: '',
    suspects: [{ index: 0, given: evil, suggested: evil, score: 0 }],
  })
  assert.not.match(table, '<img')
})
html.run()
