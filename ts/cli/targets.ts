import { dataError } from '../data/error.ts'
import { encodeLabels } from '../data/labels.ts'

/** What is to be predicted: numbers, or classes with their names. */
export interface Targets {
  /** One per row, or where there are several targets a row of numbers per row. */
  readonly values: Float64Array
  readonly names?: readonly string[]
}

/** What decides between numbers and classes. */
interface Predicting {
  readonly model?: 'linear' | 'softmax' | 'perceptron'
  readonly task?: 'regression' | 'classification'
}

/** One target or several, which are all numbers. */
export function allTargets(
  texts: readonly (readonly string[])[],
  name: string,
  options: Predicting,
): Targets {
  if (texts.length === 1) return targetsOf(texts[0], name, options)
  if (options.model === 'softmax' || options.task === 'classification')
    throw dataError(name, 'one column of classes', `${texts.length}`)
  const all = texts.map((own) => targetsOf(own, name, { ...options, task: 'regression' }).values)
  return {
    values: Float64Array.from(
      { length: all[0].length * all.length },
      (_, k) => all[k % all.length][Math.floor(k / all.length)],
    ),
  }
}

/** Texts as numbers, or as classes where there are words or the task or the model asks for them. */
function targetsOf(texts: readonly string[], name: string, { model, task }: Predicting): Targets {
  const missing = texts.findIndex((text) => text.trim() === '')
  if (missing >= 0) throw dataError(name, 'a value in every row', `none in the row ${missing}`)
  const numbers = Float64Array.from(texts, Number)
  const word = numbers.findIndex((x) => !Number.isFinite(x))
  if ((model === 'linear' || task === 'regression') && word >= 0) {
    throw dataError(name, 'numbers', `"${texts[word]}" in the row ${word}`)
  }
  const isRegression = model === 'perceptron' ? !numbers.every(Number.isInteger) : model !== 'softmax'
  if (word < 0 && (task ? task === 'regression' : isRegression)) return { values: numbers }
  const { labels, names } = encodeLabels(texts, undefined, name)
  return { values: Float64Array.from(labels), names }
}

/** Says where numbers may stand for classes, or classes for numbers. */
export function doubtful(
  values: Float64Array,
  classes: readonly string[] | undefined,
  { model, task }: Predicting,
): string[] {
  const distinct = new Set(values).size
  if (task) return []
  if (!classes && !model && distinct <= 2)
    return [`the target has ${distinct} values: "--model softmax" takes them for classes`]
  const areNumbers = classes?.every((name) => Number.isFinite(Number(name)))
  return areNumbers && model === 'perceptron' && distinct > 10
    ? [
        `the ${distinct} whole numbers of the target are taken for classes: "--task regression" predicts numbers`,
      ]
    : []
}
