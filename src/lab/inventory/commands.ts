import type { Plan } from '../../plan/types.js';
import { gatewayModules } from '../qemu/provision/gateway.js';
import { hostModules } from '../qemu/provision/host.js';
import { guestFolder, memberFiles } from '../guest/supervisor.js';
import { shellQuote } from '../ssh/connection.js';
import type { GuestEntry } from '../guest/bundle.js';
import { hostNamed, spdkOf, type Inventory } from './file.js';

/**
 * The shell commands that change a host of an inventory, and those that undo them. Every undo may be run where
 * nothing was changed, and more than once.
 */

/** Ours alone; beside them there is one file, the config of each program. */
const ourFolders = [guestFolder, '/run/pathproof', '/var/log/pathproof', '/var/cache/pathproof'] as const;

/** The folder of the configs may have files of somebody else. */
function removeFiles(name: string): string {
  const { config } = memberFiles(name);
  return `rm -rf ${ourFolders.join(' ')} && rm -f ${config} && { rmdir "$(dirname ${config})" 2>/dev/null || true; }`;
}

/** Outside of them, because it outlives the programs: what was loaded and set before we came. In memory, as modules and their parameters are. */
const loadedFile = '/run/pathproof-modules';
const parametersFile = '/run/pathproof-nvme-core';
const parameters = ['io_timeout', 'admin_timeout', 'iopolicy'] as const;
const parametersFolder = '/sys/module/nvme_core/parameters';

export interface Change { what: string; command: string; undo: string }

function modulesOf(role: 'gateway' | 'host'): readonly string[] {
  return role === 'gateway' ? gatewayModules : hostModules;
}

/** Loads the kernel modules of a role; the undo unloads those that were not there before, as far as nobody else has begun to use them. */
export function loadModules(role: 'gateway' | 'host'): Change {
  const modules = modulesOf(role).join(' ');
  return {
    what: `kernel modules ${modules}`,
    command: `for m in ${modules}; do [ -d /sys/module/$(echo $m | tr - _) ] || echo $m >>${loadedFile}; done; modprobe -a ${modules}`,
    undo: `[ ! -e ${loadedFile} ] || { for m in $(tac ${loadedFile}); do modprobe -r $m 2>/dev/null || true; done; rm -f ${loadedFile}; }`,
  };
}

/** The host's program sets parameters of nvme_core that hold for all connections made later. */
export function keepParameters(): Change {
  return {
    what: `parameters of nvme_core (${parameters.join(', ')})`,
    command: `[ -e ${parametersFile} ] || { for p in ${parameters.join(' ')}; do echo "$p $(cat ${parametersFolder}/$p)"; done >${parametersFile}.new && mv ${parametersFile}.new ${parametersFile}; }`,
    undo: `[ ! -e ${parametersFile} ] || { while read -r p v; do [ ! -e ${parametersFolder}/$p ] || echo "$v" >${parametersFolder}/$p; done <${parametersFile}; rm -f ${parametersFile}; }`,
  };
}

/** The program of a gateway that pathproof starts. */
export function gatewayEntry(inventory: Inventory): Exclude<GuestEntry, 'host'> {
  return spdkOf(inventory) === undefined ? 'gateway' : 'spdk-gateway';
}

/** What a program needs of the kernel. SPDK needs nothing of it. */
export function kernelChanges(entry: GuestEntry): Change[] {
  if (entry === 'spdk-gateway') return [];
  return entry === 'host' ? [loadModules('host'), keepParameters()] : [loadModules('gateway')];
}

/** Ends the program of a gateway, waits until its supervisor has taken down what it had in the kernel, and removes our folders. */
export function removeGateway(name: string): string {
  const { pid, clean } = memberFiles(name);
  const lock = clean.replace(/clean$/, 'lock');
  return [
    `running() { [ -e ${pid} ] && p=$(cat ${pid}) && [ -d /proc/$p ]; }`,
    `gone() { ! running && { [ ! -e ${lock} ] || [ -e ${clean} ]; }; }`,
    // One that was being started when its run was killed shows its pid only later.
    'for i in $(seq 0 1200); do gone && break; if running && [ $((i % 100)) = 0 ]; then if [ $i -lt 300 ]; then kill -TERM $p; else kill -KILL $p; fi; fi; sleep 0.1; done',
    `gone || { echo "what ${name} exported is still there: see ${memberFiles(name).log}" >&2; exit 1; }`,
    removeFiles(name),
  ].join('\n');
}

/** The pid of the host's program, on its own output; the pattern does not match the shell that looks. */
const hostPid = `pgrep -f '${guestFolder.split('/').pop()!}/[h]ost.mjs'`;

/** Ends the program of a host, gives up its connections to our subsystem, and removes our folders. */
export function removeHost(name: string, nqn: string): string {
  return [
    `p=$(${hostPid}) && kill -TERM $p; for i in $(seq 300); do ${hostPid} >/dev/null || break; sleep 0.1; done; p=$(${hostPid}) && kill -KILL $p`,
    `nvme disconnect -n ${shellQuote(nqn)} >/dev/null 2>&1 || true`,
    `! grep -qxF ${shellQuote(nqn)} /sys/class/nvme/*/subsysnqn 2>/dev/null || { echo "still connected to ${nqn}" >&2; exit 1; }`,
    `rm -rf /var/tmp/pathproof-fio-* && ${removeFiles(name)}`,
  ].join('\n');
}

/** ceph(1) as the administrator of the cluster. */
export function cephCommand({ cluster }: Inventory, words: string): string {
  return `ceph --name ${cluster.entity}${cluster.keyring === null ? '' : ` --keyring ${cluster.keyring}`} ${words}`;
}

/** Makes a gateway known to NVMeofGwMon. Only where the monitor does not have it yet: what was there is not ours to remove. */
export function createGateway(inventory: Inventory, name: string): Change {
  const { pool, group } = inventory.cluster;
  return {
    what: `gateway ${name} at the monitor`,
    command: cephCommand(inventory, `nvme-gw create ${name} ${pool} ${group}`),
    undo: cephCommand(inventory, `nvme-gw delete ${name} ${pool} ${group}`),
  };
}

/** Metadata of an image (`rbd image-meta`): pathproof has found it empty, or filled with its own blocks, and has written to it since. It stays. */
export const scratchMark = 'pathproof.scratch';

/** Notes that what is in an image from now on is pathproof's. */
export function markScratch(inventory: Inventory, image: string): string {
  return `${rbdCommand(inventory)} image-meta set ${inventory.cluster.pool}/${image} ${scratchMark} ${inventory.name}`;
}

/** The part of each namespace that the stamp workload uses, bytes from its start. */
export function stampBytes({ shape, workload }: Pick<Plan, 'shape' | 'workload'>): number {
  return workload.workingSetBlocks * shape.blockSize;
}

/**
 * Zeroes the first `bytes` of a namespace, as the host sees it. What an earlier run left there would be a block of another run to
 * the integrity checker, which a lab must never show. BLKZEROOUT gives zeroes or an error; a device that somebody has mounted is refused.
 */
export function zeroNamespace(uuid: string, bytes: number): string {
  return [
    ...findDevice(uuid),
    `blkdiscard --zeroout --offset 0 --length ${bytes} $d`,
  ].join('\n');
}

/** Sets $d to the block device of a namespace; ends the shell where there is none. */
export function findDevice(uuid: string): string[] {
  return [
    `d=; for s in /sys/block/nvme*; do [ "$(cat $s/uuid 2>/dev/null)" = ${uuid} ] && [ -b /dev/\${s##*/} ] && d=/dev/\${s##*/}; done`,
    `[ -n "$d" ] || { echo "no block device has the uuid ${uuid}" >&2; exit 1; }`,
  ];
}

/** Prints the administrator's keyring; only for a cluster that has one. */
export function keyringCommand({ cluster }: Inventory): string {
  return `cat ${cluster.keyring ?? ''}`;
}

/** The words by which rbd(8), and rados(8) too, are the administrator. */
export function rbdCommand({ cluster }: Inventory, program: 'rbd' | 'rados' = 'rbd'): string {
  return `${program} --name ${cluster.entity}${cluster.keyring === null ? '' : ` --keyring ${cluster.keyring}`}`;
}

/** No cut lasts longer than this even when nobody is left to heal it, seconds: the host itself ends it. */
export const deadManS = 900;

interface Cut { host: string; peers: readonly string[]; /** Only this port of TCP at the peers; undefined: all traffic. */ port?: number }

/** Where a link is cut, and whom it leads to. Throws for a link that the inventory has not. */
function cutOf(inventory: Inventory, link: string): Cut {
  const [, gateway, what] = /^(gw\d+)-(store|monitor)$/.exec(link) ?? [];
  if (gateway !== undefined) return { host: hostNamed(inventory, gateway).name, peers: what === 'store' ? inventory.cluster.osds : [...new Set(inventory.cluster.mons.map((mon) => mon.replace(/:\d+$/, '')))] };
  const [, host, target] = /^(host\d+)-(gw\d+)$/.exec(link) ?? [];
  if (host === undefined) throw new Error(`no link is named ${link}`);
  return { host: hostNamed(inventory, host).name, peers: hostNamed(inventory, target!).fabrics!, port: inventory.gateways.port };
}

/** Of its own per link, so that each can be taken away alone, and nothing else with it. */
export function tableOf(link: string): string {
  return `pathproof_${link.replaceAll('-', '_')}`;
}

function rulesText(inventory: Inventory, link: string, direction: 'both' | 'forward' | 'backward'): string {
  const { peers, port } = cutOf(inventory, link);
  const rule = (end: 'daddr' | 'saddr'): string[] => [['ip', peers.filter((peer) => !peer.includes(':'))] as const, ['ip6', peers.filter((peer) => peer.includes(':'))] as const]
    .filter(([, own]) => own.length > 0)
    .map(([family, own]) => `    ${family} ${end} { ${own.join(', ')} } ${port === undefined ? '' : `tcp ${end === 'daddr' ? 'dport' : 'sport'} ${port} `}counter drop`);
  const chain = (name: string, hook: string, port22: string, rules: string[]): string[] => [`  chain ${name} {`, `    type filter hook ${hook} priority -300; policy accept;`, `    tcp ${port22} 22 accept`, ...rules, '  }'];
  return [
    `table inet ${tableOf(link)} {`,
    // The harness, or the host that it jumps over, may be one of the peers: SSH stays.
    ...(direction === 'backward' ? [] : chain('out', 'output', 'sport', rule('daddr'))),
    ...(direction === 'forward' ? [] : chain('in', 'input', 'dport', rule('saddr'))),
    '}',
  ].join('\n');
}

/**
 * Drops what passes a link, by a table of our own (nft(8)). Before that a timer is set on the host itself, which takes
 * the table away after `deadManS` even if nobody can get to the host any more.
 */
export function cutLink(inventory: Inventory, link: string, direction: 'both' | 'forward' | 'backward'): Change & { host: string } {
  const { host } = cutOf(inventory, link);
  const table = tableOf(link);
  const remove = `nft delete table inet ${table} 2>/dev/null || true`;
  const undo = [
    `${remove}; systemctl stop ${table}.timer 2>/dev/null || true`,
    `if [ -e /run/${table}.pid ]; then pkill -P "$(cat /run/${table}.pid)" 2>/dev/null; kill "$(cat /run/${table}.pid)" 2>/dev/null; rm -f /run/${table}.pid; fi`,
    `! nft list table inet ${table} >/dev/null 2>&1 || { echo "nft table ${table} is still there" >&2; exit 1; }`,
  ].join('\n');
  const command = [
    'set -e',
    'if [ -d /run/systemd/system ] && command -v systemd-run >/dev/null; then',
    `  systemd-run --quiet --collect --unit=${table} --on-active=${deadManS} nft delete table inet ${table}`,
    'else',
    `  setsid sh -c 'echo $$ >/run/${table}.pid; sleep ${deadManS}; ${remove}; rm -f /run/${table}.pid' </dev/null >/dev/null 2>&1 &`,
    'fi',
    `nft -f - <<'PATHPROOF_END'`,
    rulesText(inventory, link, direction),
    'PATHPROOF_END',
  ].join('\n');
  return { host, what: `link ${link} cut (${direction})`, command, undo };
}

/** The counters of a link's table, as JSON of nft. */
export function linkCounters(link: string): string {
  return `nft -j list table inet ${tableOf(link)}`;
}

/** All links that a fault at this gateway may cut, by what it needs (fault/drivers.ts). */
export function linksOf(plan: Pick<Plan, 'topology'>, fault: string, target: string): string[] {
  switch (fault) {
    case 'partition.store': return [`${target}-store`];
    case 'partition.monitor': return [`${target}-monitor`];
    case 'partition.store-and-monitor': return [`${target}-store`, `${target}-monitor`];
    case 'partition.host': return plan.topology.hosts.map(({ name }) => `${name}-${target}`);
    default: return [];
  }
}
