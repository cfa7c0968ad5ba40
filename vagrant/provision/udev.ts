import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { filesStep } from './files.js';
import type { Step } from './step.js';

/** What looks into a block device whenever it comes, changes, or was closed by a writer, and names it by what it found. */
const probingRules = ['55-dm.rules', '60-block.rules', '60-persistent-storage.rules', '60-persistent-storage-dm.rules'];
/** Devices that come and go with gateways and paths. */
const devices = 'rbd*|dm-*|nvme*';
const end = 'pathproof_end';

/** udev's own rules, without what they would do to devices of the lab. */
export function withoutLabDevices(rules: string): string {
  return `# pathproof: an emulated processor has better things to do at a failover\nKERNEL=="${devices}", GOTO="${end}"\n${rules}${rules.endsWith('\n') ? '' : '\n'}LABEL="${end}"\n`;
}

/**
 * With emulated processors: udev leaves the lab's block devices alone. It starts a worker for each of them, which reads
 * the device, when a gateway maps its images, when a path comes back, and when fio closes what it has written.
 */
export function quietDevicesStep(from = '/usr/lib/udev/rules.d', into = '/etc/udev/rules.d'): Step {
  const files = probingRules.filter((name) => existsSync(join(from, name))).map((name) => ({ path: join(into, name), text: withoutLabDevices(readFileSync(join(from, name), 'utf8')) }));
  return filesStep('udev: devices of the lab are not looked into', files);
}
