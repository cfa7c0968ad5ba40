import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sleep } from '../../util/clock.js';
import { nbdBackend } from './backend.js';
import { NbdClient } from './client.js';
import { Errno, initMagic, optionMagic, replyMagic, simpleReplyMagic, TransmissionFlag } from './wire.js';

const program = 'qemu-storage-daemon';
const hasServer = spawnSync(program, ['--version']).status === 0;
const mebibyte = 1024 ** 2;

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'pathproof-nbd-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

describe.skipIf(!hasServer)('with the real qemu-storage-daemon', { timeout: 30_000 }, () => {
  let server: ChildProcess;
  let socket: string;
  let file: string;
  const serve = async (exportOptions = ''): Promise<void> => {
    socket = join(dir, 'nbd.sock');
    file = join(dir, 'disk');
    writeFileSync(file, Buffer.alloc(mebibyte));
    server = spawn(program, ['--blockdev', `driver=file,filename=${file},node-name=disk,discard=unmap`, '--nbd-server', `addr.type=unix,addr.path=${socket}`, '--export', `type=nbd,id=e,node-name=disk,name=disk,writable=on${exportOptions}`], { stdio: 'inherit' });
    for (let i = 0; i < 200 && !existsSync(socket); i++) await sleep(25);
  };
  afterEach(() => {
    server.kill('SIGKILL');
  });

  it('agrees on the export, and says which one there is not', async () => {
    await serve();
    const client = await NbdClient.open(socket, 'disk');
    expect(client.info).toMatchObject({ sizeBytes: mebibyte, minBlockBytes: 1 });
    expect(client.can('sendFua')).toBe(true);
    await client.close();
    await expect(NbdClient.open(socket, 'other')).rejects.toThrow(/refused the export/);
    await expect(NbdClient.open(join(dir, 'nobody'), 'disk')).rejects.toThrow(/ENOENT/);
  });

  it('reads back what was written, whatever the order and the overlap, and the file has it', async () => {
    await serve();
    const client = await NbdClient.open(socket, 'disk');
    const backend = nbdBackend(client, 512);
    expect(backend.blocks).toBe(2_048);
    const model = Buffer.alloc(mebibyte);
    await fc.assert(fc.asyncProperty(
      fc.array(fc.record({ slba: fc.integer({ min: 0, max: 2_000 }), nlb: fc.integer({ min: 1, max: 48 }), what: fc.constantFrom('write', 'zero', 'read'), fill: fc.integer({ min: 1, max: 255 }) }), { maxLength: 12 }),
      async (steps) => {
        for (const { slba, nlb, what, fill } of steps) {
          if (what === 'read') expect((await backend.read(slba, nlb)).equals(model.subarray(slba * 512, (slba + nlb) * 512))).toBe(true);
          else if (what === 'zero') await backend.writeZeroes(slba, nlb);
          else await backend.write(slba, Buffer.alloc(nlb * 512, fill));
          if (what !== 'read') model.fill(what === 'zero' ? 0 : fill, slba * 512, (slba + nlb) * 512);
        }
      },
    ), { numRuns: 30 });
    // Many at a time: each answer belongs to its own command.
    const reads = await Promise.all(Array.from({ length: 64 }, (_, i) => backend.read(i * 32, 32)));
    expect(Buffer.concat(reads).equals(model)).toBe(true);
    await backend.deallocate(0, 8);
    await backend.flush();
    const stored = readFileSync(file);
    expect(stored.subarray(4_096).equals(model.subarray(4_096))).toBe(true);
    await client.close();
  });

  it('refuses what lies outside, and tells an error of the storage from the end of the server', async () => {
    await serve();
    const client = await NbdClient.open(socket, 'disk');
    const backend = nbdBackend(client, 512);
    await expect(backend.read(2_040, 9)).rejects.toMatchObject({ kind: 'range' });
    await expect(client.read(mebibyte, 512)).rejects.toMatchObject({ errno: Errno.EINVAL });
    const hanging = backend.read(0, 1).then(() => 'answered', (error: unknown) => error);
    server.kill('SIGKILL');
    await client.lost;
    expect(['answered', expect.objectContaining({ kind: 'unreachable' })]).toContainEqual(await hanging);
    await expect(backend.write(0, Buffer.alloc(512))).rejects.toMatchObject({ kind: 'unreachable' });
  });
});

/** A server that agrees to everything and then answers as it is told. */
async function scripted(answer: (request: Buffer, socket: Socket) => void, flags: number = TransmissionFlag.hasFlags): Promise<{ path: string; server: Server }> {
  const path = join(dir, 'scripted');
  const server = createServer((socket) => {
    const greeting = Buffer.alloc(18);
    greeting.writeBigUInt64BE(initMagic, 0);
    greeting.writeBigUInt64BE(optionMagic, 8);
    greeting.writeUInt16BE(3, 16);
    socket.write(greeting);
    socket.once('data', () => {
      const reply = (type: number, data: Buffer): Buffer => {
        const header = Buffer.alloc(20);
        header.writeBigUInt64BE(replyMagic, 0);
        header.writeUInt32BE(7, 8);
        header.writeUInt32BE(type, 12);
        header.writeUInt32BE(data.length, 16);
        return Buffer.concat([header, data]);
      };
      const info = Buffer.alloc(12);
      info.writeBigUInt64BE(BigInt(mebibyte), 2);
      info.writeUInt16BE(flags, 10);
      socket.write(Buffer.concat([reply(3, info), reply(1, Buffer.alloc(0))]));
      socket.on('data', (chunk: Buffer) => answer(chunk, socket));
    });
    socket.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => {
    server.listen(path, resolve);
  });
  return { path, server };
}

function answerTo(request: Buffer, errno: number, cookie = request.readBigUInt64BE(8)): Buffer {
  const reply = Buffer.alloc(16);
  reply.writeUInt32BE(simpleReplyMagic, 0);
  reply.writeUInt32BE(errno, 4);
  reply.writeBigUInt64BE(cookie, 8);
  return reply;
}

describe('with a server that fails', () => {
  it.each([[Errno.ESHUTDOWN, 'fenced'], [Errno.ENOSPC, 'no-space'], [Errno.EIO, 'io'], [Errno.EPERM, 'io']])('error %i is %s', async (errno, kind) => {
    const { path, server } = await scripted((request, socket) => socket.write(answerTo(request, errno)));
    const client = await NbdClient.open(path, 'x');
    await expect(nbdBackend(client, 512).write(0, Buffer.alloc(512))).rejects.toMatchObject({ kind });
    await client.close();
    server.close();
  });

  it('without FUA a write is done when the flush behind it is', async () => {
    const seen: number[] = [];
    const { path, server } = await scripted((request, socket) => {
      seen.push(request.readUInt16BE(6));
      socket.write(answerTo(request, 0));
    }, TransmissionFlag.hasFlags | TransmissionFlag.sendFlush);
    const client = await NbdClient.open(path, 'x');
    await nbdBackend(client, 512).write(0, Buffer.alloc(512));
    expect(seen).toEqual([1, 3]);
    await client.close();
    server.close();
  });

  it.each([
    ['an answer to nothing', (request: Buffer) => answerTo(request, 0, 77n)],
    ['other bytes', () => Buffer.alloc(16, 9)],
  ])('%s ends the connection: no later answer can be trusted', async (_what, bytes) => {
    const { path, server } = await scripted((request, socket) => socket.write(bytes(request)));
    const client = await NbdClient.open(path, 'x');
    await expect(client.flush()).rejects.toThrow(/answer to nothing|no reply of an NBD server/);
    await expect(client.flush()).rejects.toThrow(/answer to nothing|no reply of an NBD server/);
    server.close();
  });
});
