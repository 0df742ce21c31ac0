import { suite, type Test } from 'uvu'
import type { Backend } from '../../ts/backend/backend.ts'
import { loadBackend } from '../../ts/backend/load.ts'

/** A suite whose tests are handed the backend that `NHGD_BACKEND` names. */
export function backendSuite(name: string): Test<{ backend: Backend }> {
  const context = {} as { backend: Backend }
  const test = suite(name, context)
  test.before(async () => {
    context.backend = await loadBackend()
  })
  return test
}
