import { decodeDsm, decodeDsmRanges, decodeRw, IoOpcode, Size, Status } from '../../nvme/index.js';
import { BackendError } from '../backend.js';
import type { ControlAnaState } from '../control.js';
import { messageOf } from '../../util/errors.js';
import { checkReceiveSgl, checkSendSgl } from './command.js';
import type { Command } from './command.js';
import type { TargetQueue } from './connection.js';
import type { IoInfo } from './hooks.js';
import { mdtsBytes } from './options.js';
import type { TargetSettings } from './options.js';
import type { Namespace } from './subsystem.js';

/** One I/O command with what it is about. */
interface Io {
  command: Command;
  queue: TargetQueue;
  namespace: Namespace;
  settings: TargetSettings;
}

type Hook = ((info: IoInfo) => Promise<void>) | undefined;

/** The path status that tells the host about an ANA state; 0 where I/O is served. Never with DNR: another path may do. */
export function anaStatus(state: ControlAnaState): number {
  switch (state) {
    case 'optimized': case 'non-optimized': return Status.success;
    case 'inaccessible': return Status.anaInaccessible;
    case 'persistent-loss': return Status.anaPersistentLoss;
    case 'change': return Status.anaTransition;
  }
}

/**
 * A command on an I/O queue, other than Fabrics commands. Checks in SPDK's order: namespace (DNR), ANA
 * state (path status, no DNR), then the command's own fields (DNR).
 */
export function executeIo(command: Command, queue: TargetQueue): void {
  const { controller } = queue;
  const namespace = controller.subsystem.namespace(command.sqe.nsid);
  if (namespace === undefined) return command.fail(Status.invalidNamespace, true);
  const io: Io = { command, queue, namespace, settings: controller.settings };
  const path = anaStatus(namespace.group.state);
  if (path !== Status.success) return inaccessible(io, path);
  switch (command.sqe.opcode) {
    case IoOpcode.read: return read(io);
    case IoOpcode.write: return write(io);
    case IoOpcode.compare: return compare(io);
    case IoOpcode.flush: return submit(io, undefined, 0, 0, () => namespace.backend.flush(), () => command.succeed());
    case IoOpcode.writeZeroes: return writeZeroes(io);
    case IoOpcode.datasetManagement: return datasetManagement(io);
    default: return command.fail(Status.invalidOpcode, true);
  }
}

function inaccessible({ command, namespace, settings }: Io, path: number): void {
  const { readWhileInaccessible } = settings.hooks;
  if (readWhileInaccessible !== undefined && command.sqe.opcode === IoOpcode.read) {
    const { slba, nlb } = decodeRw(command.sqe);
    const data = readWhileInaccessible(namespace.backend, slba, nlb);
    if (data !== undefined) return command.succeedWithData(data);
  }
  command.fail(path, false);
}

function read(io: Io): void {
  const { command, namespace } = io;
  const range = transferRange(io);
  if (range === undefined) return;
  const { slba, nlb, bytes } = range;
  const bad = checkReceiveSgl(command, bytes, true);
  if (bad !== undefined) return command.fail(bad, true);
  submit(io, io.settings.hooks.beforeReadFromBackend, slba, nlb, () => namespace.backend.read(slba, nlb), (data) => {
    if (data.length !== bytes) throw new Error(`backend returned ${data.length} bytes for a read of ${bytes}`);
    const { counters } = io.queue.controller.subsystem;
    counters.reads++;
    counters.bytesRead += bytes;
    command.succeedWithData(data);
  });
}

function write(io: Io): void {
  const { command, namespace } = io;
  const { hooks, inCapsuleBytes } = io.settings;
  const range = transferRange(io);
  if (range === undefined) return;
  const { slba, nlb, bytes } = range;
  const bad = checkSendSgl(command, bytes, inCapsuleBytes);
  if (bad !== undefined) return command.fail(bad, true);
  command.connection.receive(command, bytes, (data) => {
    submit(io, hooks.beforeWriteToBackend, slba, nlb, () => thenHook(namespace.backend.write(slba, data), hooks.beforeWriteAck, io, slba, nlb), () => {
      const { counters } = io.queue.controller.subsystem;
      counters.writes++;
      counters.bytesWritten += bytes;
      command.succeed();
    });
  });
}

function compare(io: Io): void {
  const { command, namespace } = io;
  const range = transferRange(io);
  if (range === undefined) return;
  const { slba, nlb, bytes } = range;
  const bad = checkSendSgl(command, bytes, io.settings.inCapsuleBytes);
  if (bad !== undefined) return command.fail(bad, true);
  command.connection.receive(command, bytes, (expected) => {
    submit(io, io.settings.hooks.beforeReadFromBackend, slba, nlb, () => namespace.backend.read(slba, nlb), (data) => {
      if (data.equals(expected)) command.succeed();
      else command.fail(Status.compareFailure, true);
    });
  });
}

function writeZeroes(io: Io): void {
  const { command, namespace } = io;
  const { hooks } = io.settings;
  // No data moves, so MDTS does not apply.
  const { slba, nlb } = decodeRw(command.sqe);
  if (slba + nlb > namespace.backend.blocks) return command.fail(Status.lbaOutOfRange, true);
  submit(
    io, hooks.beforeWriteToBackend, slba, nlb,
    () => thenHook(namespace.backend.writeZeroes(slba, nlb), hooks.beforeWriteAck, io, slba, nlb),
    () => command.succeed(),
  );
}

function datasetManagement(io: Io): void {
  const { command, namespace } = io;
  const { hooks } = io.settings;
  const { ranges: count, deallocate } = decodeDsm(command.sqe);
  const bytes = count * Size.dsmRange;
  const bad = checkSendSgl(command, bytes, Math.max(bytes, io.settings.inCapsuleBytes));
  if (bad !== undefined) return command.fail(bad, true);
  command.connection.receive(command, bytes, (data) => {
    const ranges = decodeDsmRanges(data, count).filter((range) => range.nlb > 0);
    for (const { slba, nlb } of ranges) {
      if (slba + nlb > namespace.backend.blocks) return command.fail(Status.lbaOutOfRange, true);
    }
    // Only Deallocate changes anything; the other attributes are hints.
    if (!deallocate || ranges.length === 0) return command.succeed();
    submit(
      io, hooks.beforeWriteToBackend, ranges[0]!.slba, 0,
      () => thenHook(Promise.all(ranges.map(({ slba, nlb }) => namespace.backend.deallocate(slba, nlb))), hooks.beforeWriteAck, io, ranges[0]!.slba, 0),
      () => command.succeed(),
    );
  });
}

/** SLBA, count and bytes of a command that moves data; undefined if it was failed: over MDTS or out of range. */
function transferRange({ command, namespace, settings }: Io): { slba: number; nlb: number; bytes: number } | undefined {
  const { slba, nlb } = decodeRw(command.sqe);
  const bytes = nlb << namespace.lbads;
  if (bytes > mdtsBytes(settings)) {
    command.fail(Status.invalidField, true);
    return undefined;
  }
  if (slba + nlb > namespace.backend.blocks) {
    command.fail(Status.lbaOutOfRange, true);
    return undefined;
  }
  return { slba, nlb, bytes };
}

/**
 * Admits the command under its group's ANA state and runs it on the backend. This is the check that
 * counts: the one on arrival only spares useless R2Ts. From here to the answer `AnaGroup.drained` waits for it.
 */
function submit<T>(io: Io, before: Hook, slba: number, nlb: number, run: () => Promise<T>, done: (value: T) => void): void {
  const { command, namespace } = io;
  const { group } = namespace;
  const { admit } = io.settings.hooks;
  const term = admit === undefined ? group.admit() : admit(group);
  if (term === undefined) return command.fail(anaStatus(group.state), false);
  start(before, io, slba, nlb, run).then(
    (value) => {
      try {
        done(value);
      } catch (error) {
        internalError(io, error);
      } finally {
        term.leave();
      }
    },
    (error: unknown) => {
      backendFailed(io, error);
      term.leave();
    },
  );
}

/** Never throws: a backend that throws instead of rejecting is the same failure. */
function start<T>(before: Hook, io: Io, slba: number, nlb: number, run: () => Promise<T>): Promise<T> {
  try {
    return before === undefined ? run() : before(infoOf(io, slba, nlb)).then(run);
  } catch (error) {
    return Promise.reject(error instanceof Error ? error : new Error(messageOf(error)));
  }
}

function thenHook<T>(result: Promise<T>, hook: Hook, io: Io, slba: number, nlb: number): Promise<unknown> {
  return hook === undefined ? result : result.then(() => hook(infoOf(io, slba, nlb)));
}

function infoOf({ command, queue, namespace }: Io, slba: number, nlb: number): IoInfo {
  const { controller, qid } = queue;
  return {
    nqn: controller.subsystem.nqn, cntlid: controller.cntlid, qid, cid: command.cid,
    nsid: namespace.nsid, opcode: command.sqe.opcode, slba, nlb,
  };
}

function backendFailed(io: Io, error: unknown): void {
  const { command, queue } = io;
  if (!(error instanceof BackendError)) return internalError(io, error);
  switch (error.kind) {
    case 'fenced': case 'unreachable':
      // This path cannot reach the data, the namespace is fine: the host shall take another one (ceph-nvmeof #193).
      return command.fail(Status.anaInternal, false);
    case 'io': {
      queue.controller.subsystem.counters.mediaErrors++;
      const { opcode } = command.sqe;
      const reads = opcode === IoOpcode.read || opcode === IoOpcode.compare;
      return command.fail(reads ? Status.unrecoveredReadError : Status.writeFault, false);
    }
    case 'range':
      return command.fail(Status.lbaOutOfRange, true);
    case 'no-space':
      return command.fail(Status.capacityExceeded, true);
  }
}

function internalError({ command, settings }: Io, error: unknown): void {
  command.fail(Status.internalError, false);
  settings.onEvent({ type: 'internal-error', message: error instanceof Error ? (error.stack ?? error.message) : messageOf(error) });
}
