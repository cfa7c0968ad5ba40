import { $ } from 'zx/core';
import type { CephNvmeof } from './node.js';
import type { Step } from './step.js';

/** Where the gRPC service of a gateway listens (ceph-nvmeof.conf, `port`). */
const serverPort = 5_500;

/** A ceph-nvmeof object: what lists its kind as JSON, how it is recognized there, and what makes it. */
interface Wanted { title: string; list: string[]; find: string; add: string[] }

/**
 * The subsystem of a group of real gateways: itself, its listeners, hosts and namespaces, each in its load-balancing group. Two dialects of
 * one CLI: `ceph nvmeof`, which the manager has (Ceph 20 and newer), and the container nvmeof-cli before that.
 */
export function nvmeofSteps(wanted: CephNvmeof): Step[] {
  const { nqn, listeners, namespaces, pool, group } = wanted;
  const isMgr = wanted.cliImage === '';
  const subsystem = isMgr ? '--nqn' : '--subsystem';
  const inGroup = isMgr ? ['--gw-group', group] : [];
  const image = isMgr ? '--rbd-image-name' : '--rbd-image';
  const objects: Wanted[] = [
    { title: `subsystem ${nqn}`, list: ['subsystem', 'list', ...inGroup], find: nqn, add: ['subsystem', 'add', subsystem, nqn, ...(isMgr ? ['--no-group-append=true'] : ['--no-group-append']), ...inGroup] },
    ...listeners.map(({ host, address, port }): Wanted => ({
      title: `listener ${address}:${port} at ${host}`, list: ['listener', 'list', subsystem, nqn, ...inGroup], find: address,
      add: ['listener', 'add', subsystem, nqn, '--host-name', host, '--traddr', address, '--trsvcid', String(port), ...inGroup],
    })),
    { title: 'any host', list: ['host', 'list', subsystem, nqn, ...inGroup], find: 'allow_any_host', add: ['host', 'add', subsystem, nqn, '--host-nqn', '*', ...inGroup] },
    ...namespaces.map(({ image: name, anaGroup }): Wanted => ({
      title: `namespace of ${name} in load-balancing group ${anaGroup}`, list: ['namespace', 'list', subsystem, nqn, ...inGroup], find: name,
      add: ['namespace', 'add', subsystem, nqn, '--rbd-pool', pool, image, name, '--load-balancing-group', String(anaGroup), ...inGroup],
    })),
  ];
  const run = async (words: readonly string[]): Promise<string> => {
    const options = { nothrow: true };
    const { exitCode, stdout, stderr } = isMgr
      ? await $(options)`ceph nvmeof ${words} --format json`
      : await $(options)`podman run --rm ${wanted.cliImage} --output stdio --format json --server-address ${wanted.serverAddress} --server-port ${serverPort} ${words}`;
    // A refusal may be told by the answer alone.
    if (exitCode !== 0 || statusOf(stdout) > 0) throw new Error(`${words.join(' ')}: ${(stderr || stdout).trim().slice(-500)} (exit code ${exitCode})`);
    return stdout;
  };
  return objects.map(({ title, list, find, add }) => ({
    title: `nvmeof: ${title}`,
    isDone: async () => isListed(await run(list), find),
    make: async () => void await run(add),
  }));
}

/** ceph-nvmeof answers with a status of its own, an errno. */
function statusOf(output: string): number {
  const from = output.indexOf('{');
  if (from < 0) return 0;
  try {
    return Number((JSON.parse(output.slice(from)) as { status?: number }).status ?? 0);
  } catch {
    return 0;
  }
}

/** Is there a value like this in a list's JSON (or, of a flag, is it true)? */
export function isListed(output: string, wanted: string): boolean {
  const from = output.search(/[{[]/);
  if (from < 0) return false;
  const within = (value: unknown): boolean => {
    if (Array.isArray(value)) return value.some(within);
    if (typeof value !== 'object' || value === null) return value === wanted;
    return Object.entries(value).some(([key, inner]) => (key === wanted && inner === true) || within(inner));
  };
  return within(JSON.parse(output.slice(from)));
}
