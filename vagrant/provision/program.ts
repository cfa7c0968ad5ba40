import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { $ } from 'zx/core';
import { gatewayEntity } from '../../src/lab/qemu/provision/ceph.js';
import { hostThreads } from '../../src/lab/guest/host-threads.js';
import { memberFiles, programPath, supervisorPath } from '../../src/lab/guest/supervisor.js';
import type { MemberMessage, MemberRequest } from '../../src/lab/member/protocol.js';
import { answers } from './answers.js';
import { installedSecretType, until } from './ceph.js';
import { filesStep } from './files.js';
import type { NodeDescription, NodeProgram } from './node.js';
import type { Step } from './step.js';

/** Ceph may still be coming up, and it does so at an emulated processor's pace. */
const servingMaxMs = 1_200_000;
/** For gateways of which an orchestrator deploys one after the other. */
const listeningMaxMs = 3_600_000;
const startMaxMs = 60_000;
const requestMaxMs = 600_000;
/** Each look for paths starts programs, and an emulated processor has better things to do. */
const pollMs = 5_000;

/** A node that runs one of our programs: it, its unit, and what it is for. */
export async function programSteps(node: NodeDescription & { program: NodeProgram }, folder: string): Promise<Step[]> {
  const { name, program: { entry } } = node;
  const config = await configText(node);
  const files = memberFiles(name);
  const code = readFileSync(join(folder, `${entry}.mjs`), 'utf8');
  const supervisor = readFileSync(join(folder, 'supervise'), 'utf8');
  const sha256 = createHash('sha256').update(code).update(supervisor).update(config).digest('hex').slice(0, 16);
  const unit = `pathproof-${entry}.service`;
  const evidence = async (): Promise<string> => (await $({ nothrow: true })`tail -n 15 ${files.log}; journalctl --no-pager -n 10 -u ${unit}`).stdout;
  // A process that was just forked has its unit's environment a moment later.
  const runs = async (): Promise<boolean> => {
    const pid = (await $`systemctl show --property MainPID --value ${unit}`).stdout.trim();
    return pid !== '0' && existsSync(`/proc/${pid}/environ`) && readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`PATHPROOF_SHA256=${sha256}\0`);
  };
  const started: Step[] = [
    filesStep(`${entry} program`, [
      { path: programPath(entry), text: code }, { path: supervisorPath, text: supervisor, mode: 0o755 },
      // It may hold a secret of the cluster.
      { path: files.config, text: config, mode: 0o600 },
      { path: `/etc/systemd/system/${unit}`, text: unitText(name, entry, sha256) },
    ], async () => {
      // The unit's output goes there, and systemd opens it before it runs anything.
      await $`mkdir -p ${dirname(files.log)}`;
      await $`systemctl daemon-reload`;
      await $`systemctl enable --quiet ${unit}`;
    }),
    {
      // One that runs another version counts as none.
      title: `${entry} program runs`,
      isDone: runs,
      make: async () => {
        await $`systemctl restart ${unit}`;
        await until(runs, startMaxMs);
      },
      evidence,
    },
  ];
  return [...started, entry === 'gateway' ? servingStep(files.socket, evidence) : connectedStep(node, files.socket, evidence)];
}

async function configText({ name, program, cluster }: NodeDescription & { program: NodeProgram }): Promise<string> {
  if (program.entry === 'host') return JSON.stringify(program.config);
  const entity = gatewayEntity(name);
  return JSON.stringify({ ...program.config, auth: { kind: 'cephx', entity, secret: cluster!.secrets[entity]![await installedSecretType()] } });
}

/** A gateway that has ended comes back, as one does that cephadm runs; its supervisor has taken down what it left by then. */
function unitText(name: string, entry: NodeProgram['entry'], sha256: string): string {
  const { config, log } = memberFiles(name);
  const gateway = entry === 'gateway';
  return [
    '[Unit]', `Description=${gateway ? 'NVMe-oF gateway' : 'NVMe-oF host'} of the lab`, 'After=pathproof-network.service', 'Wants=pathproof-network.service', 'StartLimitIntervalSec=0', '',
    '[Service]', `Environment=PATHPROOF_SHA256=${sha256}`, ...(gateway ? [] : [`Environment=UV_THREADPOOL_SIZE=${hostThreads}`]),
    'ExecStartPre=/bin/mkdir -p /run/pathproof',
    `ExecStart=${gateway ? `/bin/sh ${supervisorPath} ${name} ${programPath(entry)}` : `/usr/bin/node ${programPath(entry)} ${config}`}`,
    ...(gateway ? [] : [`StandardOutput=append:${log}`, `StandardError=append:${log}`]),
    'Restart=always', 'RestartSec=5', 'TimeoutStopSec=90', '', '[Install]', 'WantedBy=multi-user.target', '',
  ].join('\n');
}

function servingStep(socket: string, evidence: () => Promise<string>): Step {
  const serves = async (): Promise<boolean> => {
    const state = await request<{ serving: boolean }>(socket, 'state').catch(() => undefined);
    return state?.serving === true;
  };
  return { title: 'gateway serves: known to the monitor, subsystem exported', isDone: serves, make: () => until(serves, servingMaxMs), evidence };
}

/** Controllers that are live, and for each namespace how many of its paths are optimized. */
interface HostPaths { live: number; optimized: Map<string, number> }

/** What the kernel says of its NVMe controllers and paths: /sys/class/nvme/nvmeY, /sys/block/nvmeXcYnZ (Linux drivers/nvme/host/multipath.c). */
export function readHostPaths(root = '/sys'): HostPaths {
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'utf8').trim();
    } catch {
      return '';
    }
  };
  const list = (path: string): string[] => (existsSync(path) ? readdirSync(path) : []);
  const live = list(`${root}/class/nvme`).filter((name) => /^nvme\d+$/.test(name) && read(`${root}/class/nvme/${name}/state`) === 'live').length;
  const optimized = new Map<string, number>();
  for (const path of list(`${root}/block`).filter((name) => /^nvme\d+c\d+n\d+$/.test(name))) {
    const uuid = read(`${root}/block/${path}/uuid`) || read(`${root}/block/${path.replace(/c\d+/, '')}/uuid`);
    const isLive = read(`${root}/class/nvme/${basename(safeLink(`${root}/block/${path}/device`))}/state`) === 'live';
    optimized.set(uuid, (optimized.get(uuid) ?? 0) + (isLive && read(`${root}/block/${path}/ana_state`) === 'optimized' ? 1 : 0));
  }
  return { live, optimized };
}

function safeLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function connectedStep({ program, namespaces = [] }: NodeDescription, socket: string, evidence: () => Promise<string>): Step {
  const wanted = program!.config['controllers'] as { traddr: string; trsvcid: string }[];
  const controllers = wanted.length;
  const count = typeof namespaces === 'number' ? namespaces : namespaces.length;
  const connected = async (): Promise<boolean> => {
    const { live, optimized } = readHostPaths();
    if (live !== controllers) return false;
    // The UUIDs of namespaces that ceph-nvmeof makes are its own.
    return typeof namespaces === 'number' ? [...optimized.values()].filter((paths) => paths > 0).length === count : namespaces.every((uuid) => (optimized.get(uuid) ?? 0) > 0);
  };
  return {
    title: `host has all ${controllers} paths, and an optimized one to each of ${count} namespaces`,
    isDone: connected,
    make: async () => {
      await untilAllAnswer(wanted);
      // They listen, and may still be on their way: each attempt connects what it finds.
      const deadline = Date.now() + servingMaxMs;
      for (;;) {
        const problem = await request(socket, 'connect', { namespaces: typeof namespaces === 'number' ? [] : namespaces }).then(() => undefined, (error: unknown) => (error instanceof Error ? error.message : String(error)));
        if (await connected()) return;
        if (Date.now() >= deadline) throw new Error(`not connected within ${servingMaxMs / 1_000} s: ${problem ?? 'some paths are missing'}`);
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
    },
    evidence,
  };
}

/** An attempt to connect a path starts programs; while there is nobody, a look at the port is enough. */
async function untilAllAnswer(listeners: readonly { traddr: string; trsvcid: string }[]): Promise<void> {
  const deadline = Date.now() + listeningMaxMs;
  for (;;) {
    const answered = await Promise.all(listeners.map(({ traddr, trsvcid }) => answers(traddr, Number(trsvcid))));
    const silent = listeners.filter((_, index) => !answered[index]);
    if (silent.length === 0) return;
    if (Date.now() >= deadline) throw new Error(`nobody listens at ${silent.map(({ traddr, trsvcid }) => `${traddr}:${trsvcid}`).join(', ')} within ${listeningMaxMs / 1_000} s`);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

/** One request to a program of ours on this node (src/lab/member/protocol.ts). */
function request<T>(path: string, method: string, params?: unknown): Promise<T> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const timer = setTimeout(() => socket.destroy(new Error(`no answer to "${method}" within ${requestMaxMs / 1_000} s`)), requestMaxMs);
    socket.on('error', reject);
    socket.on('close', () => {
      clearTimeout(timer);
      reject(new Error(`the program ended before it answered "${method}"`));
    });
    const lines = createInterface({ input: socket });
    lines.on('error', () => undefined);
    lines.on('line', (line) => {
      const message = JSON.parse(line) as MemberMessage;
      if (message.kind !== 'reply') return;
      if (message.error === undefined) resolve(message.result as T);
      else reject(new Error(message.error));
      socket.end();
    });
    socket.write(`${JSON.stringify({ kind: 'request', id: 1, method, params } satisfies MemberRequest)}\n`);
  });
}
