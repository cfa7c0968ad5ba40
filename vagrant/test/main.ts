// The Vagrant lab from nothing to nothing (part of `npm run test:vagrant`). Installs what is missing (apt, as root), runs libvirt in namespaces
// of its own, builds the box, `vagrant up` with software emulation, looks at the lab from inside, provisions a second time, destroys
// it, and looks that nothing is left. Ends with the plain line "N passed, N failed"; the exit code is 0 only if all passed.
// Its argument is the flavour: debian, or cephadm, whose container images are built on this machine.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { findProgram } from '../../src/lab/qemu/tools.js';
import { pathsScript } from '../../src/lab/qemu/provision/host.js';
import { LibvirtRoom, roomTools, type RoomResult } from '../../src/lab/vagrant/room.js';
import { messageOf, PathproofError } from '../../src/util/errors.js';
import { serviceName } from '../../src/lab/native/cluster-spec.js';
import { ensureBox } from '../box/build.js';
import { boxFlavour, type BoxFlavour } from '../box/recipe.js';
import { designFor } from '../nodes.js';
import { settingsSchema } from '../settings.js';
import { gatewayProblems, healthProblems, ioProblems, ioScript, orchProblems, pathProblems, provisionProblems } from './checks.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const startedMs = performance.now();
/** Machines on emulated processors of a busy machine take their time; one that takes more has hung. */
const upMaxMs = 60 * 60_000;
const commandMaxMs = 10 * 60_000;
const builderPackages = ['mmdebstrap', 'grub-common', 'grub-pc-bin', 'e2fsprogs', 'xz-utils', 'vagrant-libvirt', 'uidmap'];

let passed = 0;
let failed = 0;
const since = (fromMs: number): string => `${((performance.now() - fromMs) / 1_000).toFixed(1)} s`;
const say = (line: string): void => console.log(`[${((performance.now() - startedMs) / 1_000).toFixed(0).padStart(5)} s] ${line}`);

/** One thing that must hold: `look` says what is wrong. What cannot be looked at has failed. */
async function check(title: string, look: () => Promise<string[]> | string[]): Promise<boolean> {
  const fromMs = performance.now();
  let problems: string[];
  try {
    problems = await look();
  } catch (error) {
    problems = [messageOf(error), ...(error instanceof PathproofError ? error.details : [])];
  }
  if (problems.length === 0) passed += 1;
  else failed += 1;
  console.log(`${problems.length === 0 ? 'pass' : 'fail'}     ${title} (${since(fromMs)})${problems.map((line) => `\n         ${line}`).join('')}`);
  return problems.length === 0;
}

function installMissing(): string[] {
  const programs = Object.entries(roomTools).filter(([program]) => findProgram(program) === undefined).map(([, name]) => name);
  const packages = [...new Set([...programs, ...builderPackages])].filter((name) => spawnSync('dpkg', ['-s', name], { stdio: 'ignore' }).status !== 0);
  if (packages.length === 0) return [];
  say(`installing ${packages.join(', ')}`);
  const apt = (args: string[]): number | null => spawnSync('apt-get', args, { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }).status;
  if (apt(['update']) === 0 && apt(['install', '-y', '--no-install-recommends', ...packages]) === 0) return [];
  return [`apt-get could not install ${packages.join(', ')}`];
}

/** What must be the same before and after: the machine's interfaces, forwarding, mounts. */
function machineState(): Record<string, string> {
  const interfaces = readdirSync('/sys/class/net').sort().join(' ');
  const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n').filter((line) => /libvirt|pathproof/.test(line)).join('\n');
  const rules = spawnSync(findProgram('iptables-save') ?? 'true', { encoding: 'utf8' }).stdout.split('\n').filter((line) => /LIBVIRT/.test(line)).join('\n');
  return { interfaces, mounts, rules, forwarding: readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim() };
}

async function main(): Promise<void> {
  const flavour = boxFlavour(process.argv[2] ?? 'debian');
  if (!(await check('packages are installed', installMissing))) return;
  if (!(await check('box', async () => {
    await ensureBox({ flavour, progress: say });
    return [];
  }))) return;
  const before = machineState();
  const room = await LibvirtRoom.open({ kvm: false });
  say(`libvirt runs in ${room.dir}`);
  const processes = () => room.processes();
  let seen = processes();
  try {
    await inRoom(room, flavour);
    seen = processes();
  } finally {
    const fromMs = performance.now();
    await room.close();
    say(`libvirt ended in ${since(fromMs)}`);
  }
  await check('nothing is left', () => {
    const after = machineState();
    const alive = seen.filter((pid) => existsSync(`/proc/${pid}/exe`));
    return [
      ...alive.map((pid) => `process ${pid} still runs`), ...(existsSync(room.dir) ? [`${room.dir} is still there`] : []),
      ...Object.entries(before).filter(([key, value]) => after[key] !== value).map(([key, value]) => `${key} were "${value}", are "${after[key]}"`),
    ];
  });
}

async function inRoom(room: LibvirtRoom, flavour: BoxFlavour): Promise<void> {
  const settings = settingsSchema.parse({ ...(parse(readFileSync(`${root}/vagrant/lab.yaml`, 'utf8')) as object), accel: 'tcg', state_dir: room.dir, flavour });
  const { ceph, nodes } = designFor(settings);
  const names = nodes.map(({ name }) => name);
  // The file alone decides, whatever the environment has.
  const env = { ...Object.fromEntries(Object.keys(process.env).filter((name) => name.startsWith('LAB_')).map((name) => [name, ''])), LAB_ACCEL: 'tcg', LAB_FLAVOUR: flavour };
  const vagrant = (args: string[], timeoutMs: number, onLine?: (line: string) => void): Promise<RoomResult> => room.run('vagrant', args, root, { env, timeoutMs, ...(onLine === undefined ? {} : { onLine }) });
  const ssh = async (node: string, command: string): Promise<string> => {
    const { exitCode, output } = await vagrant(['ssh', node, '-c', command], commandMaxMs);
    if (exitCode !== 0) throw new Error(`${node}: ${command}: exit code ${exitCode}: ${output.slice(-500)}`);
    return output;
  };
  const ended = ({ exitCode, output, timedOut }: RoomResult): string[] => (exitCode === 0 ? [] : [timedOut ? 'did not end in time' : `exit code ${exitCode}`, ...output.trimEnd().split('\n').slice(-20)]);

  const isUp = await check('vagrant up', async () => {
    const result = await vagrant(['up'], upMaxMs, say);
    return [...ended(result), ...provisionProblems(result.output, names, 'change')];
  });
  if (isUp) {
    const service = flavour === 'cephadm' ? serviceName(ceph) : undefined;
    if (service === undefined) await check('ceph is healthy', async () => healthProblems(await ssh('ceph', 'sudo ceph health')));
    else await check('ceph orch ps: a gateway runs on each host', async () => orchProblems(await ssh('ceph', `sudo ceph orch ps --service_name ${service} --format json 2>/dev/null`), ceph.gateways));
    await check('ceph nvme-gw show: every gateway is AVAILABLE', async () => gatewayProblems(await ssh('ceph', `sudo ceph nvme-gw show ${ceph.pool} '${ceph.group}' --format json 2>/dev/null`), ceph.gateways, service));
    for (const host of names.filter((name) => name.startsWith('host'))) {
      await check(`${host} has every path, those of one gateway optimized`, async () => pathProblems(await ssh(host, `sudo sh -c '${pathsScript}'`), settings));
    }
    for (const host of names.filter((name) => name.startsWith('host'))) {
      await check(`${host} writes to every namespace and reads it back`, async () => ioProblems(await ssh(host, `sudo sh -c '${ioScript}'`), settings.namespaces));
    }
    await check('a second vagrant provision changes nothing', async () => {
      const result = await vagrant(['provision'], upMaxMs, say);
      return [...ended(result), ...provisionProblems(result.output, names, 'change nothing')];
    });
  }
  await check('vagrant destroy', async () => {
    const result = await vagrant(['destroy', '--force'], commandMaxMs);
    const domains = await room.run('virsh', ['-c', 'qemu:///system', 'list', '--all', '--name'], '/');
    const networks = await room.run('virsh', ['-c', 'qemu:///system', 'net-list', '--all', '--name'], '/');
    // A network that was not made by Vagrant is none of the lab's.
    const left = `${domains.stdout}\n${networks.stdout}`.split('\n').filter((line) => line.startsWith('pathproof-'));
    return [...ended(result), ...(domains.exitCode === 0 && networks.exitCode === 0 ? [] : ['virsh does not answer']), ...left.map((name) => `${name} is left`)];
  });
}

main().catch((error: unknown) => {
  failed += 1;
  console.log(`fail     ${messageOf(error)}${error instanceof PathproofError ? [...error.details, error.hint ?? ''].map((line) => `\n         ${line}`).join('') : ''}`);
}).finally(() => {
  console.log(`vagrant lab in ${since(startedMs)}`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
});
