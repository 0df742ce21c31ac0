// Service worker: all files of the page are kept when it is first opened. `files.js` is written by the build.
importScripts('files.js')
const { version, paths } = self.files
const kept = `nhgd-${version}`

addEventListener('install', (event) => {
  const keep = async () => {
    const cache = await caches.open(kept)
    await cache.addAll(paths)
    await self.skipWaiting()
  }
  event.waitUntil(keep())
})

addEventListener('activate', (event) => {
  const clear = async () => {
    for (const name of await caches.keys()) {
      if (name.startsWith('nhgd-') && name !== kept) await caches.delete(name)
    }
    await self.clients.claim()
  }
  event.waitUntil(clear())
})

/** The page itself is fetched anew where there is a network; other files have their version in their name. */
addEventListener('fetch', (event) => {
  const { request } = event
  if (request.method !== 'GET' || new URL(request.url).origin !== location.origin) return
  const cached = async () => (await caches.open(kept)).match(request, { ignoreSearch: true })
  const answer = async () => {
    if (request.mode !== 'navigate') return (await cached()) ?? fetch(request)
    return fetch(request).catch(async () => (await cached()) ?? Response.error())
  }
  event.respondWith(answer())
})
