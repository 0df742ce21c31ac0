import { NhgdError } from '../backend/errors.ts'
import { readNpz, writeNpz } from '../data/npz.ts'
import { readSafetensors, writeSafetensors } from '../data/safetensors.ts'
import type { NumericArray, Tensor } from '../data/tensor.ts'
import {
  convolutionalNetwork,
  entriesOf,
  isNetwork,
  layersOf,
  multilayerPerceptron,
  type NetworkModel,
} from '../problems/model.ts'

export type ModelFormat = 'npz' | 'safetensors'

/** The names of a model's classes and columns, where they are known. */
export interface ModelNames {
  readonly classes?: readonly string[]
  readonly columns?: readonly string[]
}

/**
 * A model's file: in NPZ names, and the settings of a network or of an inverse Fisher, are the bytes of their JSON, in
 * safetensors they are JSON in the metadata.
 */
export function writeModel(
  format: ModelFormat,
  tensors: Readonly<Record<string, Tensor<NumericArray>>>,
  about: ModelNames & { readonly model?: NetworkModel; readonly influence?: object } = {},
): Uint8Array {
  const known = Object.entries(about).filter(([, value]) => value)
  const texts = Object.fromEntries(known.map(([key, value]) => [key, JSON.stringify(value)]))
  if (format === 'safetensors') return writeSafetensors({ tensors, metadata: texts })
  const arrays = Object.entries(texts).map(([key, text]) => {
    const data = new TextEncoder().encode(text)
    return [key, { data, shape: [data.length] }] as const
  })
  return writeNpz({ ...tensors, ...Object.fromEntries(arrays) })
}

/** The arrays of a model's file, in either format, and what it says beside them. */
export function openModel(bytes: Uint8Array, name = 'file') {
  const isSafe = bytes[8] === 0x7b
  const { tensors, metadata = {} } = isSafe ? readSafetensors(bytes, name) : { tensors: readNpz(bytes, name) }
  const text = (key: string) =>
    Object.hasOwn(metadata, key) ? metadata[key] : textOf(isSafe ? undefined : tensors[key])
  const namesOf = (key: keyof ModelNames, count: number) => {
    const found = text(key)
    return found === undefined ? undefined : parsed(found, count, name)
  }
  const network = () => {
    const settings = text('model')
    return settings === undefined ? undefined : networkOf(settings)
  }
  return { tensors, text, namesOf, network }
}

/**
 * Reads what {@link writeModel} wrote of a classifier.
 *
 * @throws NhgdError `ERR_DATA` for other files, `ERR_CHECKPOINT` for a file without θ, a matrix with a row per column and
 * one for the bias, or all parameters of a network, and for names of another count.
 */
export function readModel(bytes: Uint8Array, name = 'file'): ModelFile {
  const { tensors, namesOf, network } = openModel(bytes, name)
  const theta = tensors.theta as ModelFile['theta'] | undefined
  const model = network()
  const isFloat = theta?.data instanceof Float32Array || theta?.data instanceof Float64Array
  const size = isFloat ? sizeOf({ theta, model }) : undefined
  if (!isFloat || !size) {
    const expected = `a float matrix, (columns + 1) × classes, or a network's parameters and its "model"`
    throw new NhgdError('ERR_CHECKPOINT', `"theta" expected ${expected}, got none`)
  }
  return {
    theta,
    classes: namesOf('classes', size.classes),
    columns: namesOf('columns', size.columns),
    ...(model && { model }),
  }
}

/** What a model's file holds. */
interface ModelFile extends ModelNames {
  readonly theta: Tensor<Float32Array | Float64Array>
  /** Absent for softmax regression. */
  readonly model?: NetworkModel
}

/** How many columns and classes a model has, where θ can be that of such a model. */
export function sizeOf({ theta, model }: Pick<ModelFile, 'theta' | 'model'>) {
  const [rows, classes] = theta.shape
  if (!model) return theta.shape.length === 2 ? { columns: rows - 1, classes } : undefined
  const parameters = (columns: number) =>
    layersOf(model, columns).reduce((sum, [inputs, outputs]) => sum + (inputs + 1) * outputs, 0)
  const ofPerceptron = () => (theta.data.length - parameters(0)) / layersOf(model, 0)[0][1]
  const columns = model.kind === 'mlp' ? ofPerceptron() : entriesOf(model.image)
  const fits = Number.isInteger(columns) && columns > 0 && parameters(columns) === theta.data.length
  return fits ? { columns, classes: model.classes } : undefined
}

/** @throws NhgdError `ERR_CHECKPOINT` where a text holds no settings of a network. */
function networkOf(text: string): NetworkModel {
  try {
    const { kind, classes, loss, ...options } = JSON.parse(text)
    const make = kind === 'mlp' ? multilayerPerceptron : convolutionalNetwork
    const model = make({ ...options, ...(loss === 'squared' ? { outputs: classes } : { classes, loss }) })
    if (isNetwork(model) && model.kind === kind) return model
  } catch {}
  throw new NhgdError('ERR_CHECKPOINT', '"model" expected the settings of a network, got something else')
}

function textOf(array: Tensor | undefined): string | undefined {
  return array && new TextDecoder().decode(Uint8Array.from(array.data as ArrayLike<number>))
}

function parsed(text: string, count: number, name: string): string[] {
  try {
    const names: unknown = JSON.parse(text)
    if (Array.isArray(names) && names.length === count) return names.map(String)
  } catch {}
  throw new NhgdError('ERR_CHECKPOINT', `"${name}" expected ${count} names as JSON, got something else`)
}
