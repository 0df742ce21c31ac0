import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { loadBackend } from '../../../ts/backend/load.ts'
import { loadMnist, type Mnist } from '../../../ts/data/index.ts'
import { takeRows } from '../../../ts/data/tensor.ts'
import { distill as own } from '../../../ts/defaults.ts'
import { conjugateGradients } from '../../../ts/methods/conjugateGradients.ts'
import type { Method } from '../../../ts/methods/method.ts'
import { nhgd } from '../../../ts/methods/nhgd.ts'
import { unrolled } from '../../../ts/methods/unrolled.ts'
import { type Model, multilayerPerceptron, softmaxRegression } from '../../../ts/problems/model.ts'
import { type DistillOptions, distill, type Judged } from '../../../ts/tasks/distill/distill.ts'
import { debianFashion, loadFashion, missing } from '../data.ts'
import { write } from '../jobs.ts'

interface Options {
  readonly seed: number
  readonly cells?: string
  readonly fashion: string
  readonly quick: boolean
  readonly json?: string
}

/** A row of the table. */
interface Cell {
  readonly name: string
  readonly set: 'mnist' | 'fashion'
  readonly options: Partial<DistillOptions> & { readonly model: Model; readonly perClass: number }
}

/** `npm run experiment -- distillation`. */
export function distillationCommand(): Command {
  return new Command('distillation')
    .description('a few learned samples in place of a data set, beside random samples and class means')
    .option('--seed <n>', 'decides every draw', Number, 0)
    .option('--cells <text>', 'only rows whose name has this text')
    .option('--fashion <folder>', 'where the files of Fashion-MNIST are', debianFashion)
    .option('--quick', '2000 real samples and 20 outer steps, two trainings', false)
    .option('--json <file>', 'the figures as JSON')
    .action(run)
}

/** Methods that stand beside the task's own, all with the loss on all real samples and the same number of inner steps. */
function methods(samples: number): Record<string, Method> {
  const { innerSteps, steps } = own.linear
  const innerOptimizer = { kind: 'momentum', rate: 0.05 } as const
  const loop = { innerSteps, batchSize: samples, innerOptimizer, averaging: 0, cross: 'all' } as const
  const online = {
    ...loop,
    refineSamples: samples,
    refineDamping: 0,
    observe: { every: innerSteps, samples },
  } as const
  return {
    conjugateGradients: conjugateGradients({ ...loop, steps, tolerance: 1e-3, curvatureSamples: samples }),
    nhgd: nhgd({ ...online, refine: steps }),
    'nhgd without corrections': nhgd({ ...online, refine: 0 }),
    unrolled: unrolled({ innerSteps, depth: innerSteps, batchSize: samples, rate: 0.1 }),
  }
}

function cells(fashion: boolean): Cell[] {
  const softmax = softmaxRegression({ classes: 10 })
  const perceptron = multilayerPerceptron({ classes: 10, hidden: [128] })
  const first: Cell['set'] = fashion ? 'fashion' : 'mnist'
  const five = { model: softmax, perClass: 5 }
  const ten = { model: perceptron, perClass: 10 }
  const soft = { learnTargets: true, compare: false }
  return [
    { name: `${first}, softmax, 5 per class`, set: first, options: five },
    { name: 'mnist, softmax, 1 per class', set: 'mnist', options: { model: softmax, perClass: 1 } },
    { name: 'mnist, perceptron, 10 per class', set: 'mnist', options: ten },
    { name: 'mnist, perceptron, 10 per class, soft labels', set: 'mnist', options: { ...ten, ...soft } },
    { name: `${first}, softmax, 5 per class, soft labels`, set: first, options: { ...five, ...soft } },
    ...Object.entries(methods(50)).map(([name, method]) => ({
      name: `${first}, softmax, 5 per class, 150 outer steps of ${name}`,
      set: first,
      options: { ...five, method, outerSteps: 150, trainings: 1, compare: false },
    })),
  ]
}

async function run({ seed, cells: wanted = '', fashion: folder, quick, json }: Options): Promise<void> {
  const lack = missing({ dataset: 'fashion' }, folder)
  if (lack) console.error(`${lack}; MNIST stands for it`)
  const backend = await loadBackend()
  const sets = { mnist: await loadMnist(), ...(!lack && { fashion: await loadFashion(folder) }) }
  const rows: object[] = []
  for (const { name, set, options } of cells(!lack).filter(({ name }) => name.includes(wanted))) {
    const { train, test } = sets[set] as Mnist
    const result = await distill({
      backend,
      ...(quick ? first(train, 2000) : train),
      test: quick ? first(test, 500) : test,
      seed,
      ...options,
      ...(quick && { outerSteps: 20, trainings: 2 }),
    })
    const perStep = result.solve.seconds.total / result.solve.steps
    const { judged, settings } = result
    console.log(`\n${name}: ${result.solve.status}, ${perStep.toFixed(3)} s per outer step`)
    for (const [contender, found] of Object.entries(judged)) console.log(line(contender, found))
    rows.push({ name, seed, status: result.solve.status, secondsPerStep: perStep, judged, settings })
    if (json) write(json, `${JSON.stringify({ rows, cost: [] }, null, 2)}\n`)
  }
  const cost = wanted === '' || wanted === 'cost' ? costs(quick) : []
  if (json) write(json, `${JSON.stringify({ rows, cost }, null, 2)}\n`)
}

function line(name: string, { samples, losses, accuracies }: Judged): string {
  const mean = (x: readonly number[]) => x.reduce((sum, x) => sum + x, 0) / x.length
  const figures = [mean(losses), mean(accuracies), Math.min(...accuracies)].map((x) => x.toFixed(4))
  return `  ${name.padEnd(16)} ${String(samples).padStart(6)} samples  loss ${figures[0]}  accuracy ${figures[1]} (least ${figures[2]})`
}

function first({ features, labels }: Mnist['train'], count: number): Mnist['train'] {
  const rows = Int32Array.from({ length: count }, (_, i) => i)
  return { features: takeRows(features, rows), labels: labels.slice(0, count) }
}

/** Seconds and memory per outer step against the number of inner steps. */
function costs(quick: boolean): object[] {
  const script = fileURLToPath(new URL('cost.ts', import.meta.url))
  const found: object[] = []
  for (const model of ['softmax', 'perceptron']) {
    for (const method of ['conjugateGradients', 'nhgd', 'unrolled']) {
      for (const innerSteps of quick ? [10] : [10, 100, 400]) {
        const args = [...process.execArgv, script, method, model, String(innerSteps)]
        const { stdout, stderr, status } = spawnSync(process.execPath, args, { encoding: 'utf8' })
        if (status !== 0) throw new Error(stderr)
        const { seconds, bytes } = JSON.parse(stdout)
        console.log(
          `${model}, ${method}, ${innerSteps} inner steps: ${seconds.toFixed(3)} s, ${(bytes / 1e6).toFixed(0)} MB`,
        )
        found.push({ model, method, innerSteps, seconds, bytes })
      }
    }
  }
  return found
}
