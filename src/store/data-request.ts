import { StoreError } from './errors.js';
import type { DataOperation } from './executor.js';
import { StoreLimit } from './limits.js';
import type { Session } from './session.js';
import { isMutation, protocolError, readU48, requestHeaderBytes, StoreOp } from './wire.js';

/** Header fields that every request has, read in place. */
export const requestOp = (buffer: Buffer, start: number): number => buffer[start + 6]!;
export const requestId = (buffer: Buffer, start: number): number => readU48(buffer, start + 8);
export const requestConfirmed = (buffer: Buffer, start: number): number => readU48(buffer, start + 16);

/**
 * Reads a data request and checks it against its image. Throws StoreError STORE_NO_SUCH_IMAGE,
 * STORE_RANGE or STORE_BAD_REQUEST, which the client gets as its answer, or STORE_PROTOCOL.
 */
export function readDataRequest(session: Session, buffer: Buffer, start: number, end: number): DataOperation {
  const op = requestOp(buffer, start);
  const id = requestId(buffer, start);
  const handle = buffer.readUInt16LE(start + 14);
  const slba = readU48(buffer, start + 24);
  const nlb = buffer.readUInt32LE(start + 32);
  const payloadBytes = end - start - requestHeaderBytes;
  const image = session.images.get(handle);
  if (image === undefined) throw new StoreError('STORE_NO_SUCH_IMAGE', 'io', `no image is open under handle ${handle}`);
  const bytes = nlb * image.blockSize;
  if (op === StoreOp.flush) {
    if (slba !== 0 || nlb !== 0) throw protocolError('a flush has no range');
  } else if (nlb === 0 || slba + nlb > image.blocks) {
    throw new StoreError('STORE_RANGE', 'range', `blocks ${slba}+${nlb} are outside ${image.name} (${image.blocks} blocks)`);
  }
  if (op === StoreOp.read && bytes > StoreLimit.payloadBytesMax) {
    throw new StoreError('STORE_RANGE', 'range', `a read of ${bytes} bytes exceeds ${StoreLimit.payloadBytesMax}`);
  }
  if (payloadBytes !== (op === StoreOp.write ? bytes : 0)) {
    throw protocolError(`operation ${op} on ${nlb} blocks came with ${payloadBytes} bytes of data`);
  }
  return {
    session, image, op, id, slba, nlb,
    address: session.address,
    clientName: session.name,
    mutation: isMutation(op),
    payload: op === StoreOp.write ? buffer.subarray(start + requestHeaderBytes, end) : null,
    answeredEarly: false,
  };
}
