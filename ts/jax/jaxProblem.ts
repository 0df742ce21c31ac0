import { grad, type Array as JaxArray, type JsTree, jvp, numpy as np, valueAndGrad, vmap } from '@jax-js/jax'
import type { Backend } from '../backend/backend.ts'
import { backendCheck, callback, checkOptions, shape, size } from '../backend/check.ts'
import { NhgdError } from '../backend/errors.ts'
import { customProblem } from '../problems/custom/customProblem.ts'
import type { InnerObjective } from '../problems/custom/objectives.ts'
import type { AnyProblem } from '../problems/problem.ts'
import { type Compiled, compiled } from './compiled.ts'
import { type Arrays, Layout } from './tree.ts'

/** The inner objective g(v, θ), a mean over samples, and θ. */
export interface JaxInner<Theta extends Arrays = Arrays, V extends Arrays = Arrays> {
  /** θ to start from: numbers, an array of jax-js of float32, or arrays in lists and objects, which are taken over. */
  readonly start: Theta | ArrayLike<number>
  /** n, samples that g is a mean over; 1 by default. */
  readonly samples?: number
  /** g, a mean over the samples whose positions are in `batch` (int32). It takes its arguments over, as all functions of
   * jax-js do. */
  loss(v: V, theta: Theta, batch: JaxArray): JaxArray
  /** What g has of the form ½ Σ_j D_j θ_j², as in `customProblem`. */
  readonly regularizer?: InnerObjective<Float32Array>['regularizer']
}

/** The outer objective f(v, θ), and v. */
export interface JaxOuter<Theta extends Arrays = Arrays, V extends Arrays = Arrays> {
  /** v to start from, as θ in {@link JaxInner}. */
  readonly start: V | ArrayLike<number>
  /** m, samples that f is a mean over; 1 by default. */
  readonly samples?: number
  /** f, a mean over the samples of f whose positions are in `batch`. */
  loss(v: V, theta: Theta, batch: JaxArray): JaxArray
}

export interface JaxProblemOptions<Theta extends Arrays = Arrays, V extends Arrays = Arrays> {
  readonly backend: Backend
  readonly inner: JaxInner<Theta, V>
  readonly outer: JaxOuter<Theta, V>
}

const present = (_name: string, value: unknown) => value
const side = { start: present, samples: size(1), loss: callback }
const checks = {
  backend: backendCheck,
  inner: shape<JaxInner>({ ...side, regularizer: present }, ['start', 'loss']),
  outer: shape<JaxOuter>(side, ['start', 'loss']),
}

/**
 * A problem of two functions that are written with jax-js, in f32, on the default device of jax-js. Gradients, products
 * with the Hessian (a Jacobian product of the gradient) and with the cross derivative, and gradients of single samples (by
 * `vmap`) are those of jax-js, compiled once for each size of a batch. What jax-js can't derive twice is taken by
 * differences, as in `customProblem`.
 *
 * @throws NhgdError `ERR_RANGE` for options, `ERR_DTYPE` and `ERR_SHAPE` for a start, `ERR_CALLBACK` for a function that
 * jax-js can't derive, or that gives no scalar.
 */
export async function jaxProblem<Theta extends Arrays, V extends Arrays>(
  options: JaxProblemOptions<Theta, V>,
): Promise<AnyProblem> {
  const given = checkOptions(options as unknown as JaxProblemOptions, checks, ['backend', 'inner', 'outer'])
  const { backend, inner, outer } = given
  provideNavigator()
  const [theta, thetaStart] = await Layout.of('inner.start', inner.start)
  const [v, vStart] = await Layout.of('outer.start', outer.start)
  const samples = inner.samples ?? 1
  const g = scalar('inner.loss', inner.loss.bind(options.inner))
  const f = scalar('outer.loss', outer.loss.bind(options.outer))
  const points = (samples: number) => () => [
    v.arrays(vStart),
    theta.arrays(thetaStart),
    positions(samples > 1 ? Uint32Array.of(0, 1) : Uint32Array.of(0)),
  ]
  const [innerPoint, outerPoint] = [points(samples), points(outer.samples ?? 1)]
  const along = () => [...innerPoint(), theta.arrays(thetaStart)]

  // `grad` of a function of several arguments stops the gradient through the others: each closes over them.
  const loss = needed('inner.loss', g, innerPoint)
  const gradient = needed('inner.loss', derived(g), innerPoint)
  const outerLoss = needed('outer.loss', f, outerPoint)
  const outerGradient = needed('outer.loss', derived(f), outerPoint)
  const directGradient = needed(
    'outer.loss',
    (v, theta, batch) => grad((v: Arrays) => f(v, theta, batch))(v) as Arrays,
    outerPoint,
  )
  const sampleGradients = wanted((v, theta, batch) => {
    const one = (i: JaxArray) => grad((theta: Arrays) => g(v, theta, i.reshape([1])))(theta) as Arrays
    return vmap(one, 0)(batch as JaxArray)
  }, innerPoint)
  const hessianProduct = wanted((v, theta, batch, u) => {
    const gradient = (theta: Arrays) => grad((theta: Arrays) => g(v, theta, batch))(theta) as Arrays
    return jvp(gradient, [theta] as never, [u] as never)[1] as Arrays
  }, along)
  const crossProduct = wanted((v, theta, batch, u) => {
    const slope = (v: Arrays) =>
      jvp((theta: Arrays) => g(v, theta, batch), [theta] as never, [u] as never)[1] as JaxArray
    return grad(slope)(v) as Arrays
  }, along)

  type F32 = Float32Array
  const at = (x: F32, y: F32, batch: Uint32Array) => [v.arrays(y), theta.arrays(x), positions(batch)]
  const numberOf = async (value: unknown) => (await (value as JaxArray).data())[0]
  const withValue =
    (run: Compiled) =>
    async (x: F32, y: F32, batch: Uint32Array, out: F32): Promise<number> => {
      const [value, slopes] = run(...at(x, y, batch)) as [JaxArray, Arrays]
      await theta.read(slopes, out)
      return numberOf(value)
    }
  const product = (run: Compiled | undefined, layout: Layout) =>
    run &&
    (async (x: F32, y: F32, batch: Uint32Array, u: F32, out: F32): Promise<void> =>
      layout.read(run(...at(x, y, batch), theta.arrays(u)), out))

  return customProblem<'f32'>({
    backend,
    dtype: 'f32',
    inner: {
      size: theta.size,
      samples,
      start: thetaStart,
      loss: (x, y, batch) => numberOf(loss(...at(x, y, batch))),
      gradient: withValue(gradient),
      sampleGradients:
        sampleGradients &&
        (async (x, y, batch, out) => theta.read(sampleGradients(...at(x, y, batch)), out, batch.length)),
      hessianProduct: product(hessianProduct, theta),
      crossProduct: product(crossProduct, v),
      regularizer: inner.regularizer,
    },
    outer: {
      size: v.size,
      samples: outer.samples,
      start: vStart,
      loss: (x, y, batch) => numberOf(outerLoss(...at(x, y, batch))),
      gradient: withValue(outerGradient),
      directGradient: async (x, y, batch, out) => v.read(directGradient(...at(x, y, batch)), out),
    },
  })
}

/** The value and the gradient in θ. */
const derived =
  (loss: Compiled): Compiled =>
  (v, theta, batch) =>
    valueAndGrad((theta: Arrays) => loss(v, theta, batch) as JaxArray)(theta) as JsTree<JaxArray>

/** A function that has to give a scalar. */
function scalar(name: string, loss: (v: never, theta: never, batch: never) => unknown) {
  return (v: Arrays, theta: Arrays, batch: Arrays): JaxArray => {
    const value = loss(v as never, theta as never, batch as never) as Partial<JaxArray> | undefined
    if (value?.shape?.length === 0) return value as JaxArray
    const got = value?.shape ? `shape [${value.shape.join(', ')}]` : typeof value
    throw new NhgdError('ERR_CALLBACK', `"${name}" expected to give a scalar array of jax-js, got ${got}`)
  }
}

/** A function of which there has to be a compiled form, or a plain one. */
function needed(name: string, run: Compiled, example: () => Arrays[]): Compiled {
  let reason: unknown
  const found = compiled(run, example, (error) => {
    reason = error
  })
  if (found) return found
  if (reason instanceof NhgdError) throw reason
  const got = reason instanceof Error ? `${reason.name}: ${reason.message}` : String(reason)
  throw Object.assign(
    new NhgdError('ERR_CALLBACK', `"${name}" expected a function that jax-js can derive, got ${got}`, {
      cause: reason,
    }),
    { callback: name },
  )
}

const wanted = (run: Compiled, example: () => Arrays[]) => compiled(run, example, () => {})

const positions = (batch: Uint32Array) => np.array(Int32Array.from(batch))

/** jax-js asks `navigator` what it runs on, which Node has from version 21 on: what that has stands in for it. */
function provideNavigator(): void {
  if ('navigator' in globalThis) return
  const value = { userAgent: `Node.js/${process.versions.node.split('.')[0]}` }
  Object.defineProperty(globalThis, 'navigator', { value, configurable: true, enumerable: true })
}
