import { describe, expect, it } from 'vitest';
import { AdminOpcode, encodeConnectResult, FabricsType, IoOpcode, Status } from '../../nvme/index.js';
import type { HostOptions } from './options.js';
import { fakeNamespace } from './testing/fake-subsystem.js';
import { block, cleanUpAfterEach, connected, eventually, gate, makeHost, startTarget, until } from './testing/fixture.js';
import type { Bench } from './testing/fixture.js';
import type { FakeTargetOptions } from './testing/fake-target.js';

cleanUpAfterEach();

const two = (options: Partial<HostOptions> = {}, target: Partial<FakeTargetOptions> = {}): Promise<Bench> =>
  connected([target, { ...target, ana: { 1: 'optimized' } }], options);
const states = (bench: Bench, controller: string): string[] =>
  bench.events.flatMap((event) => (event.type === 'host.controller' && event.controller === controller ? [`${event.state}:${event.cause ?? ''}`] : []));

describe('connecting', () => {
  it('runs the whole sequence in order', async () => {
    const bench = await connected([{}], { ioQueues: 2, katoMs: 60_000 });
    const names = bench.targets[0]!.seen.map(({ sqe, fctype, qid }) => (fctype === null ? `admin ${sqe.opcode.toString(16)}` : `fabrics ${fctype} q${qid}`));
    // Connect is seen before its queue has an id.
    expect(names.slice(0, 4)).toEqual(['fabrics 1 q-1', 'fabrics 4 q0', 'fabrics 4 q0', 'fabrics 0 q0']);
    const admin = names.filter((name) => name.startsWith('admin'));
    expect(admin.slice(0, 5)).toEqual(['admin 6', 'admin 9', 'admin 9', 'admin 2', 'admin c']);
    expect(names.filter((name) => name === 'fabrics 1 q-1')).toHaveLength(3);
    expect(bench.host.controllers()[0]!.session!.io).toHaveLength(2);
  });

  it('takes as many I/O queues as it is granted', async () => {
    const target = await startTarget({ namespaces: [fakeNamespace(1)] });
    target.script = ({ sqe, kind }) => (kind === 'admin' && sqe.opcode === AdminOpcode.setFeatures && (sqe.cdw10 & 0xff) === 7 ? { raw: (at, cid) => at.respond({ cid, dw0: 0x0000_0001 }) } : undefined);
    const { host } = makeHost([target], { ioQueues: 4 });
    await host.connectAll();
    expect(host.controllers()[0]!.session!.io).toHaveLength(1);
  });

  it('waits for CSTS.RDY, but not longer than CAP.TO allows', async () => {
    const slow = await connected([{ readyMs: 120 }]);
    expect(slow.host.controllers()[0]!.state).toBe('live');
    const target = await startTarget({ namespaces: [fakeNamespace(1)], readyMs: 60_000 });
    const { host } = makeHost([target], { ctrlLossTmoMs: 0 });
    await expect(host.connectAll()).rejects.toMatchObject({ code: 'HOST_NOT_CONNECTED' });
    expect(host.controllers()[0]!.lastError).toContain('CSTS.RDY');
  });

  it.each([
    ['another subsystem', { identify: { subnqn: 'nqn.2026-01.io.pathproof:other' } }, 'names subsystem'],
    ['an in-capsule data offset', { identify: { icdoff: 1 } }, 'in-capsule data offset'],
  ])('removes a controller that has %s', async (_name, options, message) => {
    const target = await startTarget({ namespaces: [fakeNamespace(1)], ...options });
    const { host } = makeHost([target]);
    await expect(host.connectAll()).rejects.toMatchObject({ code: 'HOST_NOT_CONNECTED' });
    expect(host.controllers()[0]).toMatchObject({ state: 'dead' });
    expect(host.controllers()[0]!.lastError).toContain(message);
  });

  it('refuses a controller id that a live controller has', async () => {
    const namespaces = [fakeNamespace(1)];
    const a = await startTarget({ namespaces, cntlid: 5 });
    const b = await startTarget({ namespaces, cntlid: 5 });
    const { host } = makeHost([a, b]);
    await host.connectAll();
    await until(() => host.controllers().every((controller) => controller.state === 'live'));
    // The second attempt got the next id.
    expect(host.controllers().map((controller) => controller.cntlid).sort()).toEqual([5, 6]);
    expect(host.counters().connectFailures).toBe(1);
  });

  it('removes a controller that wants authentication', async () => {
    const target = await startTarget({ namespaces: [fakeNamespace(1)] });
    target.script = ({ fctype }) => (fctype === FabricsType.connect ? { raw: (at, cid) => at.respond({ cid, dw0: encodeConnectResult({ cntlid: 1, atr: true }) }) } : undefined);
    const { host } = makeHost([target]);
    await expect(host.connectAll()).rejects.toThrow();
    expect(host.controllers()[0]!.lastError).toContain('authentication');
  });

  it('goes on with the paths that it got', async () => {
    const target = await startTarget({ namespaces: [fakeNamespace(1)] });
    const { host } = makeHost([target, target], {});
    const dead = await startTarget({ namespaces: [] });
    await dead.kill();
    host.addController({ gateway: 'gone', host: '127.0.0.1', port: dead.port });
    await host.connectAll();
    expect(host.controllers().map((controller) => controller.state)).toEqual(['live', 'live', 'connecting']);
  });
});

describe('a Connect answered with an error', () => {
  it('with DNR removes the controller at once', async () => {
    const bench = await connected([{}], { ctrlLossTmoMs: -1 });
    const [target] = bench.targets;
    target!.script = ({ fctype }) => (fctype === FabricsType.connect ? { status: Status.connectInvalidHost, dnr: true } : undefined);
    target!.resetConnections();
    const gone = await eventually(bench, 'host.controller', ({ state }) => state === 'dead');
    expect(gone.cause).toBe('connect-dnr');
    expect(bench.host.counters()).toMatchObject({ connectDnr: 1, connectFailures: 1 });
  });

  it('without DNR is tried again', async () => {
    const bench = await connected([{}]);
    const [target] = bench.targets;
    let refusals = 3;
    target!.script = ({ fctype }) => (fctype === FabricsType.connect && refusals-- > 0 ? { status: Status.connectControllerBusy } : undefined);
    target!.resetConnections();
    await eventually(bench, 'host.controller', ({ cause }) => cause === 'reconnected');
    expect(bench.host.counters().connectFailures).toBe(3);
  });
});

describe('keep-alive', () => {
  it('is sent at KATO/2', async () => {
    const bench = await connected([{}], { katoMs: 200 });
    await until(() => bench.host.counters().keepAlivesSent! >= 3);
    expect(bench.host.counters()).toMatchObject({ resets: 0, keepAliveFailures: 0 });
  });

  it('is left out with TBKAS while other commands are answered', async () => {
    const bench = await connected([{ identify: { ctratt: 1 << 6 } }], { katoMs: 400 });
    const [head] = bench.host.heads();
    while (bench.host.counters().keepAlivesSkipped! < 3) await head!.flush();
    expect(bench.host.counters().resets).toBe(0);
  });

  it('without an answer moves I/O to the other path, silent as the target is', async () => {
    const bench = await two({ katoMs: 300 });
    const [head] = bench.host.heads();
    const silent = head!.currentPath!.controllerName === 'nvme0' ? 0 : 1;
    bench.targets[silent]!.script = () => 'drop';
    const result = await head!.write(1, block(3));
    expect(result).toMatchObject({ outcome: 'ok', sends: 2, path: `gw${2 - silent}:nvme${1 - silent}:q1` });
    await eventually(bench, 'host.controller', ({ cause, state }) => state === 'resetting' && cause === 'keep-alive-timeout');
    const move = await eventually(bench, 'host.failover', ({ cause }) => cause === 'keep-alive-timeout');
    expect(move).toMatchObject({ from: `nvme0c${silent}n1`, to: `nvme0c${1 - silent}n1`, inflight: 1 });
    expect(bench.host.counters()).toMatchObject({ keepAliveFailures: 1, failovers: 1 });
  });

  it('answered with an error resets the controller', async () => {
    const bench = await connected([{}], { katoMs: 200 });
    let failing = true;
    bench.targets[0]!.script = ({ sqe, kind }) => (kind === 'admin' && sqe.opcode === AdminOpcode.keepAlive && failing ? { status: Status.internalError } : undefined);
    await eventually(bench, 'host.controller', ({ cause }) => cause === 'keep-alive-error');
    failing = false;
    await eventually(bench, 'host.controller', ({ cause }) => cause === 'reconnected');
  });
});

describe('recovery', () => {
  it('after an I/O timeout cancels everything, fails over, and ignores what comes late', async () => {
    const bench = await two({ ioTimeoutMs: 250, policy: 'numa', preferred: 'gw1' });
    const [head] = bench.host.heads();
    const late = gate();
    let answered = false;
    bench.targets[0]!.script = ({ kind, connection, sqe }) => {
      if (kind !== 'io') return undefined;
      void late.promise.then(() => {
        connection.respond({ cid: sqe.cid, status: Status.internalError, dnr: true });
        answered = true;
      });
      return 'drop';
    };
    const ios = await Promise.all([head!.write(0, block(1)), head!.read(4, 1)]);
    expect(ios).toMatchObject([{ outcome: 'ok', sends: 2, path: 'gw2:nvme1:q1' }, { outcome: 'ok', sends: 2 }]);
    late.open();
    await until(() => answered);
    expect(states(bench, 'nvme0').slice(2, 4)).toEqual(['resetting:io-timeout', 'connecting:io-timeout']);
    expect(bench.host.counters()).toMatchObject({ ioTimeouts: 1, failovers: 2, iosOk: 2, iosFailed: 0 });
  });

  it('after an admin timeout', async () => {
    const bench = await connected([{}], { adminTimeoutMs: 250 });
    bench.targets[0]!.script = ({ sqe, kind }) => (kind === 'admin' && sqe.opcode === AdminOpcode.getLogPage ? 'drop' : undefined);
    bench.targets[0]!.setAna(1, 'non-optimized');
    await eventually(bench, 'host.controller', ({ cause }) => cause === 'admin-timeout');
    bench.targets[0]!.script = () => undefined;
    await eventually(bench, 'host.controller', ({ cause }) => cause === 'reconnected');
    expect(bench.host.heads()[0]!.currentPath!.ana).toBe('non-optimized');
  });

  it('tells apart a reset connection and one that was closed', async () => {
    const bench = await connected([{}]);
    bench.targets[0]!.resetConnections();
    await eventually(bench, 'host.controller', ({ cause, state }) => state === 'resetting' && cause === 'transport-reset');
    await eventually(bench, 'host.controller', ({ cause }) => cause === 'reconnected');
    for (const connection of bench.targets[0]!.connections) connection.socket.end();
    await eventually(bench, 'host.controller', ({ cause, state }) => state === 'resetting' && cause === 'transport-closed');
  });

  it('shows states and paths in the order in which Linux goes through them', async () => {
    const bench = await two({ preferred: 'gw1' });
    bench.events.length = 0;
    bench.targets[0]!.resetConnections();
    await eventually(bench, 'host.controller', ({ cause }) => cause === 'reconnected');
    await until(() => bench.host.heads()[0]!.currentPath!.gateway === 'gw1');
    const order = bench.events.filter((event) => !('controller' in event) || event.controller === 'nvme0').map((event) => {
      if (event.type === 'host.controller') return event.state;
      if (event.type === 'host.path') return event.usable ? 'usable' : `unusable while ${event.controllerState}`;
      return event.type === 'host.failover' ? `${String(event.from)} → ${String(event.to)}` : event.type;
    });
    expect(order).toEqual([
      'resetting', 'unusable while resetting', 'nvme0c0n1 → nvme0c1n1', 'connecting', 'unusable while connecting', 'host.ana-states', 'live', 'usable', 'nvme0c1n1 → nvme0c0n1',
    ]);
  });

  it('re-identifies: fewer queues and another controller id are taken over', async () => {
    const bench = await connected([{}], { ioQueues: 3 });
    const [controller] = bench.host.controllers();
    const before = controller!.cntlid;
    bench.targets[0]!.script = ({ sqe, kind }) => (kind === 'admin' && sqe.opcode === AdminOpcode.setFeatures && (sqe.cdw10 & 0xff) === 7 ? { raw: (at, cid) => at.respond({ cid, dw0: 0 }) } : undefined);
    bench.targets[0]!.resetConnections();
    await eventually(bench, 'host.controller', ({ cause }) => cause === 'reconnected');
    expect(controller!.session!.io).toHaveLength(1);
    expect(controller!.cntlid).not.toBe(before);
    expect(await bench.host.heads()[0]!.flush()).toMatchObject({ outcome: 'ok' });
  });

  it('loses nothing when connections are reset again and again under I/O', async () => {
    const bench = await two({ reconnectDelayMs: 10 }, { inCapsuleBytes: 512 });
    const [head] = bench.host.heads();
    let writes = 0;
    const worker = async (slot: number): Promise<void> => {
      for (let i = 0; i < 60; i += 1) {
        const data = block((slot * 60 + i) & 0xff, 1_024);
        const write = await head!.write(slot * 2, data);
        expect(write.outcome).toBe('ok');
        const read = await head!.read(slot * 2, 2);
        expect(read.data!.equals(data)).toBe(true);
        if (++writes % 40 === 0) bench.targets[(writes / 40) % 2]!.resetConnections();
      }
    };
    await Promise.all(Array.from({ length: 8 }, (_, slot) => worker(slot)));
    expect(bench.host.counters().resets).toBeGreaterThan(4);
    expect(bench.host.counters()).toMatchObject({ iosFailed: 0, iosInfo: 0 });
  });
});

describe('ctrl_loss_tmo', () => {
  it('is an attempt count, ceil(tmo / delay); then the controller is dead and I/O fails NO_PATH', async () => {
    const bench = await connected([{}], { reconnectDelayMs: 40, ctrlLossTmoMs: 100 });
    const [head] = bench.host.heads();
    await bench.targets[0]!.kill();
    await eventually(bench, 'host.controller', ({ state }) => state === 'resetting');
    const queued = head!.write(0, block(1));
    await eventually(bench, 'host.queue', ({ state }) => state === 'queueing');
    expect(await queued).toMatchObject({ outcome: 'fail', code: 'NO_PATH', sends: 0 });
    expect(states(bench, 'nvme0').slice(-2)).toEqual(['deleting:ctrl-loss', 'dead:ctrl-loss']);
    // The first connect, then three.
    expect(bench.host.counters()).toMatchObject({ connectAttempts: 4, connectFailures: 3, controllersRemoved: 1, noPathFailures: 1 });
    expect(await head!.read(0, 1)).toMatchObject({ outcome: 'fail', code: 'NO_PATH' });
    expect(bench.host.heads()).toEqual([]);
    expect(bench.events).toContainEqual(expect.objectContaining({ type: 'host.path-gone', path: 'nvme0c0n1', cause: 'ctrl-loss' }));
  });

  it('counts anew after each successful reconnect', async () => {
    const bench = await connected([{}], { reconnectDelayMs: 40, ctrlLossTmoMs: 80 });
    for (let round = 1; round <= 3; round += 1) {
      bench.targets[0]!.resetConnections();
      await until(() => bench.host.counters().reconnects === round);
    }
    expect(bench.host.controllers()[0]).toMatchObject({ state: 'live', attempts: 0, reconnects: 3 });
  });
});

describe('fast_io_fail_tmo', () => {
  it('fails queued I/O while the controller goes on reconnecting; I/O works again when it is back', async () => {
    const bench = await connected([{}], { fastIoFailTmoMs: 150 });
    const [head] = bench.host.heads();
    await bench.targets[0]!.kill();
    await eventually(bench, 'host.controller', ({ state }) => state === 'resetting');
    expect(await head!.read(0, 1)).toMatchObject({ outcome: 'fail', code: 'NO_PATH' });
    expect(bench.host.counters().failfastExpired).toBe(1);
    expect(bench.host.controllers()[0]!.state).toBe('connecting');
    await bench.targets[0]!.revive();
    await eventually(bench, 'host.controller', ({ cause }) => cause === 'reconnected');
    expect(await head!.read(0, 1)).toMatchObject({ outcome: 'ok' });
  });

  it('does not help while another controller is live but inaccessible, as in Linux', async () => {
    const bench = await connected([{}, { ana: { 1: 'inaccessible' } }], { fastIoFailTmoMs: 80 });
    const [head] = bench.host.heads();
    await bench.targets[0]!.kill();
    await until(() => bench.host.counters().failfastExpired === 1);
    const queued = head!.read(0, 1);
    await eventually(bench, 'host.queue', ({ state }) => state === 'queueing');
    bench.targets[1]!.setAna(1, 'optimized');
    expect(await queued).toMatchObject({ outcome: 'ok', path: 'gw2:nvme1:q1' });
  });
});

describe('on request', () => {
  it('reset connects again at once', async () => {
    const bench = await connected([{}], { reconnectDelayMs: 60_000 });
    const [controller] = bench.host.controllers();
    expect(controller!.reset()).toBe(true);
    expect(controller!.reset()).toBe(false);
    await eventually(bench, 'host.controller', ({ cause }) => cause === 'reconnected');
    expect(states(bench, 'nvme0')).toEqual(['connecting:connect', 'live:connected', 'resetting:requested', 'connecting:requested', 'live:reconnected']);
  });

  it('delete lets I/O in flight end, shuts down, and moves the rest', async () => {
    const bench = await two({ preferred: 'gw1' });
    const [head] = bench.host.heads();
    const go = gate();
    bench.targets[0]!.script = ({ kind }) => (kind === 'io' ? { wait: go.promise } : undefined);
    const inFlight = head!.write(0, block(1));
    await until(() => bench.targets[0]!.ios(IoOpcode.write).length === 1);
    const deleted = bench.host.controllers()[0]!.delete();
    expect(await head!.write(1, block(2))).toMatchObject({ outcome: 'ok', path: 'gw2:nvme1:q1' });
    go.open();
    expect(await inFlight).toMatchObject({ outcome: 'ok', path: 'gw1:nvme0:q1', sends: 1 });
    await deleted;
    expect(bench.host.controllers()[0]!.state).toBe('dead');
    const shutdown = bench.targets[0]!.seen.filter(({ fctype }) => fctype === FabricsType.propertySet);
    expect(shutdown).toHaveLength(2);
  });

  it('close ends queued I/O and resolves with every controller dead', async () => {
    const bench = await two({}, { ana: { 1: 'inaccessible' } });
    bench.targets[1]!.setAna(1, 'inaccessible');
    const [head] = bench.host.heads();
    await until(() => head!.currentPath === null);
    const queued = head!.read(0, 1);
    await bench.host.close();
    expect(await queued).toMatchObject({ outcome: 'fail', code: 'CLOSED', sends: 0 });
    expect(bench.host.controllers().map((controller) => controller.state)).toEqual(['dead', 'dead']);
    expect(await head!.read(0, 1)).toMatchObject({ code: 'CLOSED' });
    expect(() => bench.host.addController({ gateway: 'x', host: '127.0.0.1', port: 1 })).toThrow(/closed/);
  });
});
