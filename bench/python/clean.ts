// Our label cleaning in a process of its own: node --import tsx bench/python/clean.ts '<job as JSON>' prints a Cleaning.

import { cleanLabels } from '../../ts/tasks/cleanLabels/cleanLabels.ts'
import { onTest } from '../../ts/tasks/cleanLabels/rivals.ts'
import { auc, detection } from '../../ts/tasks/metrics.ts'
import { train } from '../../ts/tasks/trainer.ts'
import { loadCase } from '../experiment/data.ts'
import type { Job } from '../experiment/job.ts'
import type { Cleaning } from './result.ts'

/** The last training of every rival. */
const recipe = { steps: 1500, batchSize: 1024, rate: 0.1, regularization: 1e-4 }

async function main(): Promise<void> {
  const { cell, seed, fashion }: Job = JSON.parse(process.argv[2])
  const known = await loadCase(cell, seed, fashion)
  const { backend, features, classes, trusted } = known
  const labels = new Int32Array(features.rows)
  const wrong = new Set<number>()
  for (const [i, row] of known.rows.entries()) {
    labels[row] = known.given[i]
    if (known.given[i] !== known.truth[i]) wrong.add(row)
  }
  for (const [i, row] of trusted.entries()) labels[row] = known.trustedLabels[i]

  const [cpu, wall] = [process.cpuUsage(), performance.now()]
  const { rows, weights, scores } = await cleanLabels({ backend, features, classes, labels, trusted, seed })
  const { user, system } = process.cpuUsage(cpu)
  const seconds = { cpu: (user + system) / 1e6, wall: (performance.now() - wall) / 1000 }

  const kept = Uint32Array.from([...rows.filter((row) => weights[row] > 0.5), ...trusted])
  const set = { features, rows: kept, labels: kept.map((row) => labels[row]) }
  const model = await train(backend, classes, set, { ...recipe, seed })
  const score = Array.from(rows, (row) => scores[row])
  const truth = Array.from(rows, (row) => wrong.has(row))
  const { f1 } = detection(
    score.map((s) => s > 0.5),
    truth,
  )
  const result: Cleaning = { accuracy: onTest(known, model), auc: auc(score, truth), f1, ...seconds }
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

main().catch((error) => {
  console.error(error)
  process.exitCode = 1
})
