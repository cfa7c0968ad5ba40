import { basename, dirname, join } from 'node:path';
import { ifPresent, listFolder, readAttribute, readNumber } from './sysfs.js';
import type { KernelRoots, SysfsCalls } from './sysfs.js';
import { headOfPath, isControllerName, isHeadName, isPathName, parseAddress } from './states.js';

/** A controller as sysfs shows it. Texts are the kernel's own; fields that this kernel has not got are undefined. */
export interface KernelController {
  /** `nvme3` */
  name: string;
  state: string | undefined;
  subsysnqn: string;
  hostnqn: string | undefined;
  hostid: string | undefined;
  transport: string | undefined;
  traddr: string;
  trsvcid: string;
  /** −1 while there is none. */
  cntlid: number;
  /** Seconds. */
  kato: number | undefined;
  reconnectDelay: number | undefined;
  /** Seconds; undefined also for `off`. */
  ctrlLossTmo: number | undefined;
  fastIoFailTmo: number | undefined;
  /** The admin queue counts. */
  queueCount: number | undefined;
}

/** One (controller, namespace) pair. */
export interface KernelPath {
  /** `nvme0c3n1` */
  name: string;
  controller: string;
  /** `nvme0n1` */
  head: string;
  /** Undefined: the controller has no ANA. */
  anaState: string | undefined;
  anaGroup: number;
}

/** A multipath head: the block device that I/O goes to. */
export interface KernelHead {
  name: string;
  uuid: string;
  /** 32 hexadecimal digits, '' if the target gives none. */
  nguid: string;
  nsid: number;
  blockSize: number;
  blocks: number;
  /** The largest request that is not split, bytes. */
  transferMaxBytes: number;
}

export interface KernelTopology {
  controllers: KernelController[];
  paths: KernelPath[];
  heads: KernelHead[];
}

/** Linux counts the size of every disk in these (include/linux/blk_types.h). */
const sectorBytes = 512;

/**
 * The controllers, paths and heads of one subsystem at this moment. What vanishes while it is read is left
 * out; nothing here throws for a kernel that has more or fewer attributes than another.
 */
export function readTopology(roots: KernelRoots, calls: SysfsCalls, nqn: string): KernelTopology {
  const controllers = listFolder(calls, roots.sys, 'class/nvme').filter(isControllerName)
    .map((name) => readController(roots, calls, name))
    .filter((controller): controller is KernelController => controller?.subsysnqn === nqn);
  const known = new Set(controllers.map(({ name }) => name));
  const blocks = listFolder(calls, roots.sys, 'block');
  const paths = blocks.filter(isPathName)
    .map((name) => readPath(roots, calls, name))
    .filter((path): path is KernelPath => path !== undefined && known.has(path.controller));
  const headNames = new Set([...paths.map(({ head }) => head), ...headsOf(roots, calls, nqn)]);
  const heads = [...headNames].sort()
    .map((name) => readHead(roots, calls, name))
    .filter((head): head is KernelHead => head !== undefined);
  return { controllers, paths, heads };
}

/** Undefined: it is gone. */
export function readController(roots: KernelRoots, calls: SysfsCalls, name: string): KernelController | undefined {
  const folder = join(roots.sys, 'class/nvme', name);
  const text = (attribute: string): string | undefined => readAttribute(calls, folder, attribute);
  const number = (attribute: string): number | undefined => readNumber(calls, folder, attribute);
  const subsysnqn = text('subsysnqn');
  if (subsysnqn === undefined) return undefined;
  return {
    name, subsysnqn, state: text('state'), hostnqn: text('hostnqn'), hostid: text('hostid'), transport: text('transport'), ...parseAddress(text('address')),
    cntlid: number('cntlid') ?? -1, kato: number('kato'), reconnectDelay: number('reconnect_delay'), ctrlLossTmo: number('ctrl_loss_tmo'),
    fastIoFailTmo: number('fast_io_fail_tmo'), queueCount: number('queue_count'),
  };
}

export function readPath(roots: KernelRoots, calls: SysfsCalls, name: string): KernelPath | undefined {
  const controller = controllerOfPath(roots, calls, name);
  if (controller === undefined) return undefined;
  const folder = join(roots.sys, 'block', name);
  return { name, controller, head: headOfPath(name), anaState: readAttribute(calls, folder, 'ana_state'), anaGroup: readNumber(calls, folder, 'ana_grpid') ?? 0 };
}

/** /sys/block/nvme0c3n1 is a link into the folder of its controller. */
export function controllerOfPath(roots: KernelRoots, calls: SysfsCalls, name: string): string | undefined {
  const target = ifPresent(() => calls.readlinkSync(join(roots.sys, 'block', name)));
  const parent = target === undefined ? '' : basename(dirname(target));
  return isControllerName(parent) ? parent : undefined;
}

export function readHead(roots: KernelRoots, calls: SysfsCalls, name: string): KernelHead | undefined {
  const folder = join(roots.sys, 'block', name);
  const nsid = readNumber(calls, folder, 'nsid');
  const sectors = readNumber(calls, folder, 'size');
  const blockSize = readNumber(calls, folder, 'queue/logical_block_size');
  if (nsid === undefined || sectors === undefined || blockSize === undefined) return undefined;
  return {
    name, nsid, blockSize, blocks: Math.floor((sectors * sectorBytes) / blockSize),
    uuid: readAttribute(calls, folder, 'uuid')?.toLowerCase() ?? '',
    nguid: readAttribute(calls, folder, 'nguid')?.replaceAll('-', '').toLowerCase() ?? '',
    transferMaxBytes: (readNumber(calls, folder, 'queue/max_sectors_kb') ?? 128) * 1024,
  };
}

/** Heads stand in the folder of their subsystem, also those that have lost their last path and wait for another (`delayed_removal_secs`). */
function headsOf(roots: KernelRoots, calls: SysfsCalls, nqn: string): string[] {
  return listFolder(calls, roots.sys, 'class/nvme-subsystem')
    .filter((name) => readAttribute(calls, roots.sys, 'class/nvme-subsystem', name, 'subsysnqn') === nqn)
    .flatMap((name) => listFolder(calls, roots.sys, 'class/nvme-subsystem', name).filter(isHeadName));
}
