import { NhgdError } from '../backend/errors.ts'
import { listed } from '../data/error.ts'

/** @throws NhgdError `ERR_SHAPE` where columns are missing, are too many or stand in another order. */
export function sameColumns(
  as: string,
  trained: readonly string[] | undefined,
  own: readonly string[] | undefined,
  count: number,
  got: number,
): void {
  if (!trained || !own) {
    if (got === count) return
    throw new NhgdError('ERR_SHAPE', `"${as}" expected ${count} columns as in training, got ${got}`)
  }
  const missing = trained.filter((name) => !own.includes(name))
  const other = own.filter((name) => !trained.includes(name))
  if (missing.length > 0 || other.length > 0) {
    const told = [
      ...(missing.length > 0 ? [`none called ${listed(missing)}`] : []),
      ...(other.length > 0 ? [`also ${listed(other)} (leave out with "--ignore")`] : []),
    ]
    throw new NhgdError('ERR_SHAPE', `"${as}" expected the columns of training, got ${told.join(', ')}`)
  }
  if (own.length === count && own.every((name, j) => name === trained[j])) return
  throw new NhgdError('ERR_SHAPE', `"${as}" expected the columns in the order of training, got another`)
}
