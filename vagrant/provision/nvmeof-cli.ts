import { $ } from 'zx/core';
import { isListed, nvmeofObjects, nvmeofStatus } from '../../src/lab/cephadm/nvmeof-subsystem.js';
import type { CephNvmeof } from './node.js';
import type { Step } from './step.js';

/** Where the gRPC service of a gateway listens (ceph-nvmeof.conf, `port`). */
const serverPort = 5_500;

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
  return nvmeofObjects(wanted, isManager ? 'manager' : 'gateway').map(({ title, list, find, add }) => ({
    title: `nvmeof: ${title}`,
    isDone: async () => isListed(await run(list), find),
    make: async () => void await run(add),
  }));
}
