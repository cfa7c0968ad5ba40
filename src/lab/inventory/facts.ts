import { gatewayModules } from '../qemu/provision/gateway.js';
import { hostModules } from '../qemu/provision/host.js';
import type { Inventory, InventoryHost } from './file.js';
import { allows, hasExistingGateways, spdkOf } from './file.js';
import { serviceOf } from './cephadm/commands.js';

/** What a host says of itself. Versions are null where the program is missing. */
export interface HostFacts {
  uid: number;
  os: string;
  kernel: string;
  /** Its wall clock, milliseconds since 1970. */
  timeMs: number;
  node: string | null;
  nvme: string | null;
  fio: string | null;
  nft: string | null;
  ceph: string | null;
  /** SPDK's target, where the gateways are of that kind. */
  spdk: string | null;
  /** Whether the kernel chooses between paths itself (nvme_core.multipath). null: the module is not loaded. */
  multipath: string | null;
  /** Kernel modules that are neither there nor built in. */
  missingModules: string[];
  /** Programs that ours call there, and that are not there. */
  missingTools: string[];
  /** What the kernel's target has, and RBD images that are mapped. */
  nvmetSubsystems: string[];
  rbdDevices: string[];
  /** Programs of pathproof that run. */
  running: string[];
  /** The host's own IP addresses. */
  addresses: string[];
  /** Gateways that cephadm has there, `FSID/DAEMON`. */
  gateways: string[];
}

/** Programs that the commands of a run call, by role. */
const tools = { gateway: ['dmsetup', 'flock', 'setsid', 'ping', 'modprobe'], spdkGateway: ['setpriv', 'flock', 'setsid', 'ping', 'pgrep', 'pkill'], existingGateway: ['python3', 'podman', 'systemctl', 'ping'], host: ['blkdiscard', 'pgrep', 'setsid', 'modprobe'], ceph: [] } as const;

const modules = [...new Set([...gatewayModules, ...hostModules])];

/** Looks and changes nothing. Lines of `key=value`. */
export function factsScript(inventory: Inventory): string {
  const spdk = spdkOf(inventory);
  return [...looks, ...(spdk === undefined ? [] : [`say spdk "$(${spdk.target} --version 2>/dev/null)"`]), 'true'].join('\n');
}

const looks = [
  'say() { echo "$1=$2"; }',
  'say uid "$(id -u)"; say os "$(. /etc/os-release 2>/dev/null; echo "$PRETTY_NAME")"; say kernel "$(uname -r)"; say timeMs "$(date +%s%3N)"',
  'say node "$(node --version 2>/dev/null)"; say nvme "$(nvme version 2>/dev/null | head -n 1)"; say fio "$(fio --version 2>/dev/null)"; say nft "$(nft --version 2>/dev/null)"; say ceph "$(rbd --version 2>/dev/null)"',
  'say multipath "$(cat /sys/module/nvme_core/parameters/multipath 2>/dev/null)"',
  `for m in ${modules.join(' ')}; do [ -d /sys/module/$(echo $m | tr - _) ] || modinfo -n $m >/dev/null 2>&1 || say missingModules $m; done`,
  `for t in ${[...new Set(Object.values(tools).flat())].join(' ')}; do command -v $t >/dev/null || say missingTools $t; done`,
  'for d in /sys/kernel/config/nvmet/subsystems/*; do [ ! -d "$d" ] || say nvmetSubsystems "${d##*/}"; done',
  'for a in $(hostname -I 2>/dev/null); do say addresses $a; done; for d in /var/lib/ceph/*/nvmeof.*; do [ ! -d "$d" ] || say gateways "${d#/var/lib/ceph/}"; done',
  'for d in /sys/bus/rbd/devices/*; do [ ! -d "$d" ] || say rbdDevices "$(cat $d/pool)/$(cat $d/name)"; done',
  'for f in /run/pathproof/*.pid; do [ ! -e "$f" ] || { p=$(cat $f); [ ! -d /proc/$p ] || say running "${f##*/} $p"; }; done',
  "for p in $(pgrep -f 'pathproof/[h]ost.mjs'); do say running \"host $p\"; done",
];

export function parseFacts(text: string): HostFacts {
  const values = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const at = line.indexOf('=');
    if (at > 0) values.set(line.slice(0, at), [...(values.get(line.slice(0, at)) ?? []), line.slice(at + 1).trim()]);
  }
  const one = (key: string): string => values.get(key)?.[0] ?? '';
  const version = (key: string): string | null => (one(key) === '' ? null : one(key));
  const several = (key: string): string[] => values.get(key) ?? [];
  return {
    uid: Number(one('uid') === '' ? Number.NaN : one('uid')), os: one('os'), kernel: one('kernel'), timeMs: Number(one('timeMs')), node: version('node'), nvme: version('nvme'), fio: version('fio'), nft: version('nft'), ceph: version('ceph'), spdk: version('spdk'),
    multipath: version('multipath'), missingModules: several('missingModules'), missingTools: several('missingTools'), nvmetSubsystems: several('nvmetSubsystems'), rbdDevices: several('rbdDevices'), running: several('running'),
    addresses: several('addresses'), gateways: several('gateways'),
  };
}

const nodeMajorMin = 20;

/** What speaks against using this host for its roles, in words; empty: nothing. */
export function problemsOf(inventory: Inventory, { roles, name }: InventoryHost, facts: HostFacts): string[] {
  const problems: string[] = [];
  const lacks = (what: string): void => void problems.push(`${what} is missing`);
  if (facts.uid !== 0) problems.push('the login is not root: programs there need root, and their sockets can be reached by root only');
  const existing = roles.includes('gateway') && hasExistingGateways(inventory);
  const started = roles.includes('gateway') && !existing;
  const spdk = spdkOf(inventory);
  const needsNode = started || roles.includes('host');
  if (needsNode) {
    const major = Number(/^v(\d+)\./.exec(facts.node ?? '')?.[1] ?? Number.NaN);
    if (facts.node === null) lacks('node');
    else if (!(major >= nodeMajorMin)) problems.push(`node ${facts.node} is too old: ${nodeMajorMin} or newer is wanted`);
    if (facts.running.length > 0) problems.push(`a program of pathproof runs already (${facts.running.join(', ')}): \`pathproof lab heal\`, or another harness uses the host`);
  }
  const gatewayTools = existing ? tools.existingGateway : spdk === undefined ? tools.gateway : tools.spdkGateway;
  for (const tool of new Set(roles.flatMap((role): readonly string[] => (role === 'gateway' ? gatewayTools : tools[role])))) if (facts.missingTools.includes(tool)) lacks(tool);
  const missing = (wanted: readonly string[]): string[] => wanted.filter((each) => facts.missingModules.includes(each));
  if (existing) {
    const own = facts.gateways.filter((each) => each.startsWith(`${inventory.cluster.fsid}/${serviceOf(inventory)}.`));
    if (own.length !== 1) problems.push(`cephadm has ${own.length === 0 ? 'no gateway' : `${own.length} gateways`} of ${serviceOf(inventory)} there${facts.gateways.length === 0 ? '' : ` (but ${facts.gateways.join(', ')})`}`);
  }
  if (started && spdk !== undefined && facts.spdk === null) problems.push(`SPDK's target ${spdk.target} does not run there (gateways.spdk.target names it)`);
  if (started && spdk === undefined) {
    for (const each of missing(gatewayModules)) lacks(`the kernel module ${each}`);
    // Our gateway takes down all that it finds of these when it ends.
    if (facts.nvmetSubsystems.length > 0) problems.push(`the kernel's target exports ${facts.nvmetSubsystems.join(', ')} already: ${name} has to be for pathproof alone`);
    if (facts.rbdDevices.length > 0) problems.push(`RBD images are mapped (${facts.rbdDevices.join(', ')}): ${name} has to be for pathproof alone`);
  }
  if (roles.includes('host')) {
    if (facts.nvme === null) lacks('nvme-cli');
    for (const each of missing(hostModules)) lacks(`the kernel module ${each}`);
    if (facts.multipath !== null && facts.multipath !== 'Y') problems.push('the kernel does not choose between paths (nvme_core.multipath is off)');
  }
  if ((needsNode || existing) && allows(inventory, 'network') && facts.nft === null) lacks('nft, which allow: [network] needs,');
  if (name === inventory.cluster.admin && facts.ceph === null) lacks('rbd (ceph-common)');
  return problems;
}
