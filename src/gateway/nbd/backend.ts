import { BackendError, type BlockBackend } from '../backend.js';
import { NbdError, NbdLost, type NbdClient } from './client.js';
import { Errno } from './wire.js';

/**
 * A namespace on an NBD export, e.g. of qemu-storage-daemon with its rbd driver. A write resolves when it is durable:
 * with FUA where the server can, else with a flush behind it.
 *
 * librbd ends what a blocklisted client asks for with ESHUTDOWN, and so does QEMU's driver on top of it: `fenced`.
 * A server that is gone is `unreachable`; what it had under way may have been done or not.
 */
export function nbdBackend(client: NbdClient, blockSize: number): BlockBackend {
  const blocks = Math.floor(client.info.sizeBytes / blockSize);
  const fua = client.can('sendFua');
  const bytes = (slba: number, nlb: number): [number, number] => {
    if (slba < 0 || nlb < 1 || slba + nlb > blocks) throw new BackendError('range', `blocks ${slba} to ${slba + nlb - 1} of ${blocks}`);
    return [slba * blockSize, nlb * blockSize];
  };
  const durable = async (change: Promise<void>): Promise<void> => {
    await change;
    if (!fua && client.can('sendFlush')) await client.flush();
  };
  return {
    blockSize, blocks,
    read: (slba, nlb) => told(async () => client.read(...bytes(slba, nlb))),
    write: (slba, data) => told(async () => durable(client.write(bytes(slba, data.length / blockSize)[0], data, { fua }))),
    flush: () => told(async () => (client.can('sendFlush') ? client.flush() : undefined)),
    writeZeroes: (slba, nlb) => told(async () => {
      const [offset, length] = bytes(slba, nlb);
      await durable(client.can('sendWriteZeroes') ? client.writeZeroes(offset, length, { fua }) : client.write(offset, Buffer.alloc(length), { fua }));
    }),
    // Only advice (NVM command set, Dataset Management): without it the blocks stay as they are.
    deallocate: (slba, nlb) => told(async () => (client.can('sendTrim') ? client.trim(...bytes(slba, nlb)) : undefined)),
  };
}

async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NbdLost) throw new BackendError('unreachable', error.message);
    if (!(error instanceof NbdError)) throw error;
    throw new BackendError(error.errno === Errno.ESHUTDOWN ? 'fenced' : error.errno === Errno.ENOSPC ? 'no-space' : 'io', error.message);
  }
}
