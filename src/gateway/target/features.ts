import { decodeFeatures, encodeNumberOfQueues, FeatureId, Status } from '../../nvme/index.js';
import type { Command } from './command.js';
import { oaesOf } from './controller.js';
import type { Controller } from './controller.js';

/** SMART critical warnings may be enabled too; this target never has one to report. */
const smartWarningBits = 0x1f;

/** Set Features (09h). Nothing is saveable. */
export function executeSetFeatures(command: Command, controller: Controller): void {
  const { fid, value, save } = decodeFeatures(command.sqe);
  if (save) return command.fail(Status.featureNotSaveable, true);
  switch (fid) {
    case FeatureId.numberOfQueues: return setNumberOfQueues(command, controller, value);
    case FeatureId.asyncEventConfig: {
      const allowed = (oaesOf[controller.subsystem.kind] | smartWarningBits) >>> 0;
      if ((value & ~allowed) !== 0) return command.fail(Status.invalidField, true);
      controller.events.config = value;
      return command.succeed();
    }
    case FeatureId.keepAliveTimer:
      controller.keepAlive.setKato(value);
      return command.succeed();
    default: return command.fail(Status.invalidField, true);
  }
}

/** Get Features (0Ah). Only current values: ONCS says that SEL is not supported. */
export function executeGetFeatures(command: Command, controller: Controller): void {
  const { fid, select } = decodeFeatures(command.sqe);
  if (select !== 0) return command.fail(Status.invalidField, true);
  switch (fid) {
    case FeatureId.numberOfQueues:
      if (controller.subsystem.kind === 'discovery') return command.fail(Status.invalidField, true);
      return command.succeed(queuesValue(controller));
    case FeatureId.asyncEventConfig: return command.succeed(controller.events.config);
    case FeatureId.keepAliveTimer: return command.succeed(controller.keepAlive.katoMs);
    default: return command.fail(Status.invalidField, true);
  }
}

function setNumberOfQueues(command: Command, controller: Controller, value: number): void {
  if (controller.subsystem.kind === 'discovery') return command.fail(Status.invalidField, true);
  const submission = value & 0xffff;
  const completion = value >>> 16;
  if (submission === 0xffff || completion === 0xffff) return command.fail(Status.invalidField, true);
  // Not once I/O queues exist: what was granted before may be in use.
  if (controller.queues.size > 1) return command.fail(Status.commandSequenceError, true);
  controller.ioQueues = Math.min(Math.min(submission, completion) + 1, controller.settings.ioQueuesMax);
  command.succeed(queuesValue(controller));
}

function queuesValue(controller: Controller): number {
  return encodeNumberOfQueues({ submission: controller.ioQueues, completion: controller.ioQueues });
}
