// Shows what the worker measures; `?seconds=` is how long it looks at each row.
import { time } from '../harness/report.ts'
import type { Measured, Said } from './worker.ts'

const element = (id: string) => document.getElementById(id) as HTMLElement
const status = element('status')
const download = element('download') as HTMLButtonElement
const entries: Measured[] = []

const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
worker.onerror = ({ message }) => {
  status.textContent = `The worker ended: ${message}`
}
worker.onmessage = ({ data }: MessageEvent<Said>) => {
  if (data.kind === 'began') status.textContent = `Measuring: ${data.name}`
  else if (data.kind === 'measured') show(data.entry)
  else if (data.kind === 'failed') status.textContent = `Failed: ${data.message}`
  else {
    status.textContent = `Done, on ${data.info.simd}, ${data.info.threads} thread.`
    download.disabled = false
    download.onclick = () => save({ userAgent: navigator.userAgent, ...data.info, entries })
  }
}
worker.postMessage(Number(new URLSearchParams(location.search).get('seconds') ?? 1))

function show(entry: Measured): void {
  entries.push(entry)
  const row = document.createElement('tr')
  const { name, seconds, flops } = entry
  const cells = [name, time(seconds.ours), flops ? (flops / 1e9).toFixed(2) : '']
  for (const [i, text] of cells.entries()) {
    const cell = document.createElement(i === 0 ? 'th' : 'td')
    cell.textContent = text
    row.append(cell)
  }
  element('rows').append(row)
}

function save(report: unknown): void {
  const url = URL.createObjectURL(new Blob([JSON.stringify(report, null, 2)], { type: 'application/json' }))
  Object.assign(document.createElement('a'), { href: url, download: 'bench.json' }).click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}
