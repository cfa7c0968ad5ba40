import { sleep } from '../../util/clock.js';
import { messageOf, PathproofError } from '../../util/errors.js';
import type { InventoryHost, Inventory } from './file.js';
import { hasExistingGateways, hostNamed, withRole } from './file.js';
import { ipOf } from './cephadm/store-clients.js';
import { factsScript, parseFacts, problemsOf, type HostFacts } from './facts.js';
import { routeOf, type HostConnections } from './hosts.js';
import { imageScript, judgeScratch, needsSamples, parseImage, parseSamples, sampleScript, type ImageFacts, type ScratchFinding } from './scratch.js';

/** Hosts whose wall clocks are further apart than this have no time service; pathproof measures clocks by itself, Ceph does not. */
const clockOffsetMaxMs = 1_000;
const factsMaxMs = 120_000;
const imageMaxMs = 300_000;
/** OSDs keep the watch of a client that was killed for 30 s (osd_client_watch_timeout). */
const watchMaxDefaultMs = 40_000;
const watchLookMs = 2_000;

export interface HostFinding {
  host: string;
  facts: HostFacts | undefined;
  /** Of its wall clock against the harness's, milliseconds; the round trip that it was measured in. */
  clock: { offsetMs: number; errMs: number } | undefined;
  problems: string[];
}

/** What `pathproof inventory check` found. Ready: a run may begin. */
export interface InventoryCheck { name: string; file: string; ready: boolean; hosts: HostFinding[]; namespaces: ScratchFinding[] }

export interface CheckOptions {
  /** Called when something is waited for. */
  say?: (text: string) => void;
  /** How long clients of gateways that were killed may be known to the cluster, milliseconds. Default: as long as its OSDs keep them. */
  watchMaxMs?: number;
}

/** Looks at every host and every image; changes nothing. What cannot be reached or read is a problem of that host or image, not an error. */
export async function checkInventory(inventory: Inventory, connections: Pick<HostConnections, 'run'>, { say, watchMaxMs = watchMaxDefaultMs }: CheckOptions = {}): Promise<InventoryCheck> {
  const hosts = await Promise.all(inventory.hosts.map((host) => checkHost(inventory, host, connections)));
  const namespaces: ScratchFinding[] = [];
  // One after the other: each is a few programs that start on the one host.
  const atGateways = addressesOf(inventory, hosts);
  const none: ReadonlyMap<string, string> = new Map();
  const open = hasExistingGateways(inventory) ? { byRight: atGateways, leaving: none } : { byRight: none, leaving: atGateways };
  const waits = { ...open, deadline: Date.now() + watchMaxMs, ...(say === undefined ? {} : { say }) };
  for (const wanted of inventory.namespaces) namespaces.push(await checkImage(inventory, wanted, connections, waits));
  return { name: inventory.name, file: inventory.file, hosts, namespaces, ready: hosts.every(({ problems }) => problems.length === 0) && namespaces.every(({ problem }) => problem === undefined) };
}

async function checkHost(inventory: Inventory, host: InventoryHost, connections: Pick<HostConnections, 'run'>): Promise<HostFinding> {
  const route = routeOf(inventory, host);
  try {
    const facts = parseFacts((await connections.run(host.name, route, factsScript(inventory), { timeoutMs: factsMaxMs })).stdout);
    const problems = problemsOf(inventory, host, facts);
    const clock = await clockOffset(connections, host.name, route);
    if (Math.abs(clock.offsetMs) - clock.errMs > clockOffsetMaxMs) problems.push(`its clock is ${clock.offsetMs} ms off the harness's (± ${clock.errMs}): is a time service running?`);
    return { host: host.name, facts, clock, problems };
  } catch (error) {
    return { host: host.name, facts: undefined, clock: undefined, problems: [explain(error)] };
  }
}

/** Of two looks the faster one; the first may have had to open the connection. */
async function clockOffset(connections: Pick<HostConnections, 'run'>, host: string, route: ReturnType<typeof routeOf>): Promise<{ offsetMs: number; errMs: number }> {
  const looks = [];
  for (let i = 0; i < 2; i++) {
    const askedMs = Date.now();
    const { stdout } = await connections.run(host, route, clockCommand);
    const answeredMs = Date.now();
    looks.push({ offsetMs: Math.round(Number(stdout.trim()) - (askedMs + answeredMs) / 2), errMs: Math.ceil((answeredMs - askedMs) / 2) });
  }
  return looks.sort((a, b) => a.errMs - b.errMs)[0]!;
}

export const clockCommand = 'date +%s%3N';

/** IP addresses of the gateways that are there already, and have the images open by right. Key: address, value: the gateway. */
export function gatewayAddresses(inventory: Inventory, hosts: readonly HostFinding[]): Map<string, string> {
  return hasExistingGateways(inventory) ? addressesOf(inventory, hosts) : new Map<string, string>();
}

function addressesOf(inventory: Inventory, hosts: readonly HostFinding[]): Map<string, string> {
  return new Map(withRole(inventory, 'gateway').flatMap(({ name }) => (hosts.find(({ host }) => host === name)?.facts?.addresses ?? []).map((address) => [address, name] as const)));
}

interface OpenBy {
  /** Addresses from which the image may be open. */
  byRight: ReadonlyMap<string, string>;
  /** Addresses at which nobody runs who could have it open, and from which it is open no longer, once the OSDs have found that out. */
  leaving: ReadonlyMap<string, string>;
  /** Until then it is waited for, milliseconds since 1970. */
  deadline: number;
  say?: (text: string) => void;
}

async function checkImage(inventory: Inventory, wanted: { image: string; mebibytes: number }, connections: Pick<HostConnections, 'run'>, { byRight, leaving, deadline, say }: OpenBy): Promise<ScratchFinding> {
  const admin = hostNamed(inventory, inventory.cluster.admin);
  const ask = async (script: string): Promise<string> => (await connections.run(admin.name, routeOf(inventory, admin), script, { timeoutMs: imageMaxMs })).stdout;
  try {
    const look = async (): Promise<ImageFacts | undefined> => {
      const all = parseImage(await ask(imageScript(inventory, wanted.image)));
      return all === undefined ? undefined : { ...all, watchers: all.watchers.filter((address) => !byRight.has(ipOf(address))) };
    };
    let facts = await look();
    for (let told = false; facts !== undefined && facts.watchers.length > 0 && facts.watchers.every((address) => leaving.has(ipOf(address))) && Date.now() < deadline; told = true) {
      if (!told) say?.(`image ${wanted.image}: a gateway that was killed still counts as having it open (${facts.watchers.join(', ')}); it is waited for`);
      await sleep(watchLookMs);
      facts = await look();
    }
    return judgeScratch(wanted, facts, needsSamples(facts) ? parseSamples(await ask(sampleScript(inventory, facts))) : undefined);
  } catch (error) {
    return { image: wanted.image, proof: undefined, problem: `it could not be looked at: ${explain(error)}` };
  }
}

function explain(error: unknown): string {
  return error instanceof PathproofError && error.details.length > 0 ? `${error.message} (${error.details.filter((line) => line.trim() !== '').at(-1) ?? ''})` : messageOf(error);
}
