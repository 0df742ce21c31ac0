// Looks at what the project depends on: licences, bans, sources and known holes of crates (cargo-deny, by deny.toml), and
// known holes of npm's packages (npm audit). What can't be looked at here is named; a finding ends it with 1.
//   node scripts/supplyChain.mjs [--install]     installs cargo-deny where it is missing, which takes some minutes
import { spawnSync } from 'node:child_process'
import { environment, root } from './setup/step.mjs'

/** Behind some firewalls questions to the network never end. */
const patience = 60_000
const execute = (command, args, timeout) =>
  spawnSync(command, args, { cwd: root, env: environment, encoding: 'utf8', timeout })
const present = () => execute('cargo', ['deny', '--version']).status === 0

if (process.argv.includes('--install') && !present()) execute('cargo', ['install', '--locked', 'cargo-deny'])

const cargoDeny = ['cargo', 'deny', '--all-features', 'check']
const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm']
/** Commands, and what they print where they can't look. */
const checks = {
  'licences, bans and sources of crates': [
    [...cargoDeny, 'licenses', 'bans', 'sources'],
    /no such command.*/,
  ],
  'known holes of crates': [
    [...cargoDeny, 'advisories'],
    /no such command.*|failed to (fetch|load|open|clone).*(database|repo).*|ETIMEDOUT/i,
  ],
  'known holes of npm packages': [
    [...npm, 'audit', '--omit=dev', '--loglevel=error'],
    /audit endpoint returned an error|E(NOTFOUND|CONNREFUSED|AI_AGAIN|TIMEDOUT).*/,
  ],
}

for (const [name, [[command, ...args], cannot]] of Object.entries(checks)) {
  const { status, stdout, stderr, error } = execute(command, args, patience)
  const output = `${stdout}${stderr}${error ?? ''}`
  const [reason] = cannot.exec(output) ?? []
  if (status === 0) console.log(`ok ${name}`)
  else if (reason) console.log(`left out ${name}: ${reason}`)
  else {
    console.log(`FAIL ${name}\n${output}`)
    process.exitCode = 1
  }
}
