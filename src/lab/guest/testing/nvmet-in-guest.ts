import { shellQuote, type Ssh } from '../../qemu/vm/ssh.js';

/** A kernel target inside the guest itself, on 127.0.0.x: two "gateways" with two "fabrics" each, as four ports of one subsystem. */
export const guestNqn = 'nqn.2026-01.io.pathproof:guest';
export const guestPorts = [
  { port: 1, gateway: 'gw1', fabric: 'a', traddr: '127.0.0.1' },
  { port: 2, gateway: 'gw1', fabric: 'b', traddr: '127.0.0.2' },
  { port: 3, gateway: 'gw2', fabric: 'a', traddr: '127.0.0.3' },
  { port: 4, gateway: 'gw2', fabric: 'b', traddr: '127.0.0.4' },
] as const;
export const guestPort = '4420';
/** Two ANA groups, two namespaces each. */
export const guestNamespaces = [1, 2, 3, 4].map((nsid) => ({ nsid, uuid: `00000000-0000-4000-8000-00000000000${nsid}`, nguid: `0000000000000000000000000000000${nsid}`, anaGroup: ((nsid - 1) % 2) + 1 }));
export const guestBlockSize = 4096;
export const guestNamespaceMiB = 32;

const configfs = '/sys/kernel/config/nvmet';
const subsystem = `${configfs}/subsystems/${guestNqn}`;
const linkOf = (port: number): string => `${configfs}/ports/${port}/subsystems/${guestNqn}`;

export type GuestAna = 'optimized' | 'non-optimized' | 'inaccessible' | 'change';

/** Makes the target: each namespace a file on tmpfs behind a loop device (Linux drivers/nvme/target/configfs.c). */
export async function makeTarget(ssh: Ssh): Promise<void> {
  const set = (path: string, value: string | number): string => `echo ${shellQuote(String(value))} >${path}`;
  await ssh.exec([
    'set -e', `mkdir -p ${subsystem}`, set(`${subsystem}/attr_allow_any_host`, 1), set(`${subsystem}/attr_serial`, 'PATHPROOF1'),
    ...guestPorts.flatMap(({ port, gateway, traddr }) => {
      const folder = `${configfs}/ports/${port}`;
      return [
        `mkdir -p ${folder}`, set(`${folder}/addr_trtype`, 'tcp'), set(`${folder}/addr_adrfam`, 'ipv4'), set(`${folder}/addr_traddr`, traddr), set(`${folder}/addr_trsvcid`, guestPort),
        ...[1, 2].flatMap((group) => [`mkdir -p ${folder}/ana_groups/${group}`, set(`${folder}/ana_groups/${group}/ana_state`, gateway === `gw${group}` ? 'optimized' : 'inaccessible')]),
      ];
    }),
    ...guestNamespaces.flatMap(({ nsid, uuid, nguid, anaGroup }) => {
      const folder = `${subsystem}/namespaces/${nsid}`;
      return [
        `truncate -s ${guestNamespaceMiB}M /tmp/namespace${nsid}`, `losetup -b ${guestBlockSize} /dev/loop${nsid} /tmp/namespace${nsid}`,
        `mkdir -p ${folder}`, set(`${folder}/device_path`, `/dev/loop${nsid}`), set(`${folder}/device_uuid`, uuid), set(`${folder}/device_nguid`, nguid), set(`${folder}/ana_grpid`, anaGroup), set(`${folder}/enable`, 1),
      ];
    }),
    ...guestPorts.map(({ port }) => `ln -s ${subsystem} ${linkOf(port)}`),
  ].join('\n'), { timeoutMs: 120_000 });
}

/** Shell that sets an ANA group at all ports of a gateway. */
export function anaCommand(gateway: string, group: number, state: GuestAna): string {
  return guestPorts.filter((each) => each.gateway === gateway).map(({ port }) => `echo ${state} >${configfs}/ports/${port}/ana_groups/${group}/ana_state`).join('; ');
}

/** Takes a port away: its connections are reset and new ones refused. */
export function removePortCommand(port: number): string {
  return `rm ${linkOf(port)}`;
}
export function addPortCommand(port: number): string {
  return `ln -s ${subsystem} ${linkOf(port)}`;
}
