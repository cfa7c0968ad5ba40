import { Status } from '../../nvme/index.js';
import type { CapsuleCmdPdu, Sqe } from '../../nvme/index.js';
import type { Connection } from './connection.js';

/** One command between its capsule and its completion. Completing it a second time, or after its connection is gone, has no effect. */
export class Command {
  readonly connection: Connection;
  readonly sqe: Sqe;
  /** The 64 bytes as received, for Fabrics commands. */
  readonly raw: Buffer;
  readonly capsule: CapsuleCmdPdu;
  #completed = false;

  constructor(connection: Connection, sqe: Sqe, capsule: CapsuleCmdPdu) {
    this.connection = connection;
    this.sqe = sqe;
    this.raw = capsule.sqe;
    this.capsule = capsule;
  }

  get cid(): number {
    return this.sqe.cid;
  }

  get completed(): boolean {
    return this.#completed;
  }

  /** `result`: CQE dword 0, or dwords 0 and 1 as a bigint. */
  succeed(result: number | bigint = 0): void {
    this.#complete(Status.success, false, result);
  }

  /** `status`: SCT << 8 | SC. `dnr` tells the host that a retry, on any path, is useless. */
  fail(status: number, dnr: boolean, result = 0): void {
    this.#complete(status, dnr, result);
  }

  /** Success with data to the host. Without SQ flow control the last C2HData says SUCCESS and stands for the CQE. */
  succeedWithData(data: Buffer): void {
    if (this.#completed) return;
    this.#completed = true;
    this.connection.completeWithData(this, data);
  }

  #complete(status: number, dnr: boolean, result: number | bigint): void {
    if (this.#completed) return;
    this.#completed = true;
    this.connection.complete(this, status, dnr, result);
  }
}

/**
 * Checks what the SGL descriptor says about `bytes` of data from the host. Undefined: fine, otherwise the
 * status to fail with (always with DNR: the command itself is wrong).
 */
export function checkSendSgl(command: Command, bytes: number, inCapsuleMaxBytes: number): number | undefined {
  const { sgl } = command.sqe;
  const { data } = command.capsule;
  if (sgl.kind === 'unsupported' || (sgl.kind === 'none' && bytes > 0)) return Status.sglTypeInvalid;
  if (sgl.length !== bytes) return Status.dataSglLengthInvalid;
  if (sgl.kind === 'in-capsule') {
    if (sgl.offset !== 0) return Status.sglOffsetInvalid;
    if (data.length !== bytes || bytes > inCapsuleMaxBytes) return Status.dataSglLengthInvalid;
  } else if (data.length > 0) {
    // A transport descriptor and data in the capsule: one of them is a lie.
    return Status.sglTypeInvalid;
  }
  return undefined;
}

/** The same for `bytes` of data to the host: only a transport descriptor can take them. */
export function checkReceiveSgl(command: Command, bytes: number, exact: boolean): number | undefined {
  const { sgl } = command.sqe;
  if (bytes === 0 && sgl.kind === 'none') return undefined;
  if (sgl.kind !== 'transport') return Status.sglTypeInvalid;
  if (exact ? sgl.length !== bytes : sgl.length < bytes) return Status.dataSglLengthInvalid;
  return undefined;
}
