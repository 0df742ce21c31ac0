import { Charts, element } from './charts.ts'
import { prepareForm } from './form.ts'
import type { Command, Facts, Order, Report, Snapshot } from './messages.ts'
import { keepOffline } from './offline.ts'
import { clearSuspects, showSuspects } from './suspects.ts'

type State = 'idle' | 'starting' | 'running' | 'stopping' | 'stopped' | 'ended'

const start = element<HTMLButtonElement>('start')
const pause = element<HTMLButtonElement>('pause')
const download = element<HTMLButtonElement>('download')
const charts = new Charts()
let worker: Worker | undefined
let state: State = 'idle'
let order: Order | undefined
let facts: Facts | undefined
let step = 0

prepareForm(begin, fail)
keepOffline()

pause.addEventListener('click', () => {
  if (state === 'stopped') enter('running', `Running on, from step ${step}.`, { kind: 'resume' })
  else enter('stopping', 'Stopping after this step …', { kind: 'stop' })
})
download.addEventListener('click', () => worker?.postMessage({ kind: 'issues' } satisfies Command))

/** Each run has its own worker; the worker of the run before ends, and its memory is freed. */
function begin(next: Order): void {
  worker?.terminate()
  worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
  worker.onmessage = ({ data }: MessageEvent<Report>) => take(data)
  worker.onerror = ({ message }) => fail(`The worker ended: ${message}`)
  order = next
  facts = undefined
  step = 0
  charts.clear()
  clearSuspects()
  for (const id of ['step', 'loss', 'accuracy', 'auc']) element(id).textContent = '–'
  element('gain').textContent = ''
  element('problem').hidden = true
  download.disabled = true
  document.body.classList.add('waiting')
  document.body.classList.toggle('unknown', order.source.kind === 'own')
  enter('starting', 'Reading the data and training on the labels as they are …', { kind: 'start', order })
}

function take(report: Report): void {
  if (report.kind === 'failed') fail(report.message)
  else if (report.kind === 'snapshot') show(report.snapshot)
  else if (report.kind === 'issues') save(report.csv)
  else if (report.kind === 'stopped') enter('stopped', `Stopped after step ${step}.`)
  else if (report.kind === 'ended') end(report)
  else {
    facts = report.facts
    const { samples, trusted, classes } = facts
    const sizes = `${count(samples)} labels in ${classes} classes, ${count(trusted)} more are trusted.`
    if (state === 'starting') enter('running', `Running: ${sizes}`)
  }
}

function end({ advice, good }: Report & { kind: 'ended' }): void {
  enter('ended', good ? `Done after ${step} steps.` : 'Ended early.')
  if (!good) tell(advice)
}

function show(snapshot: Snapshot): void {
  const { outerLoss, accuracy, auc } = snapshot
  step = snapshot.step
  document.body.classList.remove('waiting')
  charts.add(snapshot, facts?.baseline)
  showSuspects(snapshot)
  element('step').textContent = `${step} of ${order?.steps}`
  element('loss').textContent = outerLoss.toFixed(3)
  element('accuracy').textContent = percent(accuracy)
  element('auc').textContent = auc === undefined || Number.isNaN(auc) ? '–' : auc.toFixed(3)
  if (accuracy !== undefined && facts?.baseline !== undefined) {
    element('gain').textContent = `from ${percent(facts.baseline)} believing all`
  }
  download.disabled = false
}

function fail(message: string): void {
  if (state !== 'idle') enter('idle', 'Ready.')
  tell(message)
}

function tell(message: string): void {
  const problem = element('problem')
  problem.textContent = message
  problem.hidden = false
}

function enter(next: State, words: string, command?: Command): void {
  state = next
  element('status').textContent = words
  start.textContent = state === 'idle' ? 'Start' : 'Start over'
  pause.textContent = state === 'stopped' ? 'Resume' : 'Stop'
  pause.disabled = !['starting', 'running', 'stopped'].includes(state)
  if (command) worker?.postMessage(command)
}

function save(csv: string): void {
  const url = URL.createObjectURL(new Blob([csv], { type: 'text/csv' }))
  Object.assign(document.createElement('a'), { href: url, download: 'issues.csv' }).click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

function percent(share: number | undefined): string {
  return share === undefined ? '–' : `${(100 * share).toFixed(1)} %`
}

function count(number: number): string {
  return number.toLocaleString('en').replaceAll(',', '\u202f')
}
