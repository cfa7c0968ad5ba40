import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { z } from 'zod';
import { productionTimers } from '../../plan/timers.js';
import type { LabTimers } from '../../plan/types.js';
import { messageOf, usageError } from '../../util/errors.js';
import type { ControlListener, ControlNamespace } from '../control.js';

/** Where the file is in the container, and on the host that it is mounted from. */
export const servedFile = '/etc/pathproof/subsystem.json';

const nqn = z.string().regex(/^nqn\.\S+$/, 'an NVMe qualified name begins with "nqn."').max(223);
const address = z.string().refine((text) => isIP(text) !== 0, 'an IP address');
const durationMs = z.int().min(1);

const namespaceSchema = z.strictObject({
  nsid: z.int().min(1),
  uuid: z.uuid(),
  /** Default: the digits of the UUID, as ceph-nvmeof does. */
  nguid: z.string().regex(/^[0-9a-fA-F]{32}$/, '32 hexadecimal digits').optional(),
  /** RBD image in the gateway's pool. */
  image: z.string().regex(/^[^\s/@]+$/, 'the name of an image, without pool and snapshot'),
  /** 1-based: ANA group, which is ceph-nvmeof's load-balancing group. */
  anaGroup: z.int().min(1).max(16),
  /** Bytes of a logical block. Default: 512, as ceph-nvmeof. */
  blockSize: z.union([z.literal(512), z.literal(1_024), z.literal(2_048), z.literal(4_096)]).default(512),
});

/**
 * `/etc/pathproof/subsystem.json`: what the gateways of a group serve. cephadm tells a gateway its cluster and its place, and leaves
 * subsystems to the gateway's own CLI; our gateway reads them from this file, the same one on every host of the group.
 */
const servedSchema = z.strictObject({
  nqn,
  /** Identify Controller SN, 1–20 printable ASCII characters; the same at each gateway of the group. */
  serial: z.string().regex(/^[\x20-\x7e]{1,20}$/, '1 to 20 printable ASCII characters'),
  /** Host NQNs that may connect. Absent: any. */
  hosts: z.array(nqn).optional(),
  namespaces: z.array(namespaceSchema).min(1),
  /** TCP port of the listeners. */
  port: z.int().min(1).max(65_535).default(4_420),
  /** What differs from one host to the next; key: the host's name in cephadm (NODE_NAME). */
  nodes: z.record(z.string().min(1), z.strictObject({
    /** The gateway's name in events. Default: NODE_NAME. */
    name: z.string().min(1).optional(),
    /** Addresses of further fabrics to listen on, beside the one that cephadm tells. */
    addresses: z.array(address).optional(),
  })).default({}),
  /** Milliseconds; those of a production cluster where absent (plan/timers.ts). `scale` is the plan's, for what derives from it. */
  timers: z.strictObject({
    scale: z.number().positive().default(productionTimers.scale),
    beaconMs: durationMs.default(productionTimers.beaconMs),
    connectPanicMs: durationMs.default(productionTimers.connectPanicMs),
    disconnectPanicMs: durationMs.default(productionTimers.disconnectPanicMs),
    anattMs: durationMs.default(productionTimers.anattMs),
  }).prefault({}),
  /** What a fenced gateway does, see GatewayAgentOptions. */
  onFenced: z.enum(['end', 'stay']).default('end'),
  /** What the target agrees to when a host asks. */
  digests: z.strictObject({ header: z.boolean(), data: z.boolean() }).default({ header: true, data: true }),
}).superRefine(({ namespaces }, context) => {
  for (const field of ['nsid', 'uuid', 'image'] as const) {
    const first = new Map<unknown, number>();
    namespaces.forEach((namespace, index) => {
      const value = namespace[field];
      const before = first.get(value);
      if (before !== undefined) context.addIssue({ code: 'custom', path: ['namespaces', index, field], message: `namespaces[${before}] has the same ${field}` });
      else first.set(value, index);
    });
  }
});
export type ServedConfig = z.input<typeof servedSchema>;
export type Served = z.output<typeof servedSchema>;

/** Throws SERVED_CONFIG, with each problem and its place. */
export function parseServed(text: string, file = servedFile): Served {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw usageError('SERVED_CONFIG', `${file}${lineOf(text, messageOf(error))}: ${messageOf(error)}`);
  }
  const result = servedSchema.safeParse(json);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.length === 0 ? '' : `${placeOf(path)}: `}${message}`);
  throw usageError('SERVED_CONFIG', `${file}: ${problems.join('; ')}`);
}

/** Throws SERVED_CONFIG. */
export function readServed(file: string): Served {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw usageError('SERVED_CONFIG', messageOf(error), `the service's spec has to mount it: extra_container_args ["-v", "/etc/pathproof:/etc/pathproof:ro"]`);
  }
  return parseServed(text, file);
}

export function servedNamespaces({ namespaces }: Served): ControlNamespace[] {
  return namespaces.map(({ nsid, uuid, nguid, image, anaGroup }) => ({ nsid, uuid, nguid: nguid ?? uuid.replaceAll('-', ''), image, anaGroup }));
}

/** `addr`: the address that cephadm tells the gateway. */
export function servedListeners({ port, nodes }: Served, nodeName: string, addr: string): ControlListener[] {
  return [...new Set([addr, ...(nodes[nodeName]?.addresses ?? [])])].map((host) => ({ host, port }));
}

export function servedTimers({ timers }: Served): LabTimers {
  return { ...productionTimers, ...timers };
}

/** `:LINE` for the place that V8 names in the message of a syntax error. */
function lineOf(text: string, message: string): string {
  const at = /at position (\d+)/.exec(message)?.[1];
  if (at !== undefined) return `:${text.slice(0, Number(at)).split('\n').length}`;
  return /unexpected end/i.test(message) ? `:${text.split('\n').length}` : '';
}

function placeOf(path: readonly PropertyKey[]): string {
  return path.map((part, index) => (typeof part === 'number' ? `[${part}]` : `${index === 0 ? '' : '.'}${String(part)}`)).join('');
}
