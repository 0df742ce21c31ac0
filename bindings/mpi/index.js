import { createRequire } from 'node:module'

/** Milliseconds that a rank leaves to the others to report an error that they share with it. */
const patience = { perRank: 500, most: 2000, told: 15000 }

/** See `Communicator` of nhgd. */
class MpiCommunicator {
  #native
  /** Collectives happen one after the other, in the order of their calls, which has to be the same on all ranks. */
  #turn = Promise.resolve()
  #waiting = 0

  constructor(native) {
    this.#native = native
    const { rank, size } = native.init()
    this.rank = rank
    this.size = size
    process.on('exit', (code) => this.#leave(code))
    if (size > 1) process.on('uncaughtException', (error) => this.#fail(error))
  }

  allReduce(values) {
    if (!(values instanceof Float64Array || values instanceof Float32Array)) {
      throw dtypeError('values', 'Float64Array or Float32Array')
    }
    return this.#collective(() => this.#native.allReduce(values))
  }

  async allGather(bytes) {
    if (!(bytes instanceof Uint8Array)) throw dtypeError('bytes', 'Uint8Array')
    const [all, lengths] = await this.#collective(() => this.#native.allGather(bytes))
    let at = 0
    return Array.from(lengths, (length) => {
      at += length
      return all.subarray(at - length, at)
    })
  }

  broadcast(bytes, root = 0) {
    if (!(bytes instanceof Uint8Array)) throw dtypeError('bytes', 'Uint8Array')
    return this.#collective(() => this.#native.broadcast(bytes, root))
  }

  async barrier() {
    await this.allReduce(new Float64Array(1))
  }

  abort(status = 1) {
    this.#native.abort(status)
  }

  #collective(work) {
    this.#waiting++
    const done = this.#turn.then(work).finally(() => {
      this.#waiting--
    })
    this.#turn = done.catch(() => {})
    return done
  }

  /** A rank that leaves while the others wait for it, or in failure, ends the job. */
  #leave(code) {
    if (code === 0 && this.#waiting === 0) this.#native.finalize()
    else if (this.size > 1) this.#native.abort(code || 1)
  }

  /** Prints an error that nobody caught, unless another rank that has it as well ends the job first. */
  #fail(error) {
    const { rank } = this
    const own = Math.min(patience.most, patience.perRank * rank)
    const of = error?.rank
    setTimeout(
      () => {
        console.error(`rank ${rank}: ${error?.stack ?? error}`)
        process.exit(1)
      },
      of === undefined ? own : of === rank ? 0 : patience.told,
    )
  }
}

function dtypeError(name, expected) {
  return Object.assign(new TypeError(`"${name}" expected ${expected}, got something else`), {
    code: 'ERR_DTYPE',
  })
}

function load() {
  try {
    return createRequire(import.meta.url)('./build/mpi.node')
  } catch (cause) {
    const remedy = 'install an MPI whose mpicc is in PATH, then run node build.mjs in the folder of @nhgd/mpi'
    const message = `"@nhgd/mpi" expected its addon, got ${cause.message}: ${remedy}`
    throw Object.assign(new Error(message, { cause }), { code: 'ERR_RANK' })
  }
}

let communicator

export async function mpi() {
  communicator ??= new MpiCommunicator(load())
  return communicator
}
