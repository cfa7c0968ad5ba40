import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import { $ } from 'zx/core';
import { filesStep } from './files.js';
import type { NodeDescription } from './node.js';
import type { Step } from './step.js';

const hostsFile = '/etc/hosts';
const marks = ['# pathproof: nodes of the lab', '# pathproof: end'] as const;
const rootKeysFile = '/root/.ssh/authorized_keys';
const networkProgram = '/usr/local/sbin/pathproof-network';
const networkUnit = '/etc/systemd/system/pathproof-network.service';

/** What every node has: name, addresses, packages, kernel modules. */
export function baseSteps(node: NodeDescription): Step[] {
  return [
    {
      title: 'name of the machine',
      isDone: () => Promise.resolve(hostname() === node.name && readText('/etc/hostname').trim() === node.name),
      make: async () => {
        await $`echo ${node.name} >/etc/hostname`;
        await $`hostname ${node.name}`;
      },
    },
    filesStep('names of the nodes', [{ path: hostsFile, text: hostsText(readText(hostsFile), node.hosts) }]),
    filesStep('network: how cards are set up', [{ path: networkProgram, text: networkScript(node.cards), mode: 0o755 }, { path: networkUnit, text: networkUnitText }], async () => {
      await $`systemctl daemon-reload`;
      await $`systemctl enable --quiet pathproof-network.service`;
    }),
    {
      title: 'network: addresses',
      isDone: async () => {
        const { stdout } = await $`ip -json address show`;
        const cards = JSON.parse(stdout) as { ifname: string; operstate: string; addr_info: { local: string; prefixlen: number }[] }[];
        return node.cards.every(({ name, addresses }) => {
          const card = cards.find(({ ifname }) => ifname === name);
          return card?.operstate === 'UP' && addresses.every((address) => card.addr_info.some(({ local, prefixlen }) => `${local}/${prefixlen}` === address));
        });
      },
      make: async () => {
        await $`systemctl restart pathproof-network.service`;
      },
    },
    accessStep(node),
    packagesStep(node),
    ...(node.cephMajor === undefined ? [] : [releaseStep(node.cephMajor)]),
    filesStep('kernel modules: at boot', [{ path: '/etc/modules-load.d/pathproof.conf', text: node.modules.map((name) => `${name}\n`).join('') }]),
    {
      title: 'kernel modules',
      isDone: async () => {
        const builtin = await $`cat /lib/modules/$(uname -r)/modules.builtin`;
        return node.modules.every((name) => existsSync(`/sys/module/${name.replaceAll('-', '_')}`) || builtin.stdout.includes(`/${name}.ko`));
      },
      make: async () => {
        for (const name of node.modules) await $`modprobe ${name}`;
      },
    },
  ];
}

/** Whoever may log in as the user that provisions is root by sudo anyway; harnesses log in as root at once (unix sockets and files are root's). */
function accessStep({ authorizedKeys = [] }: NodeDescription): Step {
  const wanted = async (): Promise<string[]> => {
    const user = process.env['SUDO_USER'];
    if (user === undefined || user === 'root') return authorizedKeys;
    const home = (await $`getent passwd ${user}`).stdout.split(':')[5]!;
    return [...linesOf(readText(`${home}/.ssh/authorized_keys`)), ...authorizedKeys];
  };
  const missing = async (): Promise<string[]> => {
    const there = new Set(linesOf(readText(rootKeysFile)));
    return (await wanted()).filter((line) => !there.has(line));
  };
  return {
    title: 'access: root has the keys of the user who provisions',
    isDone: async () => (await missing()).length === 0,
    make: async () => {
      mkdirSync(dirname(rootKeysFile), { recursive: true, mode: 0o700 });
      writeFileSync(rootKeysFile, [...linesOf(readText(rootKeysFile)), ...await missing(), ''].join('\n'), { mode: 0o600 });
    },
  };
}

/** The packages' own: what runs here is what they have. */
function releaseStep(wanted: number): Step {
  return {
    title: 'release of Ceph',
    isDone: async () => {
      checkRelease((await $`dpkg-query -W -f '\${Version}' ceph-common`).stdout, wanted);
      return true;
    },
    make: () => Promise.resolve(),
  };
}

/** Throws if a version of Ceph is not what is needed; `wanted`: its major version, 0: any that has NVMeofGwMon. */
export function checkRelease(version: string, wanted: number): void {
  const major = majorOf(version);
  if (!(major >= 19)) throw new Error(`Ceph ${version} has no monitor of NVMe-oF gateways; 19 or newer is needed`);
  if (wanted !== 0 && major !== wanted) throw new Error(`Ceph ${version} is installed, release ${wanted} was asked for (ceph_release)`);
}

function linesOf(text: string): string[] {
  return text.split('\n').filter((line) => line !== '');
}

/** In a package's version, with or without an epoch; NaN for what is none. */
export function majorOf(version: string): number {
  return Number(/^(?:\d+:)?(\d+)\./.exec(version)?.[1] ?? Number.NaN);
}

function packagesStep({ packages, repository }: NodeDescription): Step {
  return {
    title: 'packages',
    isDone: async () => {
      const { stdout } = await $({ nothrow: true })`dpkg-query -W -f '\${Package} \${db:Status-Status}\n' ${packages}`;
      const installed = new Set(stdout.split('\n').filter((line) => line.endsWith(' installed')).map((line) => line.split(' ')[0]));
      return packages.every((name) => installed.has(name));
    },
    make: async () => {
      if (repository !== '') await $`echo ${repository} >/etc/apt/sources.list.d/pathproof-ceph.list`;
      await $`apt-get update`;
      await $({ env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })`apt-get install -y --no-install-recommends ${packages}`;
    },
  };
}

/** /etc/hosts with the lab's lines in it, once, whatever was there. */
export function hostsText(before: string, lines: readonly string[]): string {
  const [begin, end] = marks;
  const own = `${begin}\n${lines.join('\n')}\n${end}\n`;
  const from = before.indexOf(begin);
  const to = before.indexOf(end, from);
  if (from >= 0 && to >= 0) return before.slice(0, from) + own + before.slice(to + end.length + 1);
  return `${before}${before === '' || before.endsWith('\n') ? '' : '\n'}${own}`;
}

/** The cards are told apart by their Ethernet addresses, which are the same with every provider; which one the kernel finds first is not. */
function networkScript(cards: NodeDescription['cards']): string {
  return [
    '#!/bin/sh', 'set -e', 'card() {', '  for path in /sys/class/net/*; do', '    read found <"$path/address"', '    [ "$found" = "$2" ] || continue',
    '    [ "${path##*/}" = "$1" ] || { ip link set "${path##*/}" down; ip link set "${path##*/}" name "$1"; }', '    ip link set "$1" up', '    return', '  done',
    '  echo "no card has the address $2" >&2', '  exit 1', '}',
    ...cards.flatMap(({ name, mac, addresses }) => [`card ${name} ${mac}`, ...addresses.map((address) => `ip address replace ${address} dev ${name}`)]), '',
  ].join('\n');
}

const networkUnitText = `[Unit]
Description=Addresses in the networks of the lab
Before=network-online.target ceph-mon.target ceph-osd.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${networkProgram}

[Install]
WantedBy=multi-user.target
`;

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
