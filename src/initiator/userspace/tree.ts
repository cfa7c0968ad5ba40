import { formatUuid } from '../../nvme/index.js';
import type { ActivationRecord } from './activation.js';
import type { Controller } from './controller.js';
import type { NamespaceHead } from './head.js';
import type { MultipathHost } from './multipath-host.js';
import type { Path } from './path.js';

/** Attributes by name, as files in sysfs; numbers stay numbers. */
export type Attributes = { [name: string]: Attribute };
export type Attribute = string | number | boolean | null | Attributes | readonly Attribute[] | readonly ActivationRecord[];

export interface HostTree {
  /** /sys/class/nvme-subsystem */
  'nvme-subsystem': Attributes;
  /** /sys/class/nvme */
  nvme: Attributes;
  /** /sys/block: heads, with their paths below `multipath` */
  block: Attributes;
}

/**
 * A host as sysfs shows one: names and texts are those of Linux (drivers/nvme/host/sysfs.c, multipath.c,
 * `diag` as in the newest kernels). What Linux does not have stands below `pathproof`.
 */
export function hostTree(host: MultipathHost): HostTree {
  const { options, subsystem } = host;
  const first = host.controllers().find((controller) => controller.session !== null)?.session?.identify;
  return {
    'nvme-subsystem': {
      [`nvme-subsys${subsystem}`]: {
        subsysnqn: options.subNqn, iopolicy: options.policy, subsystype: 'nvm',
        model: first?.mn ?? null, serial: first?.sn ?? null, firmware_rev: first?.fr ?? null,
      },
    },
    nvme: Object.fromEntries(host.controllers().map((controller) => [controller.name, controllerAttributes(host, controller)])),
    block: Object.fromEntries(host.heads().map((head) => [head.name, headAttributes(head, options.delayedRemovalMs)])),
  };
}

function controllerAttributes(host: MultipathHost, controller: Controller): Attributes {
  const { options } = host;
  const session = controller.session;
  return {
    state: controller.state,
    transport: 'tcp',
    address: `traddr=${controller.host},trsvcid=${controller.port}`,
    cntlid: controller.cntlid,
    subsysnqn: options.subNqn,
    hostnqn: options.hostNqn,
    hostid: formatUuid(options.hostIdBytes),
    // Linux counts the admin queue too.
    queue_count: session === null ? 0 : session.io.length + 1,
    sqsize: options.queueSize - 1,
    kato: options.katoMs / 1_000,
    reconnect_delay: options.reconnectDelayMs / 1_000,
    ctrl_loss_tmo: options.ctrlLossTmoMs < 0 ? 'off' : options.ctrlLossTmoMs / 1_000,
    fast_io_fail_tmo: options.fastIoFailTmoMs < 0 ? 'off' : options.fastIoFailTmoMs / 1_000,
    diag: { reset_count: controller.resets, reconnect_count: controller.reconnects },
    pathproof: {
      gateway: controller.gateway,
      attempts: controller.attempts,
      attempts_max: controller.maxReconnects,
      failfast_expired: controller.failfastExpired,
      last_error: controller.lastError,
      inflight: session?.inflight ?? 0,
      refused: host.refused(controller).map(({ nsid, reason }) => ({ nsid, reason })),
    },
  };
}

function headAttributes(head: NamespaceHead, delayedRemovalMs: number): Attributes {
  const { dispatcher, requeue } = head;
  return {
    uuid: head.uuid,
    nguid: head.nguid,
    nsid: head.nsid,
    // In 512-byte sectors, whatever the block size.
    size: (head.blocks * head.blockSize) / 512,
    queue: { logical_block_size: head.blockSize },
    delayed_removal_secs: delayedRemovalMs / 1_000,
    diag: { io_requeue_no_usable_path_count: dispatcher.requeues, io_fail_no_available_path_count: dispatcher.noPathFailures },
    multipath: Object.fromEntries(head.paths.map((path) => [path.name, pathAttributes(path, dispatcher.selector.policy)])),
    pathproof: {
      current_path: head.currentPath?.name ?? null,
      requeue_depth: requeue.depth,
      requeue_bytes: requeue.bytes,
      requeue_oldest_us: requeue.oldestUs,
      waiting: dispatcher.waiting,
      activations: head.activations.records,
    },
  };
}

function pathAttributes(path: Path, policy: string): Attributes {
  return {
    ana_state: path.ana,
    ana_grpid: path.anaGroup,
    numa_nodes: '',
    // As Linux: only meaningful, and only shown, under that policy.
    queue_depth: policy === 'queue-depth' ? path.inflight : '',
    diag: { multipath_failover_count: path.failovers, command_retry_count: path.retries, command_error_count: path.errors },
    pathproof: {
      controller: path.controllerName, gateway: path.gateway, usable: path.usable, pending: path.pending, ready: path.ready,
      cooling_down: path.coolingDown, inflight: path.inflight, sends: path.sends,
    },
  };
}
