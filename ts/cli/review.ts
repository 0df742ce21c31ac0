import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { Command } from 'commander'
import { NhgdError } from '../backend/errors.ts'
import { csvCell } from '../data/writeCsv.ts'
import { cleanLabels } from '../tasks/cleanLabels/cleanLabels.ts'
import { relabelNext } from '../tasks/review/relabelNext.ts'
import { type BackendOptions, backendFor, backendOptions } from './backend.ts'
import { checkOptions } from './check.ts'
import {
  type CheckpointOptions,
  checkpointOf,
  checkpointOptions,
  howToGoOn,
  removeCheckpoint,
} from './checkpoint.ts'
import { dataOptions, whole } from './dataOptions.ts'
import { type Answers, dialogue } from './dialogue.ts'
import { inWords } from './findings.ts'
import { type Input, type InputOptions, readInput } from './input.ts'
import { interrupts } from './interrupts.ts'
import { ranks } from './ranks.ts'
import { PIPE, writeWhole } from './write.ts'

interface Options extends InputOptions, CheckpointOptions, BackendOptions {
  readonly model: 'softmax' | 'perceptron'
  readonly count: number
  readonly seed: number
  readonly out?: string
}

/** `nhgd review`. */
export function reviewCommand(): Command {
  return backendOptions(checkpointOptions(dataOptions(new Command('review'))))
    .description('check the labels that help most, in the terminal or in a file, and keep what you find')
    .option('--count <n>', 'how many rows to check', whole(1, 1e6), 50)
    .option('--seed <n>', 'decides every draw', whole(0, 2 ** 31 - 1), 0)
    .option('--out <file>', 'write the rows as CSV with an empty column "label" instead of asking')
    .action(review)
}

async function review(options: Options, command: Command): Promise<void> {
  await checkOptions(command)
  const { out, count, model, seed } = options
  const path = options.checked ?? 'checked.csv'
  if (!out && !process.stdin.isTTY) {
    throw new NhgdError('ERR_RANGE', '"--out" expected a file where no terminal can ask, got none')
  }
  const checkpoint = await checkpointOf(options)
  const checkedFile = existsSync(path) ? path : undefined
  const backend = await backendFor(options)
  const asked = { ...options, standardize: true, checked: checkedFile } as Options
  const input = await readInput(asked, seed, backend)
  const { signal, release } = interrupts()
  const { checked, features, labels, names } = input
  const enough = checked && Array.from(checked.labels).filter((label) => label >= 0).length >= 10
  console.error('looking at the labels …')
  const result = await cleanLabels({
    backend,
    features,
    labels,
    classes: names.length,
    model,
    seed,
    signal,
    communicator: ranks(),
    checkpoint,
    ...(enough && { checked }),
  }).catch(howToGoOn(options))
  release()
  const known = new Set(checked?.rows)
  const next = relabelNext({ result, labels, count: count + known.size, seed })
  const rows = next.rows.filter((row) => !known.has(row)).subarray(0, count)
  const random = new Set(next.rows.filter((row, i) => next.random[i] && !known.has(row)))
  if (out) {
    const head = [
      'row',
      ...(input.ids ? ['id'] : []),
      'given',
      'suggested',
      'score',
      'random',
      'label',
    ].join()
    const lines = Array.from(rows, (row) => {
      const id = input.ids ? [csvCell(input.ids[row])] : []
      const [given, suggested] = [names[labels[row]], names[result.suggested[row]]].map(csvCell)
      return [row, ...id, given, suggested, result.scores[row].toFixed(3), random.has(row), ''].join()
    })
    await writeWhole(out, `${head}\n${lines.join('\n')}\n`)
    await removeCheckpoint(options)
    const told = out === PIPE ? console.error : console.log
    told(
      `${rows.length} rows are in ${out}. Write the true label into the column "label" (or right, or wrong), and pass the file as --checked.`,
    )
    return
  }
  const before: Answers = new Map(
    Array.from(checked?.rows ?? [], (row, i) => [row, answerOf(checked?.labels[i] ?? -1, names)]),
  )
  for (const [i, row] of checked?.rows.entries() ?? []) if (checked?.random?.[i] ?? true) random.add(row)
  if (checked && !checked.random) {
    console.error(
      `the ${known.size} rows of ${path} count as drawn at random: where they were not, write false into its column "random"`,
    )
  }
  await removeCheckpoint(options) // the first answer makes other data
  const ask = asker()
  const given = await dialogue(rows, before, {
    names,
    show: (row) => shown(input, row, names[result.suggested[row]]),
    ask: ask.next,
    say: (text) => console.log(text),
    save: (answers) => writeWhole(path, answerFile(answers, random)),
  })
  ask.close()
  console.log(`${given} answers are in ${path}: run "nhgd clean" again with --checked ${path}.`)
}

function answerOf(label: number, names: readonly string[]): string {
  return label < 0 ? 'wrong' : names[label]
}

function answerFile(answers: Answers, random: ReadonlySet<number>): string {
  const lines = Array.from(answers, ([row, label]) => `${row},${csvCell(label)},${random.has(row)}`)
  return `row,label,random\n${lines.join('\n')}\n`
}

/** A row as a person sees it. */
function shown(input: Input, row: number, suggested: string): string {
  const { features, ids, labels, names, imageShape } = input
  const own = features.data.subarray(row * features.columns, (row + 1) * features.columns)
  const values = imageShape ? picture(own, imageShape) : inWords({ ...input, ids: undefined }, row)
  const title = `row ${row}${ids ? ` (${ids[row]})` : ''}`
  return `${title}\n${values}\ngiven: ${names[labels[row]]}   suggested: ${suggested}`
}

/** Grey values as characters, two rows of pixels per line. */
function picture(pixels: ArrayLike<number>, [height, width]: readonly [number, number]): string {
  const shades = ' .:-=+*#%@'
  const most = Math.max(...Array.from(pixels), 1e-9)
  const lines: string[] = []
  for (let y = 0; y < height; y += 2) {
    const line = Array.from({ length: width }, (_, x) => {
      const below = y + 1 < height ? pixels[(y + 1) * width + x] : pixels[y * width + x]
      const shade = (pixels[y * width + x] + below) / 2 / most
      return shades[Math.min(9, Math.max(0, Math.floor(10 * shade)))]
    })
    lines.push(line.join(''))
  }
  return lines.join('\n')
}

/** Asks for one line after the other; nothing once the input has ended. */
function asker() {
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  const waiting: string[] = []
  let wanted: ((line: string | undefined) => void) | undefined
  let ended = false
  lines.on('line', (line) => {
    if (!wanted) waiting.push(line)
    else {
      const give = wanted
      wanted = undefined
      give(line)
    }
  })
  lines.on('close', () => {
    ended = true
    wanted?.(undefined)
  })
  return {
    next(question: string): Promise<string | undefined> {
      lines.setPrompt(question)
      if (!ended) lines.prompt()
      return new Promise((resolve) => {
        if (waiting.length > 0) resolve(waiting.shift())
        else if (ended) resolve(undefined)
        else wanted = resolve
      })
    },
    close: () => lines.close(),
  }
}
