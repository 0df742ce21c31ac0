import * as assert from 'uvu/assert'
import { loadBackend } from '../../../ts/index.ts'
import { type Answer, measure, type Order } from './conformance.ts'

/** The order for a runtime; its reference is Node's native backend. */
export async function order(expected: Order['expected']): Promise<Order> {
  return { expected, reference: await measure(await loadBackend({ backend: 'native' })) }
}

/** Fails with all that failed in a runtime. */
export function judge({ outcomes }: Answer): void {
  assert.ok(outcomes.length >= 10, `only ${outcomes.length} checks ran`)
  const failed = outcomes.filter(({ error }) => error !== undefined)
  assert.is(failed.length, 0, failed.map(({ name, error }) => `${name}: ${error}`).join('\n\n'))
}
