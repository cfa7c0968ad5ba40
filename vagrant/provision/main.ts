// Makes this machine the node that node.json (beside this file) describes, as root. What is there already stays as it is, so a
// second time changes nothing; each step says whether it changed something, and its time. On a Vagrant lab it runs at every
// `vagrant up` and `vagrant provision`.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { $ } from 'zx/core';
import { baseSteps } from './base.js';
import { cephSteps } from './ceph.js';
import { cephadmSteps } from './cephadm.js';
import { filesStep } from './files.js';
import type { NodeDescription } from './node.js';
import { programSteps } from './program.js';
import { runSteps, type Step } from './step.js';
import { quietDevicesStep } from './udev.js';

$.verbose = false;
$.env = { ...process.env, LC_ALL: 'C.UTF-8', PATH: `/usr/local/sbin:/usr/sbin:/sbin:${process.env['PATH'] ?? ''}` };

async function main(): Promise<void> {
  const folder = dirname(process.argv[1]!);
  const node = JSON.parse(readFileSync(join(folder, 'node.json'), 'utf8')) as NodeDescription;
  const say = (line: string): void => console.log(line);
  const closing: (() => Promise<void>)[] = [];
  // What these need (keys of the kind that the installed release takes) is known once the base is there.
  const roleSteps = async (): Promise<Step[]> => {
    const { ceph, cephadm, cluster, program } = node;
    if (cephadm !== undefined) return cephadmSteps(cephadm);
    if (ceph !== undefined && cluster !== undefined) {
      const { steps, close } = await cephSteps({ ...node, ceph, cluster });
      closing.push(close);
      return steps;
    }
    return program === undefined ? [] : programSteps({ ...node, program }, folder);
  };
  try {
    await runSteps(node.name, [...baseSteps(node), ...(node.quietDevices === true ? [quietDevicesStep()] : []), ...fileSteps(node, folder)], roleSteps, say);
  } finally {
    for (const close of closing) await close();
  }
}

/** What lies there for others. */
function fileSteps({ files = [], folders = [] }: NodeDescription, folder: string): Step[] {
  return [
    ...(folders.length === 0 ? [] : [{
      title: 'folders', isDone: () => Promise.resolve(folders.every((path) => existsSync(path))),
      make: async () => void await $`mkdir -p ${folders}`,
    }]),
    ...(files.length === 0 ? [] : [filesStep('files', files.map(({ path, from, text }) => ({ path, text: text ?? readFileSync(join(folder, from!), 'utf8') })))]),
  ];
}

main().then(() => process.exit(0), (error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exit(1);
});
