// A process of its own per run: cleans a set and prints what that took, as JSON.
//   run.ts '{"folder":…,"mode":"trusted","seed":0,"backend":"native"}'
import { readFileSync } from 'node:fs'
import { loadBackend } from '../../../ts/backend/load.ts'
import { readIndices, readLabels, readSet } from '../../../ts/data/index.ts'
import { cleanLabels } from '../../../ts/tasks/cleanLabels/cleanLabels.ts'
import { filesOf } from './set.ts'

/** Rows that somebody checked, in that mode. */
const checks = 200

const { folder, mode, seed, backend: name, threads } = JSON.parse(process.argv[2])
const backend = await loadBackend({ backend: name, threads })
const paths = filesOf(folder)
const [before, began] = [process.cpuUsage(), performance.now()]
const { features } = await readSet(paths.features, { backend })
const { labels } = await readLabels(paths.labels)
const rows = await readIndices(paths.trusted)
const [some, right] = [rows, labels].map((list) => list.slice(0, checks))
const { issues, seconds } = await cleanLabels({
  backend,
  features,
  labels,
  seed,
  ...(mode === 'trusted' && { trusted: rows }),
  ...(mode === 'checked' && { checked: { rows: some, labels: right } }),
})
const { user, system } = process.cpuUsage(before)
const status = readFileSync('/proc/self/status', 'utf8')
const bytes = (key: string) => 1024 * Number(new RegExp(`${key}:\\s*(\\d+)`).exec(status)?.[1] ?? Number.NaN)
console.log(
  JSON.stringify({
    samples: labels.length,
    mode,
    cpuSeconds: (user + system) / 1e6,
    wallSeconds: (performance.now() - began) / 1000,
    peakBytes: bytes('VmHWM'),
    fileBytes: bytes('RssFile'),
    doubted: issues.length,
    seconds,
  }),
)
