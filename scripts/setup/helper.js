// Appended to the glue of the module with threads: what a helper's worker does, in browsers and where there is Node.
const { initSync, help, giveUp } = instance()
const port = globalThis.process?.getBuiltinModule?.('node:worker_threads').parentPort ?? globalThis
port.onmessage = ({ data: { module, memory } }) => {
  try {
    initSync({ module, memory })
  } catch (error) {
    port.postMessage(String(error))
    return
  }
  port.postMessage('ready')
  try {
    help()
  } catch {
    giveUp() // it trapped: whoever waits for it would wait for ever
  }
}
