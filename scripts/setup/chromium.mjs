// Chromium for the tests that need a browser: the system's, or Debian's where this runs as root.
import { existsSync } from 'node:fs'
import { run, step, succeeds } from './step.mjs'

const usual = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
]

/** Where Chromium or Chrome is; `CHROMIUM` in the environment overrides. */
export function findChromium() {
  return [process.env.CHROMIUM, ...usual].find((path) => path && existsSync(path))
}

/** Installs Chromium, or says that it is absent and how to get it. */
export async function installChromium() {
  if (findChromium()) return
  if (process.getuid?.() !== 0 || !(await succeeds('apt-get', ['--version']))) {
    const then = process.env.CI ? 'fail' : 'are left out'
    console.log(`setup: no Chromium here, so its tests ${then}. Install Chromium or Chrome`)
    console.log('       (Debian: sudo apt-get install chromium), or set CHROMIUM to its path.')
    return
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await step('Chromium: apt-get install chromium', async () => {
    await run('apt-get', ['update', '-qq'], { env })
    await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], { env })
  })
}
