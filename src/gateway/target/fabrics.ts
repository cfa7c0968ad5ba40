import {
  ConnectAttribute, cntlidDynamic, decodeConnectData, decodeFabricsSqe, discoveryNqn, encodeCap, encodeConnectInvalid, encodeConnectResult,
  NvmeCodecError, Property, Size, Status, version14,
} from '../../nvme/index.js';
import type { ConnectData, ConnectSqe } from '../../nvme/index.js';
import { checkSendSgl } from './command.js';
import type { Command } from './command.js';
import { Controller } from './controller.js';
import type { TargetSettings } from './options.js';
import type { Listener } from './listener.js';
import type { Subsystem } from './subsystem.js';

/** What Connect needs to know of the target. */
export interface ConnectContext {
  settings: TargetSettings;
  /** The subsystem of this NQN, if this listener gives access to it. */
  subsystemAt(listener: Listener, nqn: string): Subsystem | undefined;
}

/** Byte offsets that an invalid parameter points to: in the SQE… */
const sqeAt = { qid: 42, sqSize: 44 } as const;
/** … and in the connect data. */
const dataAt = { hostId: 0, cntlid: 16, subNqn: 256, hostNqn: 512 } as const;
const nqnFieldBytes = 256;

/** KATO of a discovery controller whose host asked for none (base specification, "Discovery controller": 2 minutes). */
const discoveryKatoMs = 120_000;
/** CAP.TO. CSTS follows CC in the same turn, so any value would do. */
const readyTimeoutMs = 10_000;

/** A command of opcode 7Fh. */
export function executeFabrics(command: Command, context: ConnectContext): void {
  const fabrics = decodeFabricsSqe(command.raw);
  const queue = command.connection.queue;
  if (fabrics.fctype === 'connect') return executeConnect(command, fabrics, context);
  if (queue === undefined) return command.fail(Status.commandSequenceError, true);
  switch (fabrics.fctype) {
    case 'property-get':
      if (queue.qid !== 0) return command.fail(Status.invalidField, true);
      return propertyGet(command, queue.controller, fabrics.offset, fabrics.size8);
    case 'property-set':
      if (queue.qid !== 0 || fabrics.size8 || fabrics.offset !== Property.cc) return command.fail(Status.invalidField, true);
      // Answer first: a disable ends I/O queues, and the host waits on this one.
      command.succeed();
      return queue.controller.setConfig(Number(fabrics.value));
    case 'disconnect':
      if (fabrics.recfmt !== 0) return command.fail(Status.connectIncompatibleFormat, true);
      if (queue.qid === 0) return command.fail(Status.invalidQueueId, true);
      command.succeed();
      return command.connection.end();
    case 'auth-send': case 'auth-receive': case 'unknown':
      return command.fail(Status.invalidField, true);
  }
}

function propertyGet(command: Command, controller: Controller, offset: number, size8: boolean): void {
  if (size8 !== (offset === Property.cap)) return command.fail(Status.invalidField, true);
  switch (offset) {
    case Property.cap: return command.succeed(encodeCap({ maxQueueEntries: controller.settings.queueEntriesMax, readyTimeoutMs }));
    case Property.vs: return command.succeed(version14);
    case Property.cc: return command.succeed(controller.cc);
    case Property.csts: return command.succeed(controller.csts);
    // CAP.NSSRS is 0, so NSSR does not exist.
    default: return command.fail(Status.invalidField, true);
  }
}

function executeConnect(command: Command, connect: ConnectSqe, context: ConnectContext): void {
  // A connection is one queue for life.
  if (command.connection.queue !== undefined) return command.fail(Status.commandSequenceError, true);
  if (connect.recfmt !== 0) return command.fail(Status.connectIncompatibleFormat, true);
  const bad = checkSendSgl(command, Size.connectData, Size.connectData);
  if (bad !== undefined) return command.fail(bad, true);
  command.connection.receive(command, Size.connectData, (data) => {
    for (const at of [dataAt.subNqn, dataAt.hostNqn]) {
      const length = data.subarray(at, at + nqnFieldBytes).indexOf(0);
      if (length <= 0) return invalid(command, at, true, true);
    }
    let fields: ConnectData;
    try {
      fields = decodeConnectData(data);
    } catch (error) {
      if (error instanceof NvmeCodecError) return invalid(command, dataAt.subNqn, true, true);
      throw error;
    }
    if (connect.qid === 0) connectAdmin(command, connect, fields, context);
    else connectIo(command, connect, fields, context);
  });
}

/**
 * `dnr`: a host that gets it gives the controller up for good. So it is set for what no retry can mend,
 * and not for a subsystem or controller that merely is not there (any more, or yet).
 */
function invalid(command: Command, offset: number, inData: boolean, dnr: boolean): void {
  command.fail(Status.connectInvalidParameters, dnr, encodeConnectInvalid({ offset, inData }));
}

function connectAdmin(command: Command, connect: ConnectSqe, data: ConnectData, context: ConnectContext): void {
  const { settings } = context;
  if (connect.sqSize < 2 || connect.sqSize > settings.queueEntriesMax) return invalid(command, sqeAt.sqSize, false, true);
  // Dynamic controller model: the host does not choose.
  if (data.cntlid !== cntlidDynamic) return invalid(command, dataAt.cntlid, true, true);
  const subsystem = context.subsystemAt(command.connection.listener, data.subNqn);
  if (subsystem === undefined) return invalid(command, dataAt.subNqn, true, false);
  if (!subsystem.allows(data.hostNqn)) return command.fail(Status.connectInvalidHost, true);
  const cntlid = subsystem.allocateCntlid();
  if (cntlid === undefined) return command.fail(Status.connectControllerBusy, false);
  const katoMs = connect.katoMs === 0 && subsystem.kind === 'discovery' ? discoveryKatoMs : connect.katoMs;
  const controller = new Controller({ cntlid, subsystem, hostNqn: data.hostNqn, hostId: Buffer.from(data.hostId), katoMs, settings });
  subsystem.controllers.set(cntlid, controller);
  settings.onEvent({ type: 'controller-connected', nqn: subsystem.nqn, cntlid, hostNqn: data.hostNqn, katoMs: controller.keepAlive.katoMs });
  attach(command, connect, controller);
}

function connectIo(command: Command, connect: ConnectSqe, data: ConnectData, context: ConnectContext): void {
  const { settings } = context;
  const subsystem = context.subsystemAt(command.connection.listener, data.subNqn);
  if (subsystem === undefined) return invalid(command, dataAt.subNqn, true, false);
  // Discovery controllers have no I/O queues.
  if (data.subNqn === discoveryNqn) return invalid(command, sqeAt.qid, false, true);
  const controller = subsystem.controllers.get(data.cntlid);
  if (controller === undefined) return invalid(command, dataAt.cntlid, true, false);
  if (controller.hostNqn !== data.hostNqn) return invalid(command, dataAt.hostNqn, true, true);
  if (!controller.hostId.equals(data.hostId)) return invalid(command, dataAt.hostId, true, true);
  if (!controller.ready) return command.fail(Status.commandSequenceError, true);
  if (connect.qid > controller.ioQueues) return invalid(command, sqeAt.qid, false, true);
  if (controller.queues.has(connect.qid)) return command.fail(Status.commandSequenceError, true);
  if (connect.sqSize < 2 || connect.sqSize > settings.queueEntriesMax) return invalid(command, sqeAt.sqSize, false, true);
  attach(command, connect, controller);
}

function attach(command: Command, connect: ConnectSqe, controller: Controller): void {
  const { connection } = command;
  connection.attach({ controller, qid: connect.qid, entries: connect.sqSize, flowControl: (connect.cattr & ConnectAttribute.disableSqFlow) === 0 });
  controller.queues.set(connect.qid, connection);
  command.succeed(encodeConnectResult({ cntlid: controller.cntlid }));
}
