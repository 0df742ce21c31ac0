import { KeptChecks } from './checks.ts'
import { checkedCsv } from './csv.ts'
import { count, element, make } from './dom.ts'
import { Examples } from './examples.ts'
import { prepareForm } from './form.ts'
import type { Command, Example, Facts, Findings, Report, Source } from './messages.ts'
import { keepOffline } from './offline.ts'

const start = element<HTMLButtonElement>('start')
const stop = element<HTMLButtonElement>('stop')
const again = element<HTMLButtonElement>('again')
const downloads = {
  issues: element<HTMLButtonElement>('download'),
  checked: element<HTMLButtonElement>('save'),
}
const examples = new Examples(check)
let worker: Worker | undefined
let source: Source | undefined
let facts: Facts | undefined
let checks: KeptChecks | undefined
let began = 0
let doing = ''

prepareForm(
  (asked) => (typeof asked === 'string' ? tell(asked) : begin(asked)),
  () => tell(''),
)
keepOffline()
stop.addEventListener('click', () => {
  worker?.terminate()
  finish('Stopped.')
})
again.addEventListener('click', () => source && begin(source, checks))
downloads.issues.addEventListener('click', () => send({ kind: 'issues' }))
downloads.checked.addEventListener('click', () => checks && save('checked.csv', checkedCsv(checks.all)))
setInterval(showProgress, 1000)

function send(command: Command): void {
  worker?.postMessage(command)
}

/** Each run has its own worker; the worker of the run before ends, and its memory is freed. */
function begin(next: Source, kept?: KeptChecks): void {
  worker?.terminate()
  worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  worker.onmessage = ({ data }: MessageEvent<Report>) => take(data)
  worker.onerror = ({ message }) => fail(`The worker ended: ${message}`)
  source = next
  checks = kept
  tell('')
  examples.clear()
  element('results').hidden = true
  for (const button of [start, again, ...Object.values(downloads)]) button.disabled = true
  stop.disabled = false
  began = performance.now()
  progress('Reading the data')
  send({ kind: 'read', source })
}

function take(report: Report): void {
  if (report.kind === 'failed') fail(report.message)
  else if (report.kind === 'read') judge(report.facts)
  else if (report.kind === 'progress')
    progress(`Learning from your checks, ${report.step} of ${report.steps}`)
  else if (report.kind === 'issues') save('issues.csv', report.csv)
  else show(report.findings)
}

function judge(read: Facts): void {
  facts = read
  checks ??= new KeptChecks(read.fingerprint, read.checks)
  progress(`Training models that judge ${count(read.rows)} labels`)
  send({ kind: 'clean', checks: checks.all })
}

function show(findings: Findings): void {
  if (!facts || !checks) return
  element('summary').replaceChildren(...findings.summary.map((sentence) => make('p', sentence)))
  element('warnings').replaceChildren(...findings.warnings.map((warning) => make('p', warning)))
  element('results').hidden = false
  const kept = checks
  examples.show(findings, facts.names, () => kept.all)
  downloads.issues.disabled = false
  finish(findings.summary[0])
  showChecks()
}

function check({ row, random }: Example, label: string | null | undefined): void {
  if (label === undefined) checks?.forget(row)
  else checks?.set(row, { label, random })
  showChecks()
}

function showChecks(): void {
  const { size } = checks?.all ?? new Map()
  element('checks').textContent =
    size === 0
      ? 'Click an example to say whether its label is right.'
      : `${count(size)} labels are checked.${size < 10 ? ' From 10 on the next run learns from them.' : ''}`
  again.disabled = downloads.checked.disabled = size === 0
}

function fail(message: string): void {
  worker?.terminate()
  finish('Ready.')
  tell(message)
}

function finish(words: string): void {
  doing = ''
  start.disabled = false
  stop.disabled = true
  element('bar').hidden = true
  element('status').textContent = words
}

function tell(message: string): void {
  const problem = element('problem')
  problem.textContent = message
  problem.hidden = message === ''
}

function progress(words: string): void {
  doing = words
  element('bar').hidden = false
  showProgress()
}

function showProgress(): void {
  if (doing === '') return
  const seconds = Math.round((performance.now() - began) / 1000)
  element('status').textContent = `${doing} … ${seconds > 0 ? `${seconds} s` : ''}`
}

function save(name: string, csv: string): void {
  const url = URL.createObjectURL(new Blob([csv], { type: 'text/csv' }))
  Object.assign(document.createElement('a'), { href: url, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
