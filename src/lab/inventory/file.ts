import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { messageOf, usageError } from '../../util/errors.js';
import { parseYamlFile, type YamlMistake } from '../../util/yaml-file.js';

/**
 * The file that says what hosts there are, what they are for, and what may be done to them (docs/INVENTORY.md). Nothing
 * that it does not allow is done; what it leaves out is not known, and not guessed.
 */

export const permissions = ['kill', 'powerOff', 'network', 'cephadm'] as const;
export type Permission = (typeof permissions)[number];
export const gatewayKinds = ['nvmet', 'ceph-nvmeof', 'spdk'] as const;
export const hostRoles = ['ceph', 'gateway', 'host'] as const;
/** Timers of gateways that are there already, and of their monitors (plan/timers.ts). */
export const existingTimers = ['beaconMs', 'beaconGraceMs', 'monTickMs', 'skipFailoversMs', 'deleteSuppressMs', 'failbackMs', 'blocklistWaitMs', 'disconnectPanicMs', 'anattMs'] as const;

/** Names go into file names, unix sockets and shell commands; the rest of a plan speaks of gwN and hostN. */
const nodeName = z.string().regex(/^[a-z][a-z0-9-]{0,15}$/, 'a name has up to 16 lower-case letters, digits and hyphens, and begins with a letter');
/** What ssh(1) takes as a destination; an option is none. */
const destination = z.string().regex(/^(?!-)[\w.@:/%[\]-]+$/, 'an OpenSSH destination is wanted: an alias of ssh_config, a host, or user@host');
const address = z.union([z.ipv4(), z.ipv6()], 'an IP address is wanted');
const endpoint = z.string().regex(/^\d+\.\d+\.\d+\.\d+:\d{1,5}$/, 'a monitor is ADDRESS:PORT of msgr2, such as 192.0.2.11:3300');
/** Names of Ceph's that go into shell commands and sysfs files. */
const cephName = z.string().regex(/^[\w.-]{1,64}$/, 'letters, digits, dots, hyphens and underscores');
const nqn = z.string().regex(/^nqn\.\d{4}-\d{2}\.[\x21-\x7e]{1,200}$/, 'an NVMe qualified name is wanted, such as nqn.2016-06.io.spdk:cnode1').refine((text) => !/['"\\]/.test(text), 'no quotes');
const command = z.string().min(1).max(1_000);
const path = z.string().regex(/^\/[\w./-]+$/, 'an absolute path without blanks is wanted');

const hostSchema = z.strictObject({
  ssh: destination,
  roles: z.array(z.enum(hostRoles)).min(1),
  /** Of a gateway: where it listens, one address per network between hosts and gateways. Of anything else: not needed. */
  fabrics: z.array(address).min(1).max(4).optional(),
  /** Of a gateway that cephadm has deployed: cephadm's name of the host, where it is another. */
  cephadm: cephName.optional(),
  /** Of a host: the NQN by which it may use a subsystem that is there already. Default: one of pathproof's. */
  nqn: nqn.optional(),
  /** Commands that run on this machine, the harness's, e.g. ipmitool's. `status` ends with 0 while the power is on. */
  power: z.strictObject({ off: command, on: command, status: command }).optional(),
});

const spdkSchema = z.strictObject({
  target: path.default('/usr/local/bin/nvmf_tgt'),
  arguments: z.array(z.string().regex(/^[\w=,.:/@()[\]-]+$/, 'an option without blanks and quotes')).default(['--cpumask', '0x1']),
});
export type SpdkProgram = z.output<typeof spdkSchema>;

export const inventorySchema = z.strictObject({
  format: z.literal(1),
  /** Of the whole set; part of the names that the hosts see. */
  name: z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'up to 32 lower-case letters, digits and hyphens, beginning with a letter'),
  /** Another file than the user's own ssh_config; relative to this file. */
  sshConfig: z.string().min(1).optional(),
  hosts: z.record(nodeName, hostSchema),
  cluster: z.strictObject({
    /** The host on which the administrator's keyring lies. */
    admin: z.string(),
    fsid: z.uuid(),
    mons: z.array(endpoint).min(1),
    /** Addresses of the OSDs, for `partition.store`. */
    osds: z.array(address).default([]),
    entity: z.string().regex(/^client\.[\w.-]+$/, 'an entity such as client.admin').default('client.admin'),
    /** null: the cluster authenticates nobody (auth none). */
    keyring: path.nullable().default('/etc/ceph/ceph.client.admin.keyring'),
    pool: cephName,
    group: cephName,
  }),
  gateways: z.strictObject({
    kind: z.enum(gatewayKinds),
    port: z.int().min(1).max(65_535).default(4_420),
    /** Of each gateway at the cluster; {name} stands for its name here. */
    entity: z.string().regex(/^client\.[\w.{}-]+$/, 'an entity such as client.nvmeof.{name}').default('client.nvmeof.{name}'),
    /** kind spdk: its target on each gateway, and the target's own options (cores, memory). */
    spdk: spdkSchema.optional(),
    /** kind ceph-nvmeof: cephadm's service; default nvmeof.POOL.GROUP. */
    service: cephName.optional(),
    /** kind ceph-nvmeof: the subsystem, for pathproof alone, that serves the namespaces. */
    subsystem: nqn.optional(),
    /** kind ceph-nvmeof: what the gateways and their cluster have set otherwise than ceph-nvmeof and Ceph do, milliseconds. */
    timers: z.strictObject(Object.fromEntries(existingTimers.map((name) => [name, z.int().min(1).optional()])) as Record<(typeof existingTimers)[number], z.ZodOptional<z.ZodInt>>).default({}),
  }),
  /** What may be done to the hosts, beside what every run needs. Default: nothing. */
  allow: z.array(z.enum(permissions)).default([]),
  namespaces: z.array(z.strictObject({
    image: cephName,
    mebibytes: z.int().min(1).max(1_048_576),
    /** Its owner says that all of it may be overwritten. A run looks, too. */
    scratch: z.boolean().default(false),
    /** kind ceph-nvmeof: as whom hosts know it. NGUID: the UUID without hyphens, unless it is named. */
    nsid: z.int().min(1).max(1_024).optional(),
    uuid: z.uuid().optional(),
    nguid: z.string().regex(/^[0-9a-f]{32}$/, '32 hexadecimal digits').optional(),
    anaGroup: z.int().min(1).optional(),
  })).min(1).max(1_024),
  /** Whether the hosts' processors are emulated: then everything may take longer, by a factor that a run measures. */
  accel: z.enum(['native', 'kvm', 'tcg']).default('native'),
});

export interface InventoryHost extends z.output<typeof hostSchema> { name: string }
export interface Inventory extends Omit<z.output<typeof inventorySchema>, 'hosts'> {
  /** The file, absolute. */
  file: string;
  /** Of its text: a journal belongs to one inventory, whatever its file is called. */
  sha256: string;
  hosts: readonly InventoryHost[];
}

/** Reads an inventory. Throws a usage error (exit 64) that names file, line and column of each mistake. */
export function loadInventory(file: string): Inventory {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError('BAD_INVENTORY', `cannot read the inventory: ${messageOf(error)}`, 'examples/nightly/inventory.yaml is one to begin with.');
  }
  return parseInventory(text, file);
}

export function parseInventory(text: string, file: string): Inventory {
  const data = parseYamlFile(text, file, { schema: inventorySchema, code: 'BAD_INVENTORY', hint: 'docs/INVENTORY.md describes the file.', further: mistakesIn });
  const { hosts, sshConfig, ...rest } = data;
  const named = Object.entries(hosts).map(([name, host]) => ({ name, ...host }));
  return {
    ...rest, file: resolve(file), sha256: createHash('sha256').update(text).digest('hex'),
    ...(sshConfig === undefined ? {} : { sshConfig: resolve(dirname(file), sshConfig) }),
    hosts: named,
  };
}

/** The hosts with a role, gateways and hosts in the order of their numbers. */
export function withRole(inventory: Inventory, role: (typeof hostRoles)[number]): InventoryHost[] {
  const numberOf = ({ name }: InventoryHost): number => Number(/\d+$/.exec(name)?.[0] ?? 0);
  return inventory.hosts.filter(({ roles }) => roles.includes(role)).sort((a, b) => numberOf(a) - numberOf(b));
}

export function hostNamed(inventory: Inventory, name: string): InventoryHost {
  const host = inventory.hosts.find((each) => each.name === name);
  if (host === undefined) throw new Error(`the inventory has no host ${name}`);
  return host;
}

export function allows(inventory: Inventory, permission: Permission): boolean {
  return inventory.allow.includes(permission);
}

/** Gateways that are there already, and serve a subsystem that somebody else has made. */
export function hasExistingGateways({ gateways }: Pick<Inventory, 'gateways'>): boolean {
  return gateways.kind === 'ceph-nvmeof';
}

/** SPDK's target as a gateway starts it, where gateways are of the kind spdk. */
export function spdkOf({ gateways }: Pick<Inventory, 'gateways'>): SpdkProgram | undefined {
  return gateways.kind === 'spdk' ? (gateways.spdk ?? spdkSchema.parse({})) : undefined;
}

type Say = (at: readonly PropertyKey[], what: string) => void;

/** What only gateways that are there already have, and what they have to have. */
function existingMistakes({ gateways, namespaces, hosts }: z.output<typeof inventorySchema>, say: Say): void {
  if (!hasExistingGateways({ gateways })) {
    for (const field of ['service', 'subsystem'] as const) if (gateways[field] !== undefined) say(['gateways', field], `only gateways of the kind ceph-nvmeof have it`);
    if (Object.keys(gateways.timers).length > 0) say(['gateways', 'timers'], 'only gateways of the kind ceph-nvmeof have timers of their own');
    namespaces.forEach((namespace, index) => {
      for (const field of ['nsid', 'uuid', 'nguid', 'anaGroup'] as const) if (namespace[field] !== undefined) say(['namespaces', index, field], 'pathproof names the namespaces of gateways that it starts itself');
    });
    return;
  }
  if (gateways.subsystem === undefined) say(['gateways'], 'gateways of the kind ceph-nvmeof need subsystem, the NQN of one for pathproof alone');
  const count = Object.values(hosts).filter(({ roles }) => roles.includes('gateway')).length;
  namespaces.forEach((namespace, index) => {
    const missing = (['nsid', 'uuid', 'anaGroup'] as const).filter((field) => namespace[field] === undefined);
    if (missing.length > 0) say(['namespaces', index], `${namespace.image} needs ${missing.join(', ')}: \`ceph nvmeof namespace list\` shows them`);
    if ((namespace.anaGroup ?? 1) > count) say(['namespaces', index, 'anaGroup'], `there are ${count} gateways, and gwN has ANA group N`);
    for (const field of ['nsid', 'uuid'] as const) {
      if (namespace[field] !== undefined && namespaces.findIndex((other) => other[field] === namespace[field]) !== index) say(['namespaces', index, field], `${namespace[field]} is named twice`);
    }
  });
  // A target's ANA log has only groups with namespaces: of another group nobody could say who has it.
  for (let group = 1; group <= count; group++) if (!namespaces.some(({ anaGroup }) => anaGroup === group)) say(['namespaces'], `none is in ANA group ${group}, gw${group}'s`);
}

/** What is added to SPDK's options, or would undo it. */
const spdkReserved = /^(-r|--rpc-socket|-u|--no-pci|-c|--config|--json|--no-rpc-server|--wait-for-rpc|-e|-A|--pci-allowed|-B|--pci-blocked)(=|$)/;

function spdkMistakes({ gateways }: z.output<typeof inventorySchema>, say: Say): void {
  if (gateways.kind !== 'spdk' && gateways.spdk !== undefined) say(['gateways', 'spdk'], 'only gateways of the kind spdk have it');
  gateways.spdk?.arguments.forEach((each, index) => {
    if (spdkReserved.test(each)) say(['gateways', 'spdk', 'arguments', index], `${each}: pathproof says by itself how SPDK is reached, and that no PCI device is touched`);
  });
}

function mistakesIn(data: z.output<typeof inventorySchema>): YamlMistake[] {
  const mistakes: YamlMistake[] = [];
  const say: Say = (at, what) => void mistakes.push({ path: at, text: `${at.map(String).join('.')}: ${what}` });
  existingMistakes(data, say);
  spdkMistakes(data, say);
  const entries = Object.entries(data.hosts);
  for (const [role, prefix] of [['gateway', 'gw'], ['host', 'host']] as const) {
    const own = entries.filter(([, { roles }]) => roles.includes(role));
    if (own.length === 0) say(['hosts'], `none has the role ${role}`);
    own.forEach(([name], index) => {
      if (name !== `${prefix}${index + 1}`) say(['hosts', name], `the hosts with the role ${role} are named ${prefix}1, ${prefix}2 … in this order: this is ${prefix}${index + 1}`);
    });
  }
  const gateways = entries.filter(([, { roles }]) => roles.includes('gateway'));
  for (const [name, { roles, fabrics, power }] of gateways) {
    if (fabrics === undefined) say(['hosts', name], 'a gateway needs fabrics, the addresses at which it listens');
    else if (fabrics.length !== (gateways[0]![1].fabrics?.length ?? fabrics.length)) say(['hosts', name, 'fabrics'], 'every gateway has as many addresses as the first one');
    if (roles.includes('host')) say(['hosts', name, 'roles'], 'a host that is a gateway, too, would end with it: two machines are wanted');
    if (data.allow.includes('powerOff') && power === undefined) say(['hosts', name], 'allow has powerOff: the gateway needs power commands (off, on, status)');
  }
  const used = new Map<string, string>();
  for (const [name, { fabrics = [] }] of entries) {
    fabrics.forEach((each, index) => {
      const other = used.get(each);
      if (other !== undefined) say(['hosts', name, 'fabrics', index], `${each} is ${other}'s`);
      used.set(each, name);
    });
  }
  if (data.hosts[data.cluster.admin] === undefined) say(['cluster', 'admin'], `there is no host ${data.cluster.admin}`);
  data.namespaces.forEach(({ image, scratch }, index) => {
    if (data.namespaces.findIndex((other) => other.image === image) !== index) say(['namespaces', index, 'image'], `${image} is named twice`);
    if (!scratch) say(['namespaces', index], `${image} is not marked scratch: true, so nothing may be written to it`);
  });
  return mistakes;
}
