import { connect, type Socket } from 'node:net';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RecordReader, toRecord } from './frame.js';
import { startSwitch, portSocketPath, type RunningSwitch } from './index.js';
import { ethernet } from './switch.test.kit.js';

const macs = { gw1: '02:00:00:00:00:01', host1: '02:00:00:00:00:02' };

/** The end of a cable: what QEMU is otherwise. */
class Cable {
  readonly got: Buffer[] = [];
  bytes = 0;
  readonly socket: Socket;
  #changed: () => void = () => undefined;

  constructor(path: string) {
    this.socket = connect(path);
    const reader = new RecordReader();
    this.socket.on('data', (chunk) => {
      const records = reader.push(chunk);
      this.got.push(...records);
      this.bytes += records.reduce((n, r) => n + r.length, 0);
      this.#changed();
    });
    this.socket.on('error', () => undefined);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      await new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
    }
  }
}

describe('switch process', () => {
  let dir: string;
  let running: RunningSwitch;
  const cables: Cable[] = [];

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'ppsw-'));
    running = await startSwitch({ dir, seed: 's', fabrics: [{ name: 'a', nodes: ['gw1', 'host1'] }] }, join(dir, 'log'));
  });

  afterEach(async () => {
    for (const cable of cables.splice(0)) cable.socket.destroy();
    await running.end();
    rmSync(dir, { recursive: true, force: true });
  });

  const plug = (node: string): Cable => {
    const cable = new Cable(portSocketPath(dir, 'a', node));
    cables.push(cable);
    return cable;
  };
  const plugged = async (): Promise<{ gw1: Cable; host1: Cable }> => {
    const ends = { gw1: plug('gw1'), host1: plug('host1') };
    while (!(await running.client.state()).every((p) => p.connected));
    return ends;
  };
  const frame = (from: keyof typeof macs, to: keyof typeof macs, size = 60): Buffer => toRecord(ethernet(macs[to], macs[from], Buffer.alloc(size - 14, 7)));

  it('carries frames, obeys rules and writes a capture', async () => {
    const { gw1, host1 } = await plugged();
    const file = join(dir, 'gw1.pcap');
    await running.client.startCapture({ file, fabric: 'a', node: 'gw1' });
    gw1.socket.write(frame('gw1', 'host1'));
    await host1.until(() => host1.got.length === 1);
    expect(host1.got[0]).toEqual(frame('gw1', 'host1'));

    const cut = await running.client.add({ fabric: 'a', node: 'gw1', direction: 'to', action: { kind: 'cut' } });
    host1.socket.write(frame('host1', 'gw1'));
    while ((await running.client.port('a', 'gw1')).cutFrames === 0);
    expect(gw1.got).toHaveLength(0);
    expect(await running.client.heal(cut)).toBe(true);
    host1.socket.write(frame('host1', 'gw1', 100));
    await gw1.until(() => gw1.got.length === 1);
    expect(gw1.got[0]!.readUInt32BE(0)).toBe(100);

    await running.client.add({ fabric: 'a', node: 'host1', direction: 'to', action: { kind: 'delay', delayMs: 50 } });
    const sentMs = performance.now();
    gw1.socket.write(frame('gw1', 'host1'));
    await host1.until(() => host1.got.length === 2);
    expect(performance.now() - sentMs).toBeGreaterThan(45);

    // One from gw1, one to it after the heal, one more from it; the cut one never reached its cable.
    expect(await running.client.stopCapture(file)).toEqual({ records: 3 });
    const pcap = readFileSync(file);
    expect(pcap.readUInt32LE(0)).toBe(0xa1b23c4d);
    expect(pcap.readUInt32LE(20)).toBe(1);
    expect(pcap.length).toBe(24 + (16 + 60) + (16 + 100) + (16 + 60));
    expect(Math.abs(pcap.readUInt32LE(24) - Date.now() / 1_000)).toBeLessThan(60);
  });

  it('gives a port to whoever connects last, as a restarted QEMU does', async () => {
    const { gw1, host1 } = await plugged();
    const again = plug('gw1');
    await new Promise((resolve) => gw1.socket.once('close', resolve));
    host1.socket.write(frame('host1', 'gw1'));
    await again.until(() => again.got.length === 1);
  });

  it('refuses what makes no sense with a reason', async () => {
    await expect(running.client.add({ fabric: 'x', node: 'gw1', direction: 'both', action: { kind: 'cut' } })).rejects.toThrow('no port');
    await expect(running.client.stopCapture('/nowhere')).rejects.toThrow('not being written');
    expect(await running.client.heal(99)).toBe(false);
  });

  it('moves tens of thousands of frames without loss', async () => {
    const { gw1, host1 } = await plugged();
    const record = frame('gw1', 'host1', 1_514);
    // The switch has to know where host1 is; a window keeps the buffers below their limit.
    host1.socket.write(frame('host1', 'gw1'));
    await gw1.until(() => gw1.got.length === 1);
    const total = 20_000;
    const startedMs = performance.now();
    for (let sent = 0; sent < total; sent += 1_000) {
      gw1.socket.write(Buffer.concat(Array.from({ length: 1_000 }, () => record)));
      await host1.until(() => host1.bytes >= (sent + 1_000) * record.length);
      host1.got.length = 0;
    }
    const seconds = (performance.now() - startedMs) / 1_000;
    console.log(`switch: ${(total * 1_514 / seconds / 1e6).toFixed(0)} MB/s, ${(total / seconds).toFixed(0)} frames/s`);
    expect(await running.client.port('a', 'host1')).toMatchObject({ toFrames: total, overflowFrames: 0 });
  });
});

describe('starting a switch', () => {
  it('says why it could not', async () => {
    await expect(startSwitch({ dir: '/nowhere', seed: 's', fabrics: [] }, '/dev/null')).rejects.toMatchObject({ code: 'SWITCH_START' });
    await expect(startSwitch({ dir: `/tmp/${'x'.repeat(100)}`, seed: 's', fabrics: [] }, '/dev/null')).rejects.toMatchObject({ code: 'SOCKET_PATH' });
  });
});
