import { describe, expect, it } from 'vitest';
import {
  ControllerConfig, ControllerStatus, decodeCap, decodeConnectInvalid, encodeConnectSqe, encodeDisconnectSqe, encodePropertySetSqe,
  encodeSqe, IoOpcode, Property, Status, version14,
} from '../../nvme/index.js';
import { fixture, nqn } from './testing/fixture.js';
import { RawHost, sendConnect, testHostId } from './testing/raw-host.js';
import { RawQueue } from './testing/raw-queue.js';
import type { CommandResult } from './testing/raw-queue.js';

const sqe = (offset: number): { offset: number; inData: boolean } => ({ offset, inData: false });
const data = (offset: number): { offset: number; inData: boolean } => ({ offset, inData: true });

function expectInvalid(result: CommandResult, at: { offset: number; inData: boolean }, dnr: boolean): void {
  expect(result.status).toBe(Status.connectInvalidParameters);
  expect(decodeConnectInvalid(result.dw0)).toEqual(at);
  expect(result.dnr).toBe(dnr);
}

describe('Connect, admin queue', () => {
  it('hands out controller ids of its range, going round before it uses one again', async () => {
    const { target, address } = await fixture();
    target.addSubsystem({ nqn: 'nqn.narrow', serial: '1', cntlidMin: 2041, cntlidMax: 2042 });
    await target.addListener('nqn.narrow', address);
    const first = await RawHost.connect(address, { subNqn: 'nqn.narrow' });
    expect(first.cntlid).toBe(2041);
    first.admin.destroy();
    const second = await RawHost.connect(address, { subNqn: 'nqn.narrow' });
    expect(second.cntlid).toBe(2042);
  });

  it('is busy, without DNR, when all controller ids are taken', async () => {
    const { target, address } = await fixture();
    target.addSubsystem({ nqn: 'nqn.one', serial: '1', cntlidMin: 7, cntlidMax: 7 });
    await target.addListener('nqn.one', address);
    await RawHost.connect(address, { subNqn: 'nqn.one' });
    const result = await sendConnect(await RawQueue.connect(address), { subNqn: 'nqn.one', qid: 0, cntlid: 0xffff });
    expect(result).toMatchObject({ status: Status.connectControllerBusy, dnr: false });
  });

  it.each([
    ['an unknown subsystem, which may come later', { subNqn: 'nqn.other' }, data(256), false],
    ['a chosen controller id', { cntlid: 5 }, data(16), true],
    ['a queue over CAP.MQES', { sqSize: 129 }, sqe(44), true],
    ['a queue of one entry', { sqSize: 1 }, sqe(44), true],
    ['an empty host NQN', { hostNqn: '' }, data(512), true],
  ])('refuses %s', async (_what, fields, at, dnr) => {
    const { address } = await fixture();
    const queue = await RawQueue.connect(address);
    expectInvalid(await sendConnect(queue, { subNqn: nqn, qid: 0, cntlid: 0xffff, ...fields }), at, dnr);
    // The connection is still good for a proper Connect.
    expect((await sendConnect(queue, { subNqn: nqn, qid: 0, cntlid: 0xffff })).status).toBe(0);
  });

  it('refuses a host that the subsystem does not allow', async () => {
    const { target, address } = await fixture();
    target.addSubsystem({ nqn: 'nqn.closed', serial: '1', cntlidMin: 1, cntlidMax: 9, allowedHosts: ['nqn.friend'] });
    await target.addListener('nqn.closed', address);
    const result = await sendConnect(await RawQueue.connect(address), { subNqn: 'nqn.closed', qid: 0, cntlid: 0xffff });
    expect(result).toMatchObject({ status: Status.connectInvalidHost, dnr: true });
    await RawHost.connect(address, { subNqn: 'nqn.closed', hostNqn: 'nqn.friend' });
  });

  it('refuses a subsystem at an address where it does not listen', async () => {
    const { target, address } = await fixture();
    target.addSubsystem({ nqn: 'nqn.elsewhere', serial: '1', cntlidMin: 1, cntlidMax: 9 });
    await target.addListener('nqn.elsewhere', { host: '127.0.0.1', port: 0 });
    expectInvalid(await sendConnect(await RawQueue.connect(address), { subNqn: 'nqn.elsewhere', qid: 0, cntlid: 0xffff }), data(256), false);
  });

  it('refuses another record format, a wrong data length, and a second Connect', async () => {
    const { address } = await fixture();
    const queue = await RawQueue.connect(address);
    expect((await sendConnect(queue, { subNqn: nqn, qid: 0, cntlid: 0xffff, recfmt: 1 })).status).toBe(Status.connectIncompatibleFormat);
    const short = encodeConnectSqe({ cid: queue.cid, qid: 0, sqSize: 32 });
    short.writeUInt32LE(512, 32);
    expect((await queue.command(short, { payload: Buffer.alloc(512) })).status).toBe(Status.dataSglLengthInvalid);
    expect((await sendConnect(queue, { subNqn: nqn, qid: 0, cntlid: 0xffff })).status).toBe(0);
    expect((await sendConnect(queue, { subNqn: nqn, qid: 0, cntlid: 0xffff })).status).toBe(Status.commandSequenceError);
  });
});

describe('Connect, I/O queue', () => {
  it('joins its controller and reports SQHD', async () => {
    const { host, target } = await fixture();
    const raw = await host();
    await raw.io(1);
    await raw.io(2);
    expect(target.connections().map(({ qid, cntlid, nqn: of }) => [of, cntlid, qid])).toEqual([[nqn, 1, 0], [nqn, 1, 1], [nqn, 1, 2]]);
  });

  it('needs an existing controller; its absence is not for ever', async () => {
    const { address } = await fixture();
    expectInvalid(await sendConnect(await RawQueue.connect(address), { subNqn: nqn, qid: 1, cntlid: 77 }), data(16), false);
  });

  it('needs the same host NQN and host id as the admin queue', async () => {
    const { address, host } = await fixture();
    const { cntlid } = await host();
    const queue = await RawQueue.connect(address);
    expectInvalid(await sendConnect(queue, { subNqn: nqn, qid: 1, cntlid, hostNqn: 'nqn.thief' }), data(512), true);
    expectInvalid(await sendConnect(queue, { subNqn: nqn, qid: 1, cntlid, hostId: Buffer.alloc(16, 9) }), data(0), true);
    expect((await sendConnect(queue, { subNqn: nqn, qid: 1, cntlid, hostId: testHostId })).status).toBe(0);
  });

  it('needs an enabled controller, a granted queue id, and one that is free', async () => {
    const { address } = await fixture({ ioQueuesMax: 2 });
    const host = await RawHost.connect(address, { subNqn: nqn }, false);
    const connect = async (qid: number): Promise<CommandResult> => sendConnect(await RawQueue.connect(address), { subNqn: nqn, qid, cntlid: host.cntlid });
    expect((await connect(1)).status).toBe(Status.commandSequenceError);
    await host.setCc(ControllerConfig.enabled);
    expectInvalid(await connect(3), sqe(42), true);
    expect((await connect(1)).status).toBe(0);
    expect((await connect(1)).status).toBe(Status.commandSequenceError);
  });

  it('reports SQHD FFFFh once SQ flow control is disabled, and counts it otherwise', async () => {
    const { host } = await fixture();
    const raw = await host();
    const flow = await raw.io(1, { sqSize: 4 });
    const heads = [];
    for (let i = 0; i < 5; i++) heads.push((await flow.flush(1)).cqe?.sqhd);
    expect(heads).toEqual([2, 3, 0, 1, 2]);
    const free = await raw.io(2, { cattr: 4 });
    expect((await free.flush(1)).cqe?.sqhd).toBe(0xffff);
  });
});

describe('properties', () => {
  it('answers CAP, VS, CC and CSTS, each in its own size', async () => {
    const { address } = await fixture();
    const host = await RawHost.connect(address, { subNqn: nqn }, false);
    expect(decodeCap((await host.property(Property.cap, true)).result)).toMatchObject({ maxQueueEntries: 128, contiguousQueues: true, nvmCommandSet: true });
    expect((await host.property(Property.vs)).dw0).toBe(version14);
    expect((await host.property(Property.csts)).dw0).toBe(0);
    await host.setCc(ControllerConfig.enabled);
    expect((await host.property(Property.cc)).dw0).toBe(ControllerConfig.enabled);
    expect((await host.property(Property.csts)).dw0).toBe(ControllerStatus.ready);
    expect((await host.property(Property.cap)).status).toBe(Status.invalidField);
    expect((await host.property(Property.vs, true)).status).toBe(Status.invalidField);
    expect((await host.property(Property.nssr)).status).toBe(Status.invalidField);
  });

  it('goes fatal for entry sizes that it does not have', async () => {
    const { address } = await fixture();
    const host = await RawHost.connect(address, { subNqn: nqn }, false);
    await host.setCc(ControllerConfig.enable);
    expect((await host.property(Property.csts)).dw0).toBe(ControllerStatus.fatal);
  });

  it('sets nothing but CC', async () => {
    const { host } = await fixture();
    const raw = await host();
    const set = encodePropertySetSqe({ cid: raw.admin.cid, size8: false, offset: Property.csts, value: 1n });
    expect((await raw.admin.command(set)).status).toBe(Status.invalidField);
  });

  it('a disable resets I/O queues and keeps the admin queue; a shutdown completes', async () => {
    const { host } = await fixture();
    const raw = await host();
    const io = await raw.io();
    await raw.setCc(0);
    expect(await io.queue.closed).toBe('reset');
    expect((await raw.property(Property.csts)).dw0).toBe(0);
    await raw.setCc(ControllerConfig.enabled | ControllerConfig.shutdownNormal);
    expect((await raw.property(Property.csts)).dw0 & ControllerStatus.shutdownMask).toBe(ControllerStatus.shutdownComplete);
  });

  it('property commands are for the admin queue', async () => {
    const { host } = await fixture();
    const io = await (await host()).io();
    const set = encodePropertySetSqe({ cid: io.queue.cid, size8: false, offset: Property.cc, value: 0n });
    expect((await io.queue.command(set)).status).toBe(Status.invalidField);
  });
});

describe('order', () => {
  it('commands before Connect, and before CSTS.RDY, are out of sequence', async () => {
    const { address } = await fixture();
    const queue = await RawQueue.connect(address);
    expect(await queue.command(encodeSqe({ opcode: IoOpcode.flush, cid: 1 }))).toMatchObject({ status: Status.commandSequenceError, dnr: true });
    const host = await RawHost.connect(address, { subNqn: nqn }, false);
    expect((await host.keepAlive()).status).toBe(Status.commandSequenceError);
  });

  it('Disconnect ends an I/O queue gently, and is not for the admin queue', async () => {
    const { host, target } = await fixture();
    const raw = await host();
    const io = await raw.io();
    expect((await io.queue.command(encodeDisconnectSqe({ cid: io.queue.cid }))).status).toBe(0);
    expect(await io.queue.closed).toBe('end');
    expect((await raw.admin.command(encodeDisconnectSqe({ cid: raw.admin.cid }))).status).toBe(Status.invalidQueueId);
    expect(target.connections()).toHaveLength(1);
  });

  it('refuses fused commands and PRPs', async () => {
    const { host } = await fixture();
    const io = await (await host()).io();
    expect((await io.queue.command(encodeSqe({ opcode: IoOpcode.flush, cid: io.queue.cid, nsid: 1, fuse: 1 }))).status).toBe(Status.invalidField);
    expect((await io.queue.command(encodeSqe({ opcode: IoOpcode.flush, cid: io.queue.cid, nsid: 1, psdt: 0 }))).status).toBe(Status.invalidField);
  });

  it('the loss of the admin queue ends the controller with all queues', async () => {
    const { host, target, events } = await fixture();
    const raw = await host();
    const io = await raw.io();
    raw.admin.destroy();
    expect(await io.queue.closed).toBe('reset');
    await expect.poll(() => target.connections(), { timeout: 10_000 }).toEqual([]);
    expect(events).toContainEqual({ type: 'controller-ended', nqn, cntlid: 1, hostNqn: expect.any(String) as string, cause: 'admin-queue-lost' });
  });
});
