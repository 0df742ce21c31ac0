import { type Command, InvalidArgumentError, Option } from 'commander'

/** Adds the options that say where features are, for every command that reads some. */
export function featureOptions(command: Command): Command {
  return columnOptions(
    command.option(
      '--features <file>',
      'features, one sample per row: CSV, TSV, JSON lines, Parquet, Arrow, NPY, NPZ (or set.npz:ARRAY) or IDX; - is the pipe',
    ),
  )
}

/** Adds the options that say what the columns of a file are. */
export function columnOptions(command: Command): Command {
  return command
    .option('--ignore <names>', 'columns to leave out, with commas between', list)
    .option('--id <name>', 'a column with a name of each row, which outputs repeat')
    .option('--impute <how>', 'what stands for missing values: median', oneOf('median'))
    .option('--no-header', 'the first line of CSV files holds data; columns are called x0, x1, …')
}

/** Adds the options that say where the data are, for every command that reads labels as well. */
export function dataOptions(command: Command): Command {
  return featureOptions(command)
    .option('--labels <file>', 'labels, numbers or text (default: the features file); - is the pipe')
    .option('--label <name>', 'the column of a table, or the array of an NPZ file, that holds the labels')
    .option(
      '--checked <file>',
      'CSV (or another table) of rows that you checked: row (from 0) and label (or right, or wrong)',
    )
    .option('--checked-column <name>', 'a column that has the true label of each row that you checked')
    .addOption(modelOption('what judges labels; a perceptron is slower'))
}

/** The kind of a classifier. */
export function modelOption(description: string): Option {
  return new Option('--model <kind>', description).choices(['softmax', 'perceptron']).default('softmax')
}

/** Reads a whole number. */
export function whole(low: number, high: number) {
  return (text: string): number => {
    const n = Number(text)
    if (Number.isInteger(n) && n >= low && n <= high && text.trim() !== '') return n
    throw new InvalidArgumentError(`expected a whole number from ${low} to ${high}.`)
  }
}

/** Reads a number from 0 to 1. */
export function share(text: string): number {
  const rate = Number(text)
  if (rate >= 0 && rate <= 1 && text.trim() !== '') return rate
  throw new InvalidArgumentError('expected a number from 0 to 1.')
}

/** Reads a number from 0 on. */
export function atLeast0(text: string): number {
  const value = Number(text)
  if (value >= 0 && Number.isFinite(value) && text.trim() !== '') return value
  throw new InvalidArgumentError('expected a number of at least 0.')
}

/** Reads the units of hidden layers. */
export function units(text: string): number[] {
  const all = text.split(',').map(Number)
  if (all.every((n) => Number.isInteger(n) && n >= 1 && n <= 1e6)) return all
  throw new InvalidArgumentError('expected whole numbers above 0 with commas between.')
}

/** Reads height x width. */
export function imageShape(text: string): readonly [number, number] {
  const match = /^(\d+)x(\d+)$/.exec(text)
  if (match) return [Number(match[1]), Number(match[2])]
  throw new InvalidArgumentError('expected height x width, such as 28x28.')
}

/** Reads names with commas between. */
export function list(text: string): string[] {
  return text.split(',').map((name) => name.trim())
}

function oneOf<T extends string>(...known: readonly T[]) {
  return (text: string): T => {
    const found = known.find((one) => one === text)
    if (found !== undefined) return found
    throw new InvalidArgumentError(`expected ${known.join(' or ')}.`)
  }
}
