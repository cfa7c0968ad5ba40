import { appendFileSync, copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../../util/errors.js';
import type { LabMachine } from '../../machine.js';

/** Of each log file at most this much of its end, bytes. */
const tailBytes = 4 * 1024 * 1024;
const collectMaxMs = 30_000;

/**
 * What a node has to say for itself: the kernel's log, its counters (lost segments, waits for memory and processors), and
 * the end of each log file of Ceph and of our programs.
 */
export const nodeLogScript = `echo "==== dmesg"; dmesg -T 2>/dev/null | tail -c ${tailBytes}
for file in /proc/pressure/cpu /proc/pressure/memory /proc/pressure/io /proc/meminfo /proc/vmstat /proc/net/netstat /proc/net/snmp /proc/net/softnet_stat; do [ -f "$file" ] || continue; echo "==== $file"; cat "$file"; done
for file in /var/log/ceph/*.log /var/log/pathproof/*.log; do [ -f "$file" ] || continue; echo "==== $file"; tail -c ${tailBytes} "$file"; done`;

/**
 * Brings the logs of all nodes into the run's folder: `NODE.log` from inside, `NODE.serial.log` and
 * `NODE.qemu.log` from outside. Never throws: what could not be had is said in the file that it would be in.
 */
export async function collectNodeLogs(nodes: Iterable<LabMachine>, logDir: string): Promise<void> {
  mkdirSync(logDir, { recursive: true });
  await Promise.all([...nodes].map(async (vm) => {
    const file = join(logDir, `${vm.name}.log`);
    try {
      for (const [from, kind] of [[vm.serialLog, 'serial'], [vm.qemuLog, 'qemu']] as const) {
        if (existsSync(from)) copyFileSync(from, join(logDir, `${vm.name}.${kind}.log`));
      }
      if (vm.identity === undefined) appendFileSync(file, '(the machine is off)\n');
      else appendFileSync(file, (await vm.ssh.exec(nodeLogScript, { timeoutMs: collectMaxMs, okCodes: 'any' })).stdout);
    } catch (error) {
      try {
        appendFileSync(file, `(no log could be had: ${messageOf(error)})\n`);
      } catch {
        // The folder cannot be written; the run has said so already.
      }
    }
  }));
}
