import { NhgdError } from '../../backend/errors.ts'
import { permutation } from '../../data/split.ts'
import type { TrustedSettings } from './options.ts'
import type { Prepared } from './prepare.ts'

/** Trusted rows that anchor the inner objective, make the outer one, and are held back from both. */
export interface Parts {
  readonly anchors: Uint32Array
  readonly outer: Uint32Array
  readonly heldOut: Uint32Array
}

/** Splits the trusted rows at random. The weighting by logits needs no anchors. */
export function split({ trusted }: Prepared, { weighting, holdout, seed }: TrustedSettings): Parts {
  const order = Uint32Array.from(permutation(trusted.length, seed), (i) => trusted[i])
  const heldOut = order.slice(0, Math.round(holdout * trusted.length))
  const rest = order.slice(heldOut.length)
  if (rest.length < 2) {
    const expected = `a share that leaves 2 of the ${trusted.length} trusted rows`
    throw new NhgdError('ERR_RANGE', `"holdout" expected ${expected}, got ${holdout}`)
  }
  const anchors = rest.slice(0, weighting === 'margin' ? rest.length >> 1 : 0)
  return { anchors, outer: rest.slice(anchors.length), heldOut }
}

export function concat(a: Uint32Array, b: Uint32Array): Uint32Array {
  const out = new Uint32Array(a.length + b.length)
  out.set(a)
  out.set(b, a.length)
  return out
}
