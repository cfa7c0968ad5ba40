import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Fence } from './fence.js';
import { tempDir, Undo } from './store.test.kit.js';

const undo = new Undo();
afterEach(() => undo.run());
const stateFile = (): string => path.join(tempDir(undo), 'state.json');
const [a, b] = ['127.0.0.1:0/11', '127.0.0.1:0/12'] as const;

describe('Fence', () => {
  it('starts at epoch 1, and each change makes a new one', async () => {
    const fence = new Fence(stateFile());
    expect(fence.epoch).toBe(1);
    expect(await fence.add([a])).toBe(2);
    expect(await fence.add([a])).toBe(2);
    expect(await fence.add([a, b])).toBe(3);
    expect(await fence.remove([a])).toBe(4);
    expect(fence.list()).toEqual([b]);
    expect([fence.isFenced(a), fence.isFenced(b)]).toEqual([false, true]);
  });

  it('is the same after a restart', async () => {
    const file = stateFile();
    await new Fence(file).add([a, b]);
    const again = new Fence(file);
    expect([again.epoch, again.list()]).toEqual([2, [a, b]]);
  });

  it('is on disk before it takes effect, and shows its epoch only when running operations have ended', async () => {
    const file = stateFile();
    const fence = new Fence(file);
    expect(fence.enter(a)).toBe(true);
    expect(fence.enter(a)).toBe(true);
    let epoch: number | undefined;
    const added = fence.add([a]).then((value) => (epoch = value));
    await new Promise((resolve) => setImmediate(resolve));
    expect(JSON.parse(fs.readFileSync(file, 'utf8'))).toEqual({ format: 1, epoch: 2, blocklist: [a] });
    expect(fence.enter(a)).toBe(false);
    expect([fence.epoch, epoch]).toEqual([1, undefined]);
    fence.leave(a);
    await new Promise((resolve) => setImmediate(resolve));
    expect([fence.epoch, epoch]).toEqual([1, undefined]);
    fence.leave(a);
    await added;
    expect([fence.epoch, epoch]).toEqual([2, 2]);
  });

  it('does not wait for operations of others', async () => {
    const fence = new Fence(stateFile());
    fence.enter(b);
    expect(await fence.add([a])).toBe(2);
  });

  it('lets waitForEpoch go on only when the epoch has come', async () => {
    const fence = new Fence(stateFile());
    const seen: number[] = [];
    const waits = [1, 2, 3].map((epoch) => fence.waitForEpoch(epoch).then(() => seen.push(epoch)));
    await waits[0];
    expect(seen).toEqual([1]);
    await fence.add([a]);
    await waits[1];
    expect(seen).toEqual([1, 2]);
    await fence.add([b]);
    await waits[2];
  });

  it('changes nothing when the state cannot be written', async () => {
    const file = stateFile();
    const fence = new Fence(file);
    fs.mkdirSync(`${file}.new`);
    await expect(fence.add([a])).rejects.toMatchObject({ code: 'STORE_IO' });
    expect([fence.epoch, fence.isFenced(a)]).toEqual([1, false]);
    fs.rmdirSync(`${file}.new`);
    expect(await fence.add([a])).toBe(2);
  });

  it.each(['{"format":1,"epoch":3', '{"format":2,"epoch":3,"blocklist":[]}', '{"format":1,"epoch":0,"blocklist":[]}', '{"format":1,"epoch":3,"blocklist":["x"]}', ''])(
    'refuses to start with a damaged state %j', (text) => {
      const file = stateFile();
      fs.writeFileSync(file, text);
      expect(() => new Fence(file)).toThrow(expect.objectContaining({ code: 'STORE_STATE_CORRUPT' }));
    },
  );

  it.each(['gw1', '127.0.0.1:0', '127.0.0.1:0/-1', '127.0.0.1:0/007', '127.0.0.1:70000/1', '127.0.0.1:0/4294967296'])(
    'refuses the address %s', async (address) => {
      await expect(new Fence(stateFile()).add([address])).rejects.toMatchObject({ code: 'STORE_BAD_REQUEST' });
    },
  );
});
