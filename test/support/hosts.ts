import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Hosts on this machine, each with a network and a name of its own. */
export interface Hosts {
  readonly addresses: readonly string[]
  /** With it mpirun reaches them. */
  readonly environment: Readonly<Record<string, string>>
  remove(): void
}

/** Namespaces of Linux, joined by a bridge; says why where they cannot be made. */
export function makeHosts(count: number): Hosts | string {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'namespaces of Linux need root'
  const tag = `n${process.pid}`
  const network = `10.213.${process.pid % 250}`
  const addresses = Array.from({ length: count }, (_, i) => `${network}.${i + 1}`)
  const ip = (command: string) => execFileSync('ip', command.split(' '), { stdio: 'pipe' })
  const folder = mkdtempSync(join(tmpdir(), 'nhgd-hosts-'))
  const made: string[] = []
  const make = (command: string, undo: string) => {
    ip(command)
    made.unshift(undo)
  }
  const remove = () => {
    for (const undo of made.splice(0)) ip(undo)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    make(`link add ${tag}b type bridge`, `link del ${tag}b`)
    ip(`addr add ${network}.254/24 dev ${tag}b`)
    ip(`link set ${tag}b up`)
    for (const [i, address] of addresses.entries()) {
      const host = `${tag}-${address}`
      make(`netns add ${host}`, `netns del ${host}`)
      ip(`link add ${tag}v${i} type veth peer name eth0 netns ${host}`)
      ip(`link set ${tag}v${i} master ${tag}b up`)
      ip(`-n ${host} addr add ${address}/24 dev eth0`)
      ip(`-n ${host} link set eth0 up`)
      ip(`-n ${host} link set lo up`)
    }
  } catch (error) {
    remove()
    return `namespaces cannot be made (${(error as Error).message.trim()})`
  }
  // What mpirun starts on a host in place of ssh.
  const agent = join(folder, 'agent')
  const shell = `unshare --uts sh -c "hostname $host; $*"`
  writeFileSync(agent, `#!/bin/sh\nhost=$1; shift\nexec ip netns exec "${tag}-$host" ${shell}\n`)
  chmodSync(agent, 0o755)
  const include = `${network}.0/24`
  return {
    addresses,
    environment: {
      PRTE_MCA_plm_ssh_agent: agent,
      PRTE_MCA_prte_if_include: include,
      OMPI_MCA_plm_rsh_agent: agent,
      OMPI_MCA_oob_tcp_if_include: include,
      OMPI_MCA_btl: 'tcp,self',
      OMPI_MCA_btl_tcp_if_include: include,
    },
    remove,
  }
}
