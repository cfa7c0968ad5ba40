import { sleep } from '../../../util/clock.js';
import { infraError } from '../../../util/errors.js';
import { parseNvmeGwShow } from '../../../monitor/show-parser.js';
import type { Plan } from '../../../plan/types.js';
import { isClean } from '../provision/ceph.js';
import type { SshConnection } from '../../ssh/connection.js';
import type { ClusterSession } from './cluster.js';

/** The guests' wall clocks go on together from one moment, but each was set by its own boot, to whole seconds. */
const wallClockSpreadMaxMs = 2_000;
/** Guests that have just come back answer slowly, and a slow answer tells little about a clock. */
const wallClockTries = 4;
const wallClockPauseMs = 500;

export interface SoundnessInput {
  plan: Plan;
  cluster: ClusterSession;
  nodes: readonly { name: string; ssh: SshConnection }[];
  hosts: readonly { name: string; ssh: SshConnection }[];
}

/**
 * A lab that comes from a snapshot is used only if it is what was saved: the guests' clocks agree, Ceph has its quorum
 * and all placement groups active+clean, the monitor holds every gateway AVAILABLE and ACTIVE for its own group, and no
 * NVMe controller of a host had to reconnect. Resolves to what was found, in words; an infra error otherwise.
 */
export async function checkSoundness(o: SoundnessInput): Promise<string> {
  const problems: string[] = [];
  const [clocks, status, show, hosts] = await Promise.all([
    agreedWallClocks(o.nodes), o.cluster.must({ prefix: 'status', format: 'json' }),
    o.cluster.must({ prefix: 'nvme-gw show', pool: o.plan.topology.pool, group: o.plan.topology.group, format: 'json' }),
    Promise.all(o.hosts.map(async ({ name, ssh }) => ({ name, ...(await hostConnections(ssh)) }))),
  ]);
  if (clocks.spreadMs > wallClockSpreadMaxMs) problems.push(`the guests' clocks are ${clocks.spreadMs} ms apart (${clocks.text})`);
  if (!isClean(status)) problems.push('not all placement groups are active+clean');
  const mons = (JSON.parse(status) as { quorum_names?: string[] }).quorum_names ?? [];
  if (mons.length !== (o.plan.platform.machines?.mons ?? 1)) problems.push(`the quorum has ${mons.length} monitor(s): ${mons.join(', ')}`);
  for (const { name, anaGroup } of o.plan.topology.gateways) {
    const view = parseNvmeGwShow(show).gateways.find(({ id }) => id === name);
    if (view?.availability !== 'AVAILABLE') problems.push(`the monitor has ${name} ${view?.availability ?? 'not at all'}`);
    if (view?.states[String(anaGroup)] !== 'ACTIVE') problems.push(`the monitor has ${name} ${view?.states[String(anaGroup)] ?? 'nothing'} for ANA group ${anaGroup}`);
  }
  for (const { name, states, reconnects } of hosts) {
    const wanted = o.plan.topology.gateways.length * o.plan.platform.fabrics;
    if (states.filter((state) => state === 'live').length !== wanted) problems.push(`${name} has controllers ${states.join(', ')} instead of ${wanted} live ones`);
    if (reconnects > 0) problems.push(`${name}: ${reconnects} line(s) of the kernel log speak of reconnections`);
  }
  if (problems.length > 0) {
    throw infraError('RESTORE_UNSOUND', `the lab is not as it was when it was saved: ${problems[0]!}`, { details: problems, hint: `\`pathproof lab up --lab ${o.plan.lab} --cold\` starts it anew` });
  }
  return `clocks of ${o.nodes.length} guests within ${clocks.spreadMs} ms, quorum of ${mons.length}, active+clean, gateways AVAILABLE, ${hosts.map((h) => `${h.states.length} live controllers at ${h.name}`).join(', ')}, no reconnection`;
}

/** Asks again while the clocks seem to be apart: the last word counts. */
async function agreedWallClocks(nodes: readonly { name: string; ssh: SshConnection }[]): Promise<{ spreadMs: number; text: string }> {
  for (let attempt = 1; ; attempt++) {
    const clocks = await wallClocks(nodes);
    if (clocks.spreadMs <= wallClockSpreadMaxMs || attempt === wallClockTries) return clocks;
    await sleep(wallClockPauseMs);
  }
}

async function wallClocks(nodes: readonly { name: string; ssh: SshConnection }[]): Promise<{ spreadMs: number; text: string }> {
  const offsets = await Promise.all(nodes.map(async ({ name, ssh }) => {
    const askedMs = Date.now();
    const { stdout } = await ssh.exec('date +%s%3N');
    return { name, ms: Number(stdout) - Math.round((askedMs + Date.now()) / 2) };
  }));
  const values = offsets.map(({ ms }) => ms);
  return { spreadMs: Math.max(...values) - Math.min(...values), text: offsets.map(({ name, ms }) => `${name} ${ms} ms`).join(', ') };
}

async function hostConnections(ssh: SshConnection): Promise<{ states: string[]; reconnects: number }> {
  const { stdout } = await ssh.exec('cat /sys/class/nvme/*/state; echo --; dmesg | grep -cE "starting error recovery|Reconnecting in|Removing ctrl"', { okCodes: [0, 1] });
  const [states = '', count = '0'] = stdout.split('--');
  return { states: states.trim().split('\n').filter((s) => s !== ''), reconnects: Number(count) };
}
