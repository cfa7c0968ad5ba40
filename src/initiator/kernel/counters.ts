import { join } from 'node:path';
import { readNumber } from './sysfs.js';
import type { KernelRoots, SysfsCalls } from './sysfs.js';
import type { KernelTopology } from './topology.js';

/**
 * The kernel's diagnostic counters, summed over what is there now (folders `diag`, in the newest kernels only),
 * with the names of the userspace initiator's where they count the same. A counter that this kernel does not
 * have is left out: 0 would be a claim. They belong to devices and are gone with them.
 */
const sources: readonly (readonly [key: string, of: keyof KernelTopology, files: readonly string[]])[] = [
  ['resets', 'controllers', ['reset_count']],
  ['reconnects', 'controllers', ['reconnect_count']],
  ['adminErrors', 'controllers', ['command_error_count']],
  ['failovers', 'paths', ['multipath_failover_count']],
  ['localRetries', 'paths', ['command_retries_count', 'command_retry_count']],
  ['commandErrors', 'paths', ['command_error_count']],
  ['requeued', 'heads', ['io_requeue_no_usable_path_count']],
  ['noPathFailures', 'heads', ['io_fail_no_available_path_count']],
];

export function readCounters(roots: KernelRoots, calls: SysfsCalls, topology: KernelTopology): Record<string, number> {
  const counters: Record<string, number> = {};
  for (const [key, of, files] of sources) {
    for (const { name } of topology[of]) {
      const folder = join(roots.sys, of === 'controllers' ? 'class/nvme' : 'block', name, 'diag');
      for (const file of files) {
        const value = readNumber(calls, folder, file);
        if (value !== undefined) counters[key] = (counters[key] ?? 0) + value;
      }
    }
  }
  return counters;
}
