import { Command, Option } from 'commander'
import type { Backend } from '../../../ts/backend/backend.ts'
import { loadBackend } from '../../../ts/backend/load.ts'
import { write } from '../jobs.ts'
import type { Part } from './claim.ts'
import { concurrency } from './concurrency.ts'
import type { Setup } from './concurrencyRun.ts'
import { crossDerivative } from './crossDerivative.ts'
import { estimation } from './estimation.ts'
import { growth } from './growth.ts'
import { rates } from './rates.ts'
import { theoryMarkdown, theoryPage } from './report.ts'

interface TheoryOptions {
  readonly seed: number
  readonly quick: boolean
  /** Independent runs per slope, where not each question's own number. */
  readonly runs?: number
}

const doublings = (from: number, to: number) =>
  Array.from({ length: 1 + Math.round(Math.log2(to / from)) }, (_, i) => from * 2 ** i)

/** The questions, by the names of `--part`. */
export const parts: Readonly<
  Record<string, (backend: Backend, options: TheoryOptions) => Part | Promise<Part>>
> = {
  estimation: (backend, { seed, quick, runs }) =>
    estimation(backend, {
      features: quick ? 4 : 20,
      classes: 3,
      pool: quick ? 256 : 4096,
      samples: quick ? doublings(64, 512) : doublings(512, 32_768),
      runs: runs ?? (quick ? 2 : 6),
      seed,
    }),
  cross: (backend, { seed, quick, runs }) =>
    crossDerivative(backend, {
      features: quick ? 4 : 20,
      classes: 3,
      pool: 512,
      samples: quick ? 512 : 65_536,
      batchSize: quick ? 4 : 16,
      steps: quick ? doublings(4, 16) : doublings(16, 1024),
      terminal: quick ? doublings(16, 64) : doublings(256, 16_384),
      loops: quick ? 8 : 60,
      runs: runs ?? (quick ? 3 : 5),
      seed,
    }),
  rates: (backend, { seed, quick, runs }) =>
    rates(backend, {
      features: quick ? 4 : 20,
      classes: 3,
      pool: 512,
      strength: 0.05,
      regularization: 0.05,
      samples: quick ? 128 : 1024,
      budgets: quick ? doublings(2 ** 11, 2 ** 13) : doublings(2 ** 13, 2 ** 20),
      runs: runs ?? (quick ? 2 : 6),
      seed,
    }),
  growth: (backend, { seed, quick, runs }) =>
    growth(backend, {
      denseWidths: quick ? [4, 6, 8] : [10, 18, 32, 44, 60, 80],
      widths: quick ? [4, 8, 16] : [10, 32, 100, 178, 316, 562, 1000],
      samples: quick ? doublings(64, 256) : doublings(512, 32_768),
      innerSteps: quick ? doublings(4, 16) : doublings(8, 256),
      runs: runs ?? (quick ? 2 : 5),
      seed,
    }),
  concurrency: (_, { quick }) => concurrency({ setups: quick ? [tiny] : setups, rounds: quick ? 3 : 21 }),
}

const tiny = {
  settings: { form: 'window' },
  features: 8,
  classes: 2,
  batchSize: 8,
  innerSteps: 4,
  samples: 64,
} as const
const usual = { features: 784, classes: 10, batchSize: 256, innerSteps: 20, samples: 4096 }
const kronecker = { form: 'kronecker', kroneckerDamping: 'split' } as const
const setups: readonly Setup[] = [
  { ...usual, settings: { form: 'window' } },
  { ...usual, settings: { form: 'dense' }, features: 50 },
  { ...usual, settings: { form: 'diagonal' } },
  { ...usual, settings: kronecker },
  // As nhgd does by default, over two outer iterations.
  {
    ...usual,
    settings: kronecker,
    batchSize: 1024,
    innerSteps: 60,
    samples: 8192,
    observe: { every: 60, samples: 256 },
  },
]

/** `npm run experiment -- theory`. */
export function theoryCommand(): Command {
  return new Command('theory')
    .description('the claims of the paper (arXiv 2602.10905), measured')
    .addOption(
      new Option('--part <names...>', 'which questions')
        .choices(Object.keys(parts))
        .default(Object.keys(parts)),
    )
    .option('--seed <n>', 'the first seed', Number, 0)
    .option('--runs <n>', 'independent runs per slope (default: 5 or 6)', Number)
    .option('--quick', 'tiny sizes, which decide nothing', false)
    .option('--json <file>', 'claims and curves as JSON')
    .option('--markdown <file>', 'claims as Markdown')
    .option('--report <file>', 'claims and pictures as HTML')
    .action(async ({ part, json, markdown, report, ...options }) => {
      const backend = await loadBackend()
      const done: Part[] = []
      for (const name of part as string[]) done.push(await parts[name](backend, options))
      const text = theoryMarkdown(done)
      console.log(text)
      const command = `npm run experiment -- ${process.argv.slice(2).join(' ')}`
      if (json) write(json, `${JSON.stringify(done, null, 2)}\n`)
      if (markdown) write(markdown, `# The paper's claims, measured\n\n\`${command}\`\n\n${text}`)
      if (report) write(report, theoryPage(done, command))
    })
}
