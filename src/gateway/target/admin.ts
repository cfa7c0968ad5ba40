import { AdminOpcode, decodeAbort, Status } from '../../nvme/index.js';
import type { Command } from './command.js';
import type { Controller } from './controller.js';
import type { DiscoveryService } from './discovery.js';
import { executeGetFeatures, executeSetFeatures } from './features.js';
import { executeIdentify } from './identify.js';
import { executeGetLog } from './logs.js';

/** A command on an admin queue, other than Fabrics commands. */
export function executeAdmin(command: Command, controller: Controller, discovery: DiscoveryService): void {
  switch (command.sqe.opcode) {
    case AdminOpcode.keepAlive:
      controller.keepAlive.touch();
      return command.succeed();
    case AdminOpcode.getLogPage: return executeGetLog(command, controller, discovery);
    case AdminOpcode.identify: return executeIdentify(command, controller);
    case AdminOpcode.setFeatures: return executeSetFeatures(command, controller);
    case AdminOpcode.getFeatures: return executeGetFeatures(command, controller);
    case AdminOpcode.asyncEventRequest: return controller.events.request(command);
    case AdminOpcode.abort: return executeAbort(command, controller);
    default: return command.fail(Status.invalidOpcode, true);
  }
}

/**
 * Abort (08h). Only event requests can be taken back: what a backend has been given cannot, and saying
 * otherwise about a write would be a lie. dw0 bit 0 set: not aborted.
 */
function executeAbort(command: Command, controller: Controller): void {
  const { sqid, abortCid } = decodeAbort(command.sqe);
  const victim = sqid === 0 ? command.connection.command(abortCid) : undefined;
  const aborted = victim !== undefined && controller.events.abort(victim);
  command.succeed(aborted ? 0 : 1);
}
