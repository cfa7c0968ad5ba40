import { anaLogRgo, decodeGetLog, encodeAnaLog, encodeChangedNamespaces, encodeErrorLog, encodeSmartLog, LogId, Status } from '../../nvme/index.js';
import { checkReceiveSgl } from './command.js';
import type { Command } from './command.js';
import type { Controller } from './controller.js';
import type { DiscoveryService } from './discovery.js';
import type { TargetHooks } from './hooks.js';
import { mdtsBytes } from './options.js';
import type { Subsystem } from './subsystem.js';

/** ELPE + 1: this target keeps no error entries, but the log has room for one, which is unused. */
const errorLogSlots = 1;
/** Data units of the SMART log. */
const dataUnitBytes = 512_000;
const temperatureK = 300;

/** Get Log Page (02h): any part of a log by offset and length; behind its end there are zeroes. */
export function executeGetLog(command: Command, controller: Controller, discovery: DiscoveryService): void {
  const { lid, lsp, rae, bytes, offset } = decodeGetLog(command.sqe);
  if (bytes > mdtsBytes(controller.settings) || offset % 4 !== 0) return command.fail(Status.invalidField, true);
  const bad = checkReceiveSgl(command, bytes, false);
  if (bad !== undefined) return command.fail(bad, true);
  const log = logPage(lid, lsp, controller, discovery);
  if (log === undefined) return command.fail(Status.invalidLogPage, true);
  if (offset > log.length) return command.fail(Status.invalidField, true);
  if (!rae) logRead(lid, controller);
  const part = log.subarray(offset, offset + bytes);
  if (part.length === bytes) return command.succeedWithData(part);
  const padded = Buffer.alloc(bytes);
  part.copy(padded);
  command.succeedWithData(padded);
}

function logPage(lid: number, lsp: number, controller: Controller, discovery: DiscoveryService): Buffer | undefined {
  const { subsystem } = controller;
  if (subsystem.kind === 'discovery') return lid === LogId.discovery ? discovery.logPage() : undefined;
  switch (lid) {
    case LogId.error: return encodeErrorLog([], errorLogSlots);
    case LogId.smart: return smartLog(subsystem);
    case LogId.changedNamespaces: return encodeChangedNamespaces([...controller.changedNamespaces]);
    case LogId.ana: return anaLog(subsystem, (lsp & anaLogRgo) !== 0, controller.settings.hooks);
    default: return undefined;
  }
}

/** The event that belongs to this log may be sent again. */
function logRead(lid: number, controller: Controller): void {
  if (lid === LogId.changedNamespaces) {
    controller.changedNamespaces.clear();
    controller.events.logRead('namespace');
  } else if (lid === LogId.ana) {
    controller.events.logRead('ana');
  } else if (lid === LogId.discovery) {
    controller.events.logRead('discovery');
  }
}

/** Only groups that have namespaces are in the log (base specification; nvmet and SPDK alike). */
function anaLog(subsystem: Subsystem, rgo: boolean, hooks: TargetHooks): Buffer {
  const groups = subsystem.ana.all
    .map((group) => ({
      id: group.id, changeCount: group.changeCount, state: group.state,
      nsids: subsystem.namespaces.filter((namespace) => namespace.group === group).map((namespace) => namespace.nsid),
    }))
    .filter((group) => group.nsids.length > 0);
  const log = { changeCount: subsystem.ana.changeCount, groups };
  const bytes = encodeAnaLog({ ...(hooks.anaLog?.(log) ?? log), rgo });
  return hooks.anaLogBytes?.(bytes) ?? bytes;
}

function smartLog(subsystem: Subsystem): Buffer {
  const { reads, writes, bytesRead, bytesWritten, mediaErrors } = subsystem.counters;
  return encodeSmartLog({
    compositeTemperatureK: temperatureK,
    availableSparePercent: 100,
    dataUnitsRead: BigInt(Math.ceil(bytesRead / dataUnitBytes)),
    dataUnitsWritten: BigInt(Math.ceil(bytesWritten / dataUnitBytes)),
    hostReadCommands: BigInt(reads),
    hostWriteCommands: BigInt(writes),
    mediaErrors: BigInt(mediaErrors),
  });
}
