import { $ } from 'zx/core';
import { filesStep } from './files.js';
import type { Step } from './step.js';

const unit = 'pathproof-quiet-devices.service';
const daemon = 'systemd-udevd.service';
/** How long udev may take with what it found at boot, seconds. */
const settleMaxS = 300;

/** The unit that ends udev at each boot, when the cards have their names and all devices of the machine itself were seen. */
export const quietDevicesUnit = `[Unit]
Description=udev ends once the machine is up (emulated lab)
After=systemd-udev-trigger.service systemd-modules-load.service pathproof-network.service ssh.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=-/usr/bin/udevadm settle --timeout=${settleMaxS}
ExecStart=/usr/bin/systemctl stop --no-block ${daemon} systemd-udevd*.socket

[Install]
WantedBy=multi-user.target
`;

/** systemctl(1) and what it said; `ok`: exit code 0. */
export type Systemctl = (...args: string[]) => Promise<{ ok: boolean }>;

const systemctlHere: Systemctl = async (...args) => ({ ok: (await $({ nothrow: true })`systemctl ${args}`).exitCode === 0 });

/**
 * With emulated processors: no udev once a machine is up. It starts a worker for each device that comes and goes with a gateway or a path,
 * whatever its rules then say: half of the work of a gateway's start (10.7 s of a processor; 5.9 s without). Nobody needs it there: the kernel
 * makes the nodes in /dev itself, and neither gateways nor hosts look for links.
 */
export function quietDevicesStep(unitFolder = '/etc/systemd/system', systemctl: Systemctl = systemctlHere): Step {
  const files = filesStep('', [{ path: `${unitFolder}/${unit}`, text: quietDevicesUnit }]);
  return {
    title: 'udev has ended, and does so after each boot',
    isDone: async () => await files.isDone() && (await systemctl('--quiet', 'is-enabled', unit)).ok && !(await systemctl('--quiet', 'is-active', daemon)).ok,
    make: async () => {
      await files.make();
      for (const args of [['daemon-reload'], ['enable', '--quiet', unit], ['restart', unit], ['stop', daemon, 'systemd-udevd*.socket']]) await systemctl(...args);
    },
    evidence: async () => (await $({ nothrow: true })`systemctl --no-pager status ${daemon} ${unit}`).stdout,
  };
}
