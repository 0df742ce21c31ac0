// Lives for some seconds, or some times, on a backend: … living.ts native|wasm SECONDS [TIMES]. It prints what came of it.
import { loadBackend } from '../../ts/backend/load.ts'
import { liveOn } from './lives.ts'

const [name, seconds, times] = process.argv.slice(2)
const backend = await loadBackend({ backend: name as 'native' })
const start = performance.now()
const done = (lives: number) =>
  times ? lives / Number(times) : (performance.now() - start) / 1000 / Number(seconds)
console.log(JSON.stringify(await liveOn(backend, done, () => process.memoryUsage().rss)))
