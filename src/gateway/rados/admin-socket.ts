import { connect } from 'node:net';

const answerMaxBytes = 16 * 1024 ** 2;

/**
 * Asks the admin socket of a Ceph process or client (ceph/src/common/admin_socket.cc): a JSON object that ends with a zero byte; the
 * answer is its length, 32 bits big-endian, and so many bytes. Resolves with the parsed JSON; rejects when nobody answers in time.
 */
export function askAdminSocket(path: string, command: Record<string, unknown>, timeoutMs = 5_000): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path });
    const chunks: Buffer[] = [];
    const timer = setTimeout(() => socket.destroy(new Error(`no answer to ${JSON.stringify(command)} within ${timeoutMs} ms`)), timeoutMs);
    let failure: Error | undefined;
    socket.on('connect', () => socket.write(`${JSON.stringify({ ...command, format: 'json' })}\0`));
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      const all = Buffer.concat(chunks);
      if (all.length < 4) return;
      const length = all.readUInt32BE(0);
      if (length > answerMaxBytes) return void socket.destroy(new Error(`an answer of ${length} bytes`));
      if (all.length < 4 + length) return;
      clearTimeout(timer);
      socket.destroy();
      try {
        resolve(JSON.parse(all.toString('utf8', 4, 4 + length)) as unknown);
      } catch {
        reject(new Error(`no JSON in the answer to ${JSON.stringify(command)}: ${all.toString('utf8', 4, 4 + Math.min(length, 200))}`));
      }
    });
    socket.on('error', (error) => {
      failure = error;
    });
    socket.on('close', () => {
      clearTimeout(timer);
      reject(failure ?? new Error('the admin socket was closed before it had answered'));
    });
  });
}
