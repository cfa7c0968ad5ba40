import { describe, expect, it } from 'vitest';
import {
  abortCommand, anaLogMaxBytes, anaLogRgo, Cmic, Cns, decodeActiveNsList, decodeChangedNamespaces, decodeErrorLog, decodeIdentifyController,
  decodeIdentifyNamespace, decodeNsDescriptors, decodeNumberOfQueues, decodeSmartLog, encodeNumberOfQueues, encodeSqe, FeatureId, formatUuid,
  getFeaturesCommand, getLogCommand, inCapsuleDataBytes, isInactiveNamespace, LogId, maxTransferBytes, namespaceGeometry, setFeaturesCommand,
  Status, wasAborted,
} from '../../nvme/index.js';
import { fixture, nguidOf, nqn, pattern, uuidOf } from './testing/fixture.js';
import { MemoryBackend } from './testing/memory-backend.js';
import type { RawHost } from './testing/raw-host.js';
import type { CommandResult } from './testing/raw-queue.js';

const setFeature = (host: RawHost, fid: number, value: number, save = false): Promise<CommandResult> =>
  host.admin.command(setFeaturesCommand({ cid: host.admin.cid, fid, value, save }));
const getFeature = (host: RawHost, fid: number, select = 0): Promise<CommandResult> =>
  host.admin.command(getFeaturesCommand({ cid: host.admin.cid, fid, select }));

describe('Identify', () => {
  it('controller: what a multipath host needs to see', async () => {
    const { host } = await fixture({ inCapsuleBytes: 8192, mdts: 5, anattS: 7 });
    const raw = await host();
    const id = decodeIdentifyController((await raw.identify(Cns.controller)).data);
    expect(id).toMatchObject({
      sn: 'PP0001', cntlid: 1, subnqn: nqn, cntrltype: 1, cmic: Cmic.multiPort | Cmic.multiController | Cmic.ana,
      anatt: 7, anagrpmax: 16, nanagrpid: 16, nn: 1024, mnan: 1024, kas: 1, sqes: 0x66, cqes: 0x44, aerl: 3, vwc: 0, fuses: 0, ctratt: 1,
    });
    expect(inCapsuleDataBytes(id)).toBe(8192);
    expect(maxTransferBytes(id)).toBe(128 * 1024);
    // Linux disables ANA if the log does not fit in one transfer.
    expect(anaLogMaxBytes(id)).toBeLessThanOrEqual(maxTransferBytes(id));
  });

  it('namespace, its descriptors, and the active list', async () => {
    const { host, target } = await fixture();
    target.addNamespace(nqn, { nsid: 300, uuid: uuidOf(300), nguid: nguidOf(300), anaGroup: 3, backend: new MemoryBackend(16, 4096) });
    const raw = await host();
    const ns = decodeIdentifyNamespace((await raw.identify(Cns.namespace, 300)).data);
    expect(namespaceGeometry(ns)).toEqual({ blockSize: 4096, blocks: 16 });
    expect(ns).toMatchObject({ anagrpid: 3, nmic: 1, nguid: Buffer.from(nguidOf(300), 'hex') });
    const descriptors = decodeNsDescriptors((await raw.identify(Cns.namespaceDescriptors, 300)).data);
    expect(formatUuid(descriptors.uuid!)).toBe(uuidOf(300));
    expect(descriptors).toMatchObject({ nguid: ns.nguid, csi: 0 });
    expect(decodeActiveNsList((await raw.identify(Cns.activeNamespaces, 0)).data)).toEqual([1, 2, 300]);
    expect(decodeActiveNsList((await raw.identify(Cns.activeNamespaces, 2)).data)).toEqual([300]);
  });

  it('a namespace that cannot be reached is there, with nothing known to be in use', async () => {
    const { host } = await fixture({}, 'inaccessible');
    const ns = decodeIdentifyNamespace((await (await host()).identify(Cns.namespace, 1)).data);
    expect(ns).toMatchObject({ nsze: 1024, ncap: 1024, nuse: 0 });
  });

  it('an inactive nsid gives zeroes, an impossible one an error with DNR', async () => {
    const { host } = await fixture();
    const raw = await host();
    expect(isInactiveNamespace(decodeIdentifyNamespace((await raw.identify(Cns.namespace, 9)).data))).toBe(true);
    for (const [cns, nsid] of [[Cns.namespace, 0], [Cns.namespace, 1025], [Cns.namespaceDescriptors, 9], [Cns.activeNamespaces, 0xfffffffe]] as const) {
      expect(await raw.identify(cns, nsid)).toMatchObject({ status: Status.invalidNamespace, dnr: true });
    }
    expect((await raw.identify(Cns.ioCommandSets)).status).toBe(Status.invalidField);
  });
});

describe('Get Log Page', () => {
  it('ANA log: groups with namespaces, ascending nsids, current states; RGO leaves the lists out', async () => {
    const { host, target } = await fixture();
    for (const nsid of [9, 4]) target.addNamespace(nqn, { nsid, uuid: uuidOf(nsid), nguid: nguidOf(nsid), anaGroup: 1, backend: new MemoryBackend(8) });
    await target.setAnaState(nqn, 2, 'inaccessible');
    const raw = await host();
    const log = await raw.ana();
    expect(log.groups.map(({ id, state, nsids }) => ({ id, state, nsids }))).toEqual([
      { id: 1, state: 'optimized', nsids: [1, 4, 9] }, { id: 2, state: 'inaccessible', nsids: [2] },
    ]);
    const rgo = await raw.ana({ lsp: anaLogRgo });
    expect(rgo.groups.map(({ id, state, nsids }) => ({ id, state, nsids }))).toEqual([
      { id: 1, state: 'optimized', nsids: [] }, { id: 2, state: 'inaccessible', nsids: [] },
    ]);
    await target.setAnaState(nqn, 2, 'change');
    const later = await raw.ana();
    expect(later.changeCount).toBeGreaterThan(log.changeCount);
    expect(later.groups[1]!.changeCount).toBe(log.groups[1]!.changeCount + 1);
    expect(later.groups[0]!.changeCount).toBe(log.groups[0]!.changeCount);
  });

  it('any part by offset and length, zeroes behind the end', async () => {
    const { host } = await fixture();
    const raw = await host();
    const whole = (await raw.log(LogId.ana, 256)).data;
    const size = 16 + 2 * (32 + 4);
    expect((await raw.log(LogId.ana, 32, { offset: 16 })).data).toEqual(whole.subarray(16, 48));
    const tail = (await raw.log(LogId.ana, 64, { offset: size - 8 })).data;
    expect(tail.subarray(0, 8)).toEqual(whole.subarray(size - 8, size));
    expect(tail.subarray(8)).toEqual(Buffer.alloc(56));
    expect((await raw.log(LogId.ana, 64, { offset: size + 4 })).status).toBe(Status.invalidField);
  });

  it('changed namespaces: listed until read without RAE', async () => {
    const { host, target } = await fixture();
    const raw = await host();
    target.addNamespace(nqn, { nsid: 5, uuid: uuidOf(5), nguid: nguidOf(5), anaGroup: 1, backend: new MemoryBackend(8) });
    target.removeNamespace(nqn, 2);
    const changed = async (rae: boolean): Promise<number[]> => decodeChangedNamespaces((await raw.log(LogId.changedNamespaces, 4096, { rae })).data).nsids;
    expect(await changed(true)).toEqual([2, 5]);
    expect(await changed(false)).toEqual([2, 5]);
    expect(await changed(false)).toEqual([]);
  });

  it('SMART counts what hosts did; the error log is empty', async () => {
    const { host } = await fixture();
    const raw = await host();
    const io = await raw.io();
    await io.write(1, 0, pattern(4096));
    await io.read(1, 0, 8);
    await io.read(1, 0, 8);
    const smart = decodeSmartLog((await raw.log(LogId.smart, 512)).data);
    expect(smart).toMatchObject({ hostReadCommands: 2n, hostWriteCommands: 1n, dataUnitsRead: 1n, dataUnitsWritten: 1n, criticalWarning: 0 });
    expect(decodeErrorLog((await raw.log(LogId.error, 64)).data)).toEqual([]);
  });

  it('refuses unknown logs, transfers over MDTS and a descriptor that is too short', async () => {
    const { host } = await fixture();
    const raw = await host();
    expect(await raw.log(0xc5, 512)).toMatchObject({ status: Status.invalidLogPage, dnr: true });
    expect((await raw.log(LogId.discovery, 1024)).status).toBe(Status.invalidLogPage);
    expect((await raw.log(LogId.ana, 128 * 1024 + 4)).status).toBe(Status.invalidField);
    const short = getLogCommand({ cid: raw.admin.cid, lid: LogId.ana, bytes: 64 });
    short.writeUInt32LE(32, 32);
    expect((await raw.admin.command(short)).status).toBe(Status.dataSglLengthInvalid);
  });
});

describe('features', () => {
  it('number of queues: grants at most what it has, and only before I/O queues exist', async () => {
    const { host } = await fixture({ ioQueuesMax: 4 });
    const raw = await host();
    expect(decodeNumberOfQueues((await setFeature(raw, FeatureId.numberOfQueues, encodeNumberOfQueues({ submission: 9, completion: 9 }))).dw0)).toEqual({ submission: 4, completion: 4 });
    expect(decodeNumberOfQueues((await setFeature(raw, FeatureId.numberOfQueues, encodeNumberOfQueues({ submission: 2, completion: 3 }))).dw0)).toEqual({ submission: 2, completion: 2 });
    expect(decodeNumberOfQueues((await getFeature(raw, FeatureId.numberOfQueues)).dw0)).toEqual({ submission: 2, completion: 2 });
    expect((await setFeature(raw, FeatureId.numberOfQueues, 0xffff)).status).toBe(Status.invalidField);
    await raw.io(1);
    expect((await setFeature(raw, FeatureId.numberOfQueues, 0)).status).toBe(Status.commandSequenceError);
  });

  it('keep alive timer: rounded up to 100 ms', async () => {
    const { host } = await fixture();
    const raw = await host({ katoMs: 15_001 });
    expect((await getFeature(raw, FeatureId.keepAliveTimer)).dw0).toBe(15_100);
    await setFeature(raw, FeatureId.keepAliveTimer, 20_000);
    expect((await getFeature(raw, FeatureId.keepAliveTimer)).dw0).toBe(20_000);
  });

  it('asynchronous events: those of OAES are on at first, unknown bits are refused', async () => {
    const { host } = await fixture();
    const raw = await host();
    expect((await getFeature(raw, FeatureId.asyncEventConfig)).dw0).toBe(0x900);
    expect((await setFeature(raw, FeatureId.asyncEventConfig, 0x8000_0000)).status).toBe(Status.invalidField);
    expect((await setFeature(raw, FeatureId.asyncEventConfig, 0x100)).status).toBe(0);
    expect((await getFeature(raw, FeatureId.asyncEventConfig)).dw0).toBe(0x100);
  });

  it('refuses what it does not have: other features, saving, other selections', async () => {
    const { host } = await fixture();
    const raw = await host();
    expect((await getFeature(raw, 0x06)).status).toBe(Status.invalidField);
    expect((await setFeature(raw, 0x06, 1)).status).toBe(Status.invalidField);
    expect((await setFeature(raw, FeatureId.keepAliveTimer, 1000, true)).status).toBe(Status.featureNotSaveable);
    expect((await getFeature(raw, FeatureId.keepAliveTimer, 3)).status).toBe(Status.invalidField);
  });
});

describe('other admin commands', () => {
  it('Abort takes back an event request, and nothing else', async () => {
    const { host } = await fixture();
    const raw = await host();
    const cid = 900;
    const event = raw.admin.command(encodeSqe({ opcode: 0x0c, cid }));
    const abort = (abortCid: number): Promise<CommandResult> => raw.admin.command(abortCommand({ cid: raw.admin.cid, sqid: 0, abortCid }));
    expect(wasAborted((await abort(cid)).dw0)).toBe(true);
    expect(await event).toMatchObject({ status: Status.abortRequested, dnr: false });
    expect(wasAborted((await abort(cid)).dw0)).toBe(false);
  });

  it('refuses unknown opcodes and a command id in use', async () => {
    const { host } = await fixture();
    const raw = await host();
    expect(await raw.admin.command(encodeSqe({ opcode: 0xc1, cid: raw.admin.cid }))).toMatchObject({ status: Status.invalidOpcode, dnr: true });
    const cid = 901;
    void raw.admin.command(encodeSqe({ opcode: 0x0c, cid }));
    const conflict = await raw.admin.command(encodeSqe({ opcode: 0x18, cid }));
    expect(conflict.status).toBe(Status.commandIdConflict);
  });
});
