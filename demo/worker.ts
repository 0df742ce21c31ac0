// One run in a worker of its own, so that the page never waits for it.
import { type CleanLabelsResult, loadBackend } from 'nhgd/wasm'
import { issuesCsv } from './csv.ts'
import { readDigits } from './digits.ts'
import { inWords } from './errors.ts'
import type { Checks, Command, Report, Source } from './messages.ts'
import { readOwnData } from './ownData.ts'
import { clean, findings } from './run.ts'
import { fingerprint, type Samples } from './samples.ts'

const say = (report: Report) => postMessage(report)
const backend = loadBackend()
let samples: Samples | undefined
let result: CleanLabelsResult | undefined

async function read(source: Source): Promise<void> {
  samples =
    source.kind === 'digits'
      ? await readDigits(source.url, source.noise, source.checked)
      : await readOwnData(source)
  const { features, names, checks } = samples
  const { rows } = features
  say({ kind: 'read', facts: { rows, names, checks, fingerprint: fingerprint(samples) } })
}

async function run(checks: Checks): Promise<void> {
  if (!samples) throw new Error('nothing was read')
  result = await clean(await backend, samples, checks, (step, steps) =>
    say({ kind: 'progress', step, steps }),
  )
  say({ kind: 'found', findings: findings(samples, result) })
}

async function obey(command: Command): Promise<void> {
  if (command.kind === 'read') await read(command.source)
  else if (command.kind === 'clean') await run(command.checks)
  else if (samples && result) say({ kind: 'issues', csv: issuesCsv(result, samples.labels, samples.names) })
}

addEventListener('message', ({ data }: MessageEvent<Command>) => {
  obey(data).catch((error) => say({ kind: 'failed', message: inWords(error) }))
})
