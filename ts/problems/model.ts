import type { Backend } from '../backend/backend.ts'
import type { Predictor } from '../backend/binding.ts'
import { type Check, checkOptions, flag, oneOf, refuse, settingsJson, shape, size } from '../backend/check.ts'
import type { ConvolutionSettings, ImageSettings, ModelSettings } from '../backend/settings.ts'

const classes = size(2)

/** What θ is: the settings of a model for the engine. */
export type Model = ModelSettings

/** A model with hidden layers, or with the layers of one. */
export type NetworkModel = Extract<Model, { readonly kind: 'mlp' | 'convolutional' }>

/** Whether θ is that of layers one after the other; without hidden layers a perceptron is one too. */
export function isNetwork(model: Model): model is NetworkModel {
  return model.kind === 'mlp' || model.kind === 'convolutional'
}

/** Whether the loss is ½‖z − y‖². */
export function hasSquaredLoss(model: Model): boolean {
  return model.kind === 'linear' || (isNetwork(model) && model.loss === 'squared')
}

/** A model that predicts. */
export function predictor(backend: Backend, model: Model): Predictor {
  return new backend.Predictor(settingsJson(model), backend.info().threads)
}

/**
 * Softmax regression: scores W̄ᵀa, cross-entropy loss. θ is W̄, (features + bias) × classes, row-major, the bias last.
 *
 * @throws NhgdError `ERR_RANGE` for fewer than two classes.
 */
export function softmaxRegression(options: { classes: number; bias?: boolean }): Model {
  return { kind: 'softmax', bias: true, ...checkOptions(options, { classes, bias: flag }, ['classes']) }
}

/**
 * Linear regression: outputs W̄ᵀa, loss ½‖z − y‖² with continuous targets y. θ is W̄, (features + bias) × outputs,
 * row-major, the bias last.
 *
 * @throws NhgdError `ERR_RANGE` for less than one output.
 */
export function linearRegression(options: { outputs?: number; bias?: boolean } = {}): Model {
  return {
    kind: 'linear',
    outputs: 1,
    bias: true,
    ...checkOptions(options, { outputs: size(1), bias: flag }),
  }
}

/** Logistic regression: one score z = w̄ᵀa for the class 1 against 0. θ is w̄, features + bias, the bias last. */
export function logisticRegression(options: { bias?: boolean } = {}): Model {
  return { kind: 'logistic', bias: true, ...checkOptions(options, { bias: flag }) }
}

interface NetworkOptions {
  /** How many classes it tells apart, at least 2. */
  readonly classes?: number
  /** In place of `classes`: how many numbers it predicts of a sample, by the loss ½‖z − y‖² of continuous targets y. */
  readonly outputs?: number
  readonly activation?: 'relu' | 'tanh' | 'gelu'
  /** Of classes: softmax cross-entropy, or ½‖z − e_y‖² against the label's unit vector. */
  readonly loss?: 'crossEntropy' | 'squared'
}

export interface PerceptronOptions extends NetworkOptions {
  /** Units of each hidden layer. */
  readonly hidden: readonly number[]
}

const arrayOf =
  <T>(check: Check<T>): Check<T[]> =>
  (name, value) =>
    Array.isArray(value)
      ? value.map((entry, i) => check(`${name}[${i}]`, entry))
      : refuse(name, 'an array', value)

/** Units of each hidden layer. */
export const hiddenCheck: Check<number[]> = arrayOf(size(1))

const perceptron = {
  classes,
  outputs: size(1),
  hidden: hiddenCheck,
  activation: oneOf('relu', 'tanh', 'gelu'),
  loss: oneOf('crossEntropy', 'squared'),
}

/**
 * A multilayer perceptron of any depth. θ is the layers' W̄ one after the other, each (inputs + 1) × outputs, row-major,
 * the bias last.
 *
 * @throws NhgdError `ERR_RANGE` for fewer than two classes, less than one output or a layer without units.
 */
export function multilayerPerceptron(options: PerceptronOptions): Model {
  const given = checkOptions(options, perceptron, ['hidden'])
  return { kind: 'mlp', activation: 'relu', ...predicting(given) }
}

/** The settings of classes, or of continuous targets. */
function predicting<T extends NetworkOptions>({ classes, outputs, ...given }: T) {
  const loss = given.loss ?? (outputs === undefined ? 'crossEntropy' : 'squared')
  if ((classes === undefined) === (outputs === undefined)) {
    refuse('classes', 'either classes or outputs', classes === undefined ? 'neither' : 'both')
  }
  if (outputs !== undefined && loss !== 'squared') refuse('loss', '"squared" for outputs', loss)
  return { ...given, loss, classes: (classes ?? outputs) as number }
}

/** A convolution in squares, then the activation, then pooling in squares. */
export interface ConvolutionOptions {
  /** Channels of its outputs. */
  readonly channels: number
  /** Side of its windows, in pixels. */
  readonly kernel: number
  /** Pixels from one window to the next; 1 by default. */
  readonly stride?: number
  /** Pixels of zeros on each side of the image; 0 by default. */
  readonly padding?: number
  /** Side of the windows of pooling, which do not overlap: pixels that fill no window are left out. 1, the default, is no
   * pooling. */
  readonly pool?: number
}

export interface ConvolutionalOptions extends NetworkOptions {
  /** What a row of features is: channels × height × width numbers, row-major; one channel by default. */
  readonly image: { readonly height: number; readonly width: number; readonly channels?: number }
  readonly convolutions: readonly ConvolutionOptions[]
  /** What pooling makes of a window: its largest entry (`'max'`, the default) or the mean. */
  readonly pooling?: 'max' | 'average'
  /** Units of each hidden layer after the convolutions; none by default. */
  readonly hidden?: readonly number[]
}

const side = size(1)
const imageSides = { height: side, width: side, channels: side }
const convolution = { channels: side, kernel: side, stride: side, padding: size(0), pool: side }
const convolutional = {
  ...perceptron,
  image: shape(imageSides, ['height', 'width']),
  convolutions: arrayOf(shape(convolution, ['channels', 'kernel'])),
  pooling: oneOf('max', 'average'),
}

/**
 * A convolutional network (LeCun et al. 1998): convolutions, each with the activation and pooling, then a perceptron on the
 * last image. θ is the layers' W̄ one after the other, row-major, the bias last: of a convolution (channels · kernel ·
 * kernel + 1) × its channels, where a window is channels × kernel × kernel, and of a dense layer (inputs + 1) ×
 * outputs, where the inputs are the last image, channels × height × width.
 *
 * @throws NhgdError `ERR_RANGE` for fewer than two classes, less than one output, a layer without units and a window that
 * does not fit into its image; `ERR_SHAPE`, when a problem is built, for features that are no such images.
 */
export function convolutionalNetwork(options: ConvolutionalOptions): Model {
  const given = checkOptions(options, convolutional, ['image', 'convolutions'])
  const image = { channels: 1, ...given.image } as ImageSettings
  const convolutions = given.convolutions.map(
    (own) => ({ stride: 1, padding: 0, pool: 1, ...own }) as ConvolutionSettings,
  )
  const usual = { pooling: 'max', hidden: [], activation: 'relu' } as const
  const model = { kind: 'convolutional' as const, ...usual, ...predicting(given), image, convolutions }
  imagesOf(model)
  return model
}

/** The image that a network sees, and those that its convolutions pass on. */
export function imagesOf({
  image,
  convolutions,
}: Pick<Extract<Model, { kind: 'convolutional' }>, 'image' | 'convolutions'>): ImageSettings[] {
  const images = [image]
  for (const [i, { channels, kernel, stride, padding, pool }] of convolutions.entries()) {
    const { height, width } = images[i]
    const smallest = Math.min(height, width) + 2 * padding
    if (kernel > smallest) {
      refuse(`convolutions[${i}].kernel`, `at most ${smallest}, the side of its padded image`, kernel)
    }
    const [rows, columns] = [height, width].map(
      (side) => Math.floor((side + 2 * padding - kernel) / stride) + 1,
    )
    if (pool > Math.min(rows, columns)) {
      refuse(`convolutions[${i}].pool`, `at most ${Math.min(rows, columns)}, the side of its image`, pool)
    }
    images.push({ channels, height: Math.floor(rows / pool), width: Math.floor(columns / pool) })
  }
  return images
}

/** Inputs, without the bias, and outputs of a network's layers, for samples of so many columns. */
export function layersOf(model: NetworkModel, columns: number): (readonly [number, number])[] {
  const images = model.kind === 'mlp' ? [] : imagesOf(model)
  const windows = images.slice(1).map(({ channels }, i) => {
    const { kernel } = (model as Extract<Model, { kind: 'convolutional' }>).convolutions[i]
    return [images[i].channels * kernel * kernel, channels] as const
  })
  const last = images.at(-1)
  const units = [last ? entriesOf(last) : columns, ...model.hidden, model.classes]
  return [...windows, ...units.slice(1).map((outputs, l) => [units[l], outputs] as const)]
}

/** Numbers of an image. */
export const entriesOf = ({ channels, height, width }: ImageSettings) => channels * height * width
