import type { Communicator } from '../../ts/backend/communicator.ts'

/** The communicators of so many ranks that live in this process. Each collective waits for all of them. */
export function localRanks(size: number): Communicator[] {
  let [given, release]: [Uint8Array[], () => void] = [[], () => {}]
  let all = Promise.resolve()
  /** The bytes of all ranks. */
  async function exchange(rank: number, bytes: Uint8Array): Promise<Uint8Array[]> {
    if (given.every((own) => own === undefined)) {
      all = new Promise((resolve) => {
        release = resolve
      })
    }
    const parts = given
    parts[rank] = bytes.slice()
    if (Object.keys(parts).length === size) {
      given = []
      release()
    }
    await all
    return parts
  }
  return Array.from({ length: size }, (_, rank) => ({
    rank,
    size,
    async allReduce(values) {
      const own = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
      const parts = await exchange(rank, own)
      const type = values.constructor as Float64ArrayConstructor
      values.fill(0)
      for (const part of parts) {
        for (const [i, value] of new type(part.slice().buffer).entries()) values[i] += value
      }
    },
    allGather: async (bytes) => (await exchange(rank, bytes)).map((part) => part.slice()),
    async broadcast(bytes, root = 0) {
      bytes.set((await exchange(rank, bytes))[root])
    },
    async barrier() {
      await exchange(rank, new Uint8Array())
    },
    abort() {},
  }))
}
