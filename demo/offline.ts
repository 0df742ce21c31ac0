import { element } from './dom.ts'

/** Keeps the page's files, so that it works without a network from now on. */
export async function keepOffline(): Promise<void> {
  if (!('serviceWorker' in navigator)) return
  try {
    await navigator.serviceWorker.register('offline.js')
    await navigator.serviceWorker.ready
    element('offline').textContent = 'This page is kept in the browser: it works without a network.'
  } catch {
    // A browser may forbid it; the page works as long as it is open.
  }
}
