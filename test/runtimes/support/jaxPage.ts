// Takes a hypergradient of functions of jax-js, in Node as on a page.
import { defaultDevice, init, type Array as JaxArray, nn, numpy as np } from '@jax-js/jax'
import type { Backend } from '../../../ts/backend/backend.ts'
import { jaxProblem } from '../../../ts/jax/index.ts'
import { conjugateGradients, hypergradient } from '../../../ts/library.ts'
import { loadBackend } from '../../../ts/wasm.ts'

/** Logistic regression with a weight per sample: the hypergradient in the logits of the weights. */
export async function jaxHypergradient(backend: Backend): Promise<number[]> {
  await init('wasm')
  defaultDevice('wasm')
  const rows = Array.from({ length: 12 }, (_, i) => [Math.sin(i), Math.cos(3 * i), 1])
  const [x, y] = [np.array(rows), np.array(rows.map((_, i) => i % 2))]
  const losses = (theta: JaxArray) => {
    const z = np.dot(x.ref, theta)
    return nn.softplus(z.ref).sub(y.ref.mul(z))
  }
  const problem = await jaxProblem<JaxArray, JaxArray>({
    backend,
    inner: {
      start: [0, 0, 0],
      samples: 12,
      loss(v, theta, batch) {
        const size = np.square(theta.ref).sum().mul(0.05)
        return nn.sigmoid(v).mul(losses(theta)).slice(batch).mean().add(size)
      },
    },
    outer: {
      start: new Float32Array(12),
      loss(v, theta, batch) {
        v.dispose()
        batch.dispose()
        return losses(theta).slice([0, 6]).mean()
      },
    },
  })
  const at = { inner: [0.3, -0.2, 0.1], outer: rows.map((_, i) => Math.sin(5 * i)) }
  return Array.from((await hypergradient(problem, { ...at, method: conjugateGradients() })).hypergradient)
}

if (typeof document !== 'undefined') {
  const onPage = async () => {
    const bytes = await (await fetch(new URL('/nhgd_bg.wasm', location.href))).arrayBuffer()
    return jaxHypergradient(await loadBackend({ wasm: bytes }))
  }
  Object.assign(globalThis, { jaxOnPage: onPage })
}
