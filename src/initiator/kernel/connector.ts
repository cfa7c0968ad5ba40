import fs from 'node:fs';
import { join } from 'node:path';
import type { LabTimers, PathPolicy } from '../../plan/types.js';
import { sleep } from '../../util/clock.js';
import { infraError, messageOf } from '../../util/errors.js';
import { connectArguments, lastWords } from './nvme-cli.js';
import { runProgram } from './nvme-cli.js';
import type { ConnectSettings, ControllerAddress, RunProgram } from './nvme-cli.js';
import { listFolder, readAttribute } from './sysfs.js';
import type { KernelRoots, SysfsCalls } from './sysfs.js';
import { readTopology } from './topology.js';
import type { KernelController } from './topology.js';

export type HostTimers = Pick<LabTimers, 'katoMs' | 'ioTimeoutMs' | 'adminTimeoutMs' | 'reconnectDelayMs' | 'ctrlLossTmoMs' | 'fastIoFailTmoMs'>;

/** A controller that the host shall have. */
export interface WantedController extends ControllerAddress {
  gateway: string;
  /** The network that the path uses, for messages. */
  fabric?: string;
}

export interface KernelHostSettings {
  nqn: string;
  hostNqn: string;
  hostId: string;
  controllers: readonly WantedController[];
  timers: HostTimers;
  policy: PathPolicy;
  ioQueues: number;
  digests: { header: boolean; data: boolean };
}

export interface ConnectReport {
  connected: string[];
  /** Controllers that were there already, with these very settings. */
  kept: string[];
  disconnected: string[];
  /** One line per path that could not be connected, with what nvme-cli said. */
  problems: string[];
}

/** A connect attempt to an address where nothing answers ends after the kernel's own few seconds; this is for a program that hangs. */
const connectMaxMs = 90_000;
/** The kernel sends a shutdown first, with the admin timeout, and a busy machine takes its time. */
const disconnectMaxMs = 120_000;

/** What the connector does to the machine; tests stand in for it. */
export interface ConnectorActions {
  run: RunProgram;
  /** Writes a file of sysfs, which may take as long as what it starts. */
  write: (path: string, text: string) => Promise<void>;
}
export const machineActions: ConnectorActions = { run: runProgram, write: (path, text) => fs.promises.writeFile(path, text) };
const fabricsDevice = 'nvme-fabrics';

/**
 * Connects the controllers of one subsystem by nvme-cli, and disconnects them. Repeating it is harmless: what is
 * connected as it should be stays.
 *
 * To disconnect it writes `delete_controller` itself, which is all that nvme-cli does: a process of nvme-cli per
 * controller reads all of sysfs first, which takes an emulated processor seconds, and one for several crashes (2.16).
 */
export class KernelConnector {
  readonly #settings: KernelHostSettings;
  readonly #connect: ConnectSettings;
  readonly #roots: KernelRoots;
  readonly #calls: SysfsCalls;
  readonly #actions: ConnectorActions;
  #policy: PathPolicy;
  /** Names of controllers that this object has connected: whether they have digests does not show in sysfs. */
  readonly #own = new Set<string>();

  constructor(settings: KernelHostSettings, roots: KernelRoots, calls: SysfsCalls, actions: ConnectorActions) {
    this.#settings = settings;
    this.#policy = settings.policy;
    this.#connect = connectSettingsOf(settings);
    this.#roots = roots;
    this.#calls = calls;
    this.#actions = actions;
  }

  /**
   * Sets what applies to all controllers, disconnects those of the subsystem that are not wanted or were
   * connected otherwise, and connects the missing ones, all at the same time. Never throws for a single
   * path; an infra error (HOST_NVME_SETUP) if this machine cannot be an NVMe/TCP host at all.
   */
  async connect(policy: PathPolicy = this.#policy): Promise<ConnectReport> {
    this.#policy = policy;
    this.#prepare();
    const present = this.present();
    const stale = present.filter((controller) => !this.#isAsWanted(controller));
    const kept = present.filter((controller) => !stale.includes(controller));
    const report: ConnectReport = { connected: [], kept: kept.map(({ name }) => name), disconnected: [], problems: [] };
    await Promise.all(stale.map((controller) => this.#disconnectOne(controller, report)));
    const missing = this.#settings.controllers.filter((wanted) => !kept.some((controller) => sameAddress(controller, wanted)));
    await Promise.all(missing.map((wanted) => this.#connectOne(wanted, report)));
    this.#setPolicyOfSubsystem();
    return report;
  }

  /** Disconnects every controller of the subsystem. */
  async disconnect(): Promise<{ disconnected: string[]; problems: string[] }> {
    const report = { disconnected: [], problems: [] };
    await Promise.all(this.present().map((controller) => this.#disconnectOne(controller, report)));
    return report;
  }

  /** The controllers of the subsystem that the kernel has now. */
  present(): KernelController[] {
    return readTopology(this.#roots, this.#calls, this.#settings.nqn).controllers;
  }

  /** The path policy of the subsystem as the kernel has it; undefined: no such subsystem. */
  policy(): string | undefined {
    const folder = this.#subsystemFolder();
    return folder === undefined ? undefined : readAttribute(this.#calls, folder, 'iopolicy');
  }

  /** nvme_core's parameters apply to controllers that are made later (drivers/nvme/host/core.c, multipath.c). */
  #prepare(): void {
    if (!listFolder(this.#calls, this.#roots.dev).includes(fabricsDevice)) {
      throw infraError('HOST_NVME_SETUP', `this kernel has no ${join(this.#roots.dev, fabricsDevice)}`, { hint: 'load the module nvme-tcp' });
    }
    const { timers } = this.#settings;
    const policy = this.#policy;
    this.#setParameter('io_timeout', String(wholeSeconds(timers.ioTimeoutMs)));
    this.#setParameter('admin_timeout', String(wholeSeconds(timers.adminTimeoutMs)));
    this.#setParameter('iopolicy', policy);
    this.#setPolicyOfSubsystem();
  }

  #setParameter(name: string, value: string): void {
    const path = join(this.#roots.sys, 'module/nvme_core/parameters', name);
    try {
      if (readAttribute(this.#calls, path) !== value) fs.writeFileSync(path, value);
    } catch (cause) {
      throw infraError('HOST_NVME_SETUP', `nvme_core.${name} cannot be set to ${value}: ${messageOf(cause)}`, { cause, hint: 'the host has to be root, on a kernel with multipath' });
    }
  }

  #setPolicyOfSubsystem(): void {
    const folder = this.#subsystemFolder();
    const policy = this.#policy;
    if (folder === undefined || this.policy() === policy) return;
    try {
      fs.writeFileSync(join(folder, 'iopolicy'), policy);
    } catch (cause) {
      throw infraError('HOST_NVME_SETUP', `the path policy ${policy} is refused: ${messageOf(cause)}`, { cause, hint: 'queue-depth needs Linux 6.11' });
    }
  }

  #subsystemFolder(): string | undefined {
    const parent = join(this.#roots.sys, 'class/nvme-subsystem');
    const name = listFolder(this.#calls, parent).find((each) => readAttribute(this.#calls, parent, each, 'subsysnqn') === this.#settings.nqn);
    return name === undefined ? undefined : join(parent, name);
  }

  /** One that reconnects right now is as good as a live one: it has the settings that it was made with. */
  #isAsWanted(controller: KernelController): boolean {
    const wanted = this.#connect;
    return this.#own.has(controller.name)
      && this.#settings.controllers.some((address) => sameAddress(controller, address))
      && controller.hostnqn === wanted.hostNqn
      && (controller.state === 'live' || controller.state === 'connecting' || controller.state === 'resetting');
  }

  async #connectOne(wanted: WantedController, report: ConnectReport): Promise<void> {
    const result = await this.#actions.run('nvme', connectArguments(this.#connect, wanted), connectMaxMs);
    const where = `${wanted.gateway}${wanted.fabric === undefined ? '' : ` on fabric ${wanted.fabric}`} (${wanted.traddr}:${wanted.trsvcid})`;
    if (result.exitCode !== 0) {
      report.problems.push(`${where}: nvme connect: ${lastWords(result)}`);
      return;
    }
    const made = this.present().find((controller) => sameAddress(controller, wanted) && controller.hostnqn === this.#connect.hostNqn);
    if (made === undefined) {
      report.problems.push(`${where}: nvme connect succeeded, but the kernel shows no such controller`);
      return;
    }
    this.#own.add(made.name);
    report.connected.push(made.name);
  }

  async #disconnectOne({ name, traddr, trsvcid }: KernelController, report: { disconnected: string[]; problems: string[] }): Promise<void> {
    let why = `not within ${disconnectMaxMs / 1_000} s`;
    const late = new AbortController();
    const deleted = this.#actions.write(join(this.#roots.sys, 'class/nvme', name, 'delete_controller'), '1').catch((error: unknown) => {
      why = messageOf(error);
    });
    await Promise.race([deleted, sleep(disconnectMaxMs, late.signal)]);
    late.abort();
    this.#own.delete(name);
    // Whatever the write said: one that vanished meanwhile is gone, too.
    const stays = this.present().some((controller) => controller.name === name && sameAddress(controller, { traddr, trsvcid }));
    if (stays) report.problems.push(`${name} (${traddr}:${trsvcid}) was not deleted: ${why}`);
    else report.disconnected.push(name);
  }
}

export function sameAddress(a: ControllerAddress, b: ControllerAddress): boolean {
  return a.traddr === b.traddr && a.trsvcid === b.trsvcid;
}

/** A timer that the kernel takes in seconds: never shorter than asked for, at least one. Negative values (off, for ever) become −1. */
export function wholeSeconds(ms: number): number {
  return ms < 0 ? -1 : Math.max(1, Math.ceil(ms / 1_000));
}

function connectSettingsOf({ nqn, hostNqn, hostId, timers, ioQueues, digests }: KernelHostSettings): ConnectSettings {
  return {
    nqn, hostNqn, hostId, ioQueues, headerDigest: digests.header, dataDigest: digests.data,
    keepAliveSeconds: wholeSeconds(timers.katoMs), reconnectDelaySeconds: wholeSeconds(timers.reconnectDelayMs),
    controllerLossSeconds: wholeSeconds(timers.ctrlLossTmoMs), fastIoFailSeconds: wholeSeconds(timers.fastIoFailTmoMs),
  };
}
