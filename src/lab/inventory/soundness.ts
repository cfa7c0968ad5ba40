import { parseNvmeGwShow } from '../../monitor/show-parser.js';
import type { Plan } from '../../plan/types.js';
import { sleep } from '../../util/clock.js';
import { infraError } from '../../util/errors.js';
import { isClean } from '../qemu/provision/ceph.js';
import { shellQuote, type SshConnection } from '../ssh/connection.js';

/** After an earlier scenario of the same command its last steps may still be on their way. */
const soundMaxMs = 120_000;
const pollMs = 1_000;

/** Prints the state of each controller of our subsystem, and of no other. */
export function controllersCommand(nqn: string): string {
  return `for c in /sys/class/nvme/nvme*; do [ ! -e $c/subsysnqn ] || [ "$(cat $c/subsysnqn)" != ${shellQuote(nqn)} ] || cat $c/state; done`;
}

/** Prints `UUID GROUP` for each path to a namespace of our subsystem. */
export function anaGroupsCommand(nqn: string): string {
  return `for c in /sys/class/nvme/nvme*; do [ ! -e $c/subsysnqn ] || [ "$(cat $c/subsysnqn)" != ${shellQuote(nqn)} ] || for n in $c/nvme*c*n*; do [ ! -e $n/ana_grpid ] || echo "$(cat $n/uuid) $(cat $n/ana_grpid)"; done; done`;
}

export interface SoundnessInput {
  plan: Plan;
  cluster: { must(command: Record<string, unknown>): Promise<string> };
  hosts: readonly { name: string; ssh: Pick<SshConnection, 'exec'> }[];
}

/**
 * Nothing brings hosts back to a snapshot: a run may begin once the monitor has every gateway AVAILABLE and ACTIVE for its
 * own group, each namespace is in its ANA group, all placement groups are active+clean and every controller is live. Resolves to that, in words; an infra error if it does not come.
 */
export async function untilSound(input: SoundnessInput, maxMs = soundMaxMs): Promise<string> {
  const deadline = Date.now() + maxMs;
  for (;;) {
    const problems = await problemsNow(input);
    if (problems.length === 0) return `active+clean, gateways AVAILABLE, ${input.plan.topology.gateways.length * input.plan.platform.fabrics} live controllers at ${input.hosts.map(({ name }) => name).join(', ')}`;
    if (Date.now() >= deadline) throw infraError('INVENTORY_UNSOUND', `a run cannot begin: ${problems[0]!}`, { details: problems });
    await sleep(pollMs);
  }
}

async function problemsNow({ plan, cluster, hosts }: SoundnessInput): Promise<string[]> {
  const { pool, group, gateways, namespaces, nqn } = plan.topology;
  const problems: string[] = [];
  const [status, show, states, groups] = await Promise.all([
    cluster.must({ prefix: 'status', format: 'json' }), cluster.must({ prefix: 'nvme-gw show', pool, group, format: 'json' }),
    Promise.all(hosts.map(async ({ name, ssh }) => ({ name, states: (await ssh.exec(controllersCommand(nqn))).stdout.split('\n').filter((line) => line !== '') }))),
    Promise.all(hosts.map(async ({ name, ssh }) => ({ name, groups: (await ssh.exec(anaGroupsCommand(nqn))).stdout.split('\n').map((line) => line.split(' ')) }))),
  ]);
  if (!isClean(status)) problems.push('not all placement groups are active+clean');
  const shown = parseNvmeGwShow(show).gateways;
  for (const { name, anaGroup } of gateways) {
    const view = shown.find(({ id }) => id === name);
    if (view?.availability !== 'AVAILABLE') problems.push(`the monitor has ${name} ${view?.availability ?? 'not at all'}`);
    else if (view.states[String(anaGroup)] !== 'ACTIVE') problems.push(`the monitor has ${name} ${view.states[String(anaGroup)] ?? 'nothing'} for ANA group ${anaGroup}`);
  }
  for (const { id } of shown) if (!gateways.some(({ name }) => name === id)) problems.push(`the group has another gateway, ${id}: pathproof needs a group for itself`);
  for (const { name, groups: own } of groups) {
    for (const { nsid, uuid, anaGroup } of namespaces) {
      const other = own.find(([of, group]) => of === uuid && group !== String(anaGroup))?.[1];
      if (other !== undefined) problems.push(`${name} has namespace ${nsid} in ANA group ${other} instead of ${anaGroup}`);
    }
  }
  const wanted = gateways.length * plan.platform.fabrics;
  for (const { name, states: own } of states) if (own.length !== wanted || own.some((state) => state !== 'live')) problems.push(`${name} has controllers ${own.join(', ') || '(none)'} instead of ${wanted} live ones`);
  return problems;
}
