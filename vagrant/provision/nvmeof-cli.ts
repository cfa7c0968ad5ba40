import { $ } from 'zx/core';
import { isListed, nvmeofObjects, nvmeofStatus, whenGroupsAreKnown } from '../../src/lab/cephadm/nvmeof-subsystem.js';
import { until } from './ceph.js';
import type { CephNvmeof } from './node.js';
import type { Step } from './step.js';

/** Where the gRPC service of a gateway listens (ceph-nvmeof.conf, `port`). */
const serverPort = 5_500;
/** With emulated processors. */
const answerMaxMs = 600_000;

/**
 * `ceph nvmeof` is a part of the manager's dashboard, which a lab's bootstrap leaves out. Before any gateway is deployed: cephadm tells the dashboard
 * of those that it deploys from then on.
 */
export function managerSteps({ cliImage }: CephNvmeof): Step[] {
  if (cliImage !== '') return [];
  const isOn = async (): Promise<boolean> => (JSON.parse((await $`ceph mgr module ls --format json`).stdout) as { enabled_modules: string[] }).enabled_modules.includes('dashboard');
  return [{
    title: 'nvmeof: the manager’s command line (module dashboard)',
    isDone: isOn,
    make: async () => {
      // Nobody needs its pages, nor a certificate for them.
      await $`ceph config set mgr mgr/dashboard/ssl false`;
      await $`ceph mgr module enable dashboard`;
      // The manager starts again.
      await until(async () => (await $({ nothrow: true })`ceph orch status --format json`).stdout.includes('"available": true') && await isOn(), answerMaxMs);
    },
  }];
}

/** The subsystem of a group of real gateways, made by `ceph nvmeof`, or before Ceph 20 by the container nvmeof-cli. */
export function nvmeofSteps(wanted: CephNvmeof): Step[] {
  const isManager = wanted.cliImage === '';
  const run = async (words: readonly string[]): Promise<string> => {
    const options = { nothrow: true };
    const { exitCode, stdout, stderr } = isManager
      ? await $(options)`ceph nvmeof ${words} --format json`
      : await $(options)`podman run --rm ${wanted.cliImage} --output stdio --format json --server-address ${wanted.serverAddress} --server-port ${serverPort} ${words}`;
    if (exitCode !== 0 || nvmeofStatus(stdout) > 0) throw new Error(`${words.join(' ')}: ${(stderr || stdout).trim().slice(-500)} (exit code ${exitCode})`);
    return stdout;
  };
  const objects = nvmeofObjects(wanted, isManager ? 'manager' : 'gateway');
  const answers = (): Promise<boolean> => run(objects[0]!.list).then(() => true, () => false);
  return [
    // A gateway's own server is up some seconds after its container, and the manager knows of a group only then.
    { title: 'nvmeof: the gateways answer', isDone: answers, make: () => until(answers, answerMaxMs) },
    ...objects.map(({ title, list, find, add }): Step => ({
      title: `nvmeof: ${title}`,
      isDone: async () => isListed(await run(list), find),
      make: async () => void await whenGroupsAreKnown(() => run(add)),
    })),
  ];
}
