import { NhgdError } from '../backend/errors.ts'
import type { AnyProblem } from '../problems/problem.ts'
import { type Archive, type Tensor, writeArchive } from './archive.ts'
import type { SolveOptions } from './options.ts'
import { restoreRecord, saveRecord, vectorsOf } from './record.ts'
import { type RunState, settled, slow, startRun } from './state.ts'

const version = 2

/** What a run that is resumed has in common with the one that was saved. */
function about(problem: AnyProblem, options: SolveOptions): unknown {
  const { method, outerOptimizer, seed, box, simplex, jumpCap, backtracking, retryRate } = settled(options)
  const { name, settings } = method
  const safeguards = { box, simplex, jumpCap, backtracking, retryRate }
  return plain({
    version,
    problem: problem.about(),
    method: name,
    settings,
    outerOptimizer,
    safeguards,
    seed,
  })
}

/** As JSON holds it; functions and numbers that are not finite become words. */
export function plain(value: unknown): unknown {
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(plain)
  const entries = Object.entries(value).filter(([, entry]) => entry !== undefined)
  return Object.fromEntries(entries.map(([name, entry]) => [name, plain(entry)]))
}

/** Throws `ERR_CHECKPOINT` for the first difference. */
export function same(name: string, ours: unknown, saved: unknown): void {
  const isRecord = (x: unknown): x is Record<string, unknown> => typeof x === 'object' && x !== null
  if (isRecord(ours) && isRecord(saved)) {
    for (const key of Object.keys({ ...ours, ...saved })) same(`${name}.${key}`, ours[key], saved[key])
  } else if (ours !== saved) {
    const shown = (x: unknown) => JSON.stringify(x) ?? 'none'
    throw new NhgdError(
      'ERR_CHECKPOINT',
      `"${name}" expected ${shown(ours)}, got ${shown(saved)} in the archive`,
    )
  }
}

/** The vectors of a point stand in place of the point, which is a class of the backend. */
export const recordOf = ({ point, ...rest }: RunState): RunRecord => ({ ...rest, point: vectorsOf(point) })

type RunRecord = Omit<RunState, 'point'> & { readonly point: ReturnType<typeof vectorsOf> }

/** A run as one archive. */
export async function saveState(
  problem: AnyProblem,
  options: SolveOptions,
  state: RunState,
): Promise<Uint8Array> {
  const tensors = new Map<string, Tensor>()
  await saveRecord(recordOf(state), tensors, 'run')
  return writeArchive({ about: about(problem, options), tensors })
}

/** The run that {@link saveState} wrote; see `resume`. */
export async function restoreState(
  problem: AnyProblem,
  options: SolveOptions,
  archive: Archive,
): Promise<RunState> {
  const { seed } = { seed: (archive.about as { seed?: number } | null)?.seed, ...options }
  const given = { ...options, seed }
  same('run', about(problem, given), archive.about)
  // A method may read the point that it starts from: a Fisher takes its regulariser there.
  const at = { inner: archive.tensors.get('run.point.inner'), outer: archive.tensors.get('run.point.outer') }
  const state = await startRun(problem, { ...given, ...at })
  const record = recordOf(state)
  await restoreRecord(record, archive.tensors, 'run')
  state.outerStep = record.outerStep
  state.firstLoss = record.firstLoss
  if (record.slowed !== undefined) slow(state, record.slowed)
  return state
}
