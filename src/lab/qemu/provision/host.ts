import { infraError } from '../../../util/errors.js';
import { addressOf, type FabricName } from '../network.js';
import type { NodeProgress } from '../progress.js';
import { shellQuote, type Ssh } from '../vm/ssh.js';
import { gatewayPort } from './gateway.js';
import { Steps } from './steps.js';

export interface HostSpec {
  nqn: string;
  hostNqn: string;
  hostId: string;
  gateways: readonly string[];
  fabrics: readonly FabricName[];
  keepAliveSeconds: number;
  reconnectDelaySeconds: number;
  controllerLossSeconds: number;
  policy: 'numa' | 'round-robin' | 'queue-depth';
}

/** One path of a namespace, as the kernel shows it. The number in `path` is the order of discovery, not the namespace id. */
export interface HostPath { path: string; nsid: number; controllerState: string; address: string; anaState: string }

/** The kernel modules of a host node, to be loaded at boot. */
export const hostModules = ['nvme-tcp'] as const;

/** Connects every gateway on every fabric and resolves to the paths that the kernel then has. */
export async function connectHost(ssh: Ssh, spec: HostSpec, progress: NodeProgress): Promise<{ paths: HostPath[]; times: Record<string, number> }> {
  const steps = new Steps(ssh.node, progress);
  await steps.run('host: nvme connect', () => ssh.exec(connectScript(spec), { timeoutMs: 120_000 }));
  const paths = await steps.run('host: paths', () => readPaths(ssh));
  if (paths.length === 0) throw infraError('HOST_PATHS', `${ssh.node}: connected, but the kernel shows no path`);
  return { paths, times: steps.times };
}

export function connectScript(spec: HostSpec): string {
  const connects = spec.fabrics.flatMap((fabric) => spec.gateways.map((gateway) => [
    'nvme', 'connect', '-t', 'tcp', '-a', addressOf(fabric, gateway), '-s', String(gatewayPort), '-n', shellQuote(spec.nqn),
    '--hostnqn', shellQuote(spec.hostNqn), '--hostid', spec.hostId, '-k', String(spec.keepAliveSeconds),
    '-c', String(spec.reconnectDelaySeconds), '-l', String(spec.controllerLossSeconds),
  ].join(' ')));
  return [
    'set -e',
    // All subsystems that appear from now on get the policy; one that is there already has its own file.
    `echo ${spec.policy} >/sys/module/nvme_core/parameters/iopolicy`,
    ...connects,
  ].join('\n');
}

/** Prints the paths of every namespace, one a line: /sys/block/nvmeXcYnZ belongs to controller nvmeY (Linux drivers/nvme/host/multipath.c). */
export const pathsScript = 'for p in /sys/block/nvme*c*n*; do [ -e "$p" ] || continue; c=$(readlink -f "$p/device"); echo "${p##*/} $(cat $p/nsid) $(cat $c/state) $(cat $c/address) $(cat $p/ana_state)"; done';

/** What `pathsScript` has printed; other lines are none of its. */
export function parsePaths(text: string): HostPath[] {
  return text.split('\n').map((line) => line.trim()).filter((line) => /^nvme\d+c\d+n\d+ /.test(line)).map((line) => {
    const [path = '', nsid = '', controllerState = '', address = '', anaState = ''] = line.split(' ');
    return { path, nsid: Number(nsid), controllerState, address, anaState };
  });
}

export async function readPaths(ssh: Ssh): Promise<HostPath[]> {
  return parsePaths((await ssh.exec(pathsScript)).stdout);
}
