// One run in a worker of its own, so that the page never waits for it.
import { loadBackend } from 'nhgd/wasm'
import { readDigits } from './digits.ts'
import { inWords } from './errors.ts'
import { issuesCsv } from './issues.ts'
import type { Command, Order, Report } from './messages.ts'
import { readOwnData } from './ownData.ts'
import { Run } from './run.ts'

const say = (report: Report) => postMessage(report)
let run: Run | undefined
let stopped = false
let goOn = () => {}

async function gate(): Promise<void> {
  if (!stopped) return
  say({ kind: 'stopped' })
  await new Promise<void>((resume) => {
    goOn = resume
  })
}

async function start(order: Order): Promise<void> {
  const { source, seed } = order
  const [backend, samples] = await Promise.all([
    loadBackend(),
    source.kind === 'digits'
      ? readDigits(source.url, source.noise, source.trusted, seed)
      : readOwnData(source),
  ])
  run = new Run(backend, samples)
  const { status, advice } = await run.start(order, {
    began: (facts) => say({ kind: 'began', facts }),
    snapshot: (snapshot) => say({ kind: 'snapshot', snapshot }),
    gate,
  })
  say({ kind: 'ended', advice, good: status !== 'diverged' })
}

addEventListener('message', ({ data }: MessageEvent<Command>) => {
  if (data.kind === 'start')
    start(data.order).catch((error) => say({ kind: 'failed', message: inWords(error) }))
  else if (data.kind === 'issues') say({ kind: 'issues', csv: issuesCsv(run?.issues() ?? []) })
  else {
    stopped = data.kind === 'stop'
    if (!stopped) goOn()
  }
})
