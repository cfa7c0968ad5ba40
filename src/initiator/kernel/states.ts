import type { AnaStateName, ControllerStateName } from '../../history/events.js';

/** The texts of `ana_state` (Linux drivers/nvme/host/multipath.c, nvme_ana_state_names). */
const anaStates: ReadonlySet<string> = new Set<AnaStateName>(['optimized', 'non-optimized', 'inaccessible', 'persistent-loss', 'change']);

/** The texts of `state` (drivers/nvme/host/sysfs.c, nvme_sysfs_show_state), by the name that the history has for them. */
const controllerStates = new Map<string, ControllerStateName>([
  ['new', 'new'], ['live', 'live'], ['resetting', 'resetting'], ['connecting', 'connecting'],
  ['deleting', 'deleting'], ['deleting (no IO)', 'deleting'], ['dead', 'dead'],
]);

/** A kernel without the attribute has no ANA for that controller and takes its paths for optimized: `unknown`, because nobody said so. */
export function anaStateOf(text: string | undefined): AnaStateName {
  return text !== undefined && anaStates.has(text) ? (text as AnaStateName) : 'unknown';
}

/** Newer kernels have further states (`fencing`, `fenced`): `unknown`. */
export function controllerStateOf(text: string | undefined): ControllerStateName {
  return controllerStates.get(text ?? '') ?? 'unknown';
}

/**
 * Whether the multipath head may send I/O on a path: its controller is live or (still with I/O) deleting, and
 * its ANA state is optimized or non-optimized, or the controller has no ANA at all (nvme_path_is_disabled and
 * nvme_path_is_optimized in multipath.c). The two further conditions of the kernel, that no read of the ANA
 * log is outstanding after an error and that the capacity is the head's, do not show in sysfs.
 */
export function pathUsable(controllerState: string | undefined, anaState: string | undefined): boolean {
  if (controllerState !== 'live' && controllerState !== 'deleting') return false;
  return anaState === undefined || anaState === 'optimized' || anaState === 'non-optimized';
}

/** `traddr=192.0.2.1,trsvcid=4420,src_addr=192.0.2.9`. Fields that are not there are ''. */
export function parseAddress(text: string | undefined): { traddr: string; trsvcid: string } {
  const fields = new Map((text ?? '').split(',').map((field): [string, string] => {
    const at = field.indexOf('=');
    return at < 0 ? [field, ''] : [field.slice(0, at).trim(), field.slice(at + 1).trim()];
  }));
  return { traddr: fields.get('traddr') ?? '', trsvcid: fields.get('trsvcid') ?? '' };
}

const pathName = /^nvme(\d+)c(\d+)n(\d+)$/;
const headName = /^nvme\d+n\d+$/;
const controllerName = /^nvme\d+$/;

export function isPathName(name: string): boolean {
  return pathName.test(name);
}
export function isHeadName(name: string): boolean {
  return headName.test(name);
}
export function isControllerName(name: string): boolean {
  return controllerName.test(name);
}

/** `nvme0c3n1` is a path of the head `nvme0n1` (multipath.c, nvme_mpath_get_disk_name). The last number counts heads, it is no namespace id. */
export function headOfPath(name: string): string {
  return name.replace(pathName, 'nvme$1n$3');
}
