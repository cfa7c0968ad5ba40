import fs from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ImageCatalog } from './image-catalog.js';
import type { Image } from './image.js';
import { filled, GatedFiles, tempDir, Undo } from './store.test.kit.js';

const undo = new Undo();
afterEach(() => undo.run());
const spec = { name: 'rbd/a', bytes: 1024 * 1024, blockSize: 4096 };

function open(dir: string, files?: GatedFiles): ImageCatalog {
  return undo.add(new ImageCatalog(dir, files?.open), (catalog) => catalog.close());
}
const call = (run: (done: (error: Error | null) => void) => void): Promise<void> =>
  new Promise((resolve, reject) => run((error) => (error === null ? resolve() : reject(error))));
async function readBlock(image: Image, slba: number): Promise<Buffer> {
  const into = Buffer.alloc(image.blockSize, 0xee);
  await call((done) => image.read(slba, into, 0, into.length, done));
  return into;
}

describe('ImageCatalog', () => {
  it('creates sparse images that a later catalog finds again', async () => {
    const dir = tempDir(undo);
    const image = open(dir).create(spec);
    await call((done) => image.write(3, filled(7), done));
    const again = open(dir);
    expect(again.list()).toEqual([spec]);
    expect(await readBlock(again.get('rbd/a'), 3)).toEqual(filled(7));
    expect(await readBlock(again.get('rbd/a'), 4)).toEqual(filled(0));
    const { size, blocks } = fs.statSync(path.join(dir, 'images', 'rbd%2Fa.img'));
    expect([size, blocks * 512 < spec.bytes / 2]).toEqual([spec.bytes, true]);
  });

  it('takes the same creation twice and refuses another geometry', () => {
    const catalog = open(tempDir(undo));
    expect(catalog.create(spec)).toBe(catalog.create(spec));
    expect(() => catalog.create({ ...spec, blockSize: 512 })).toThrow(expect.objectContaining({ code: 'STORE_IMAGE_EXISTS' }));
  });

  it.each([
    [{ ...spec, name: '../x' }, 'name'], [{ ...spec, name: '' }, 'name'], [{ ...spec, name: 'a%2Fb' }, 'name'],
    [{ ...spec, blockSize: 1000 }, 'blockSize'], [{ ...spec, bytes: 5000 }, 'bytes'], [{ ...spec, bytes: 0 }, 'bytes'],
    [{ ...spec, more: 1 }, 'more'],
  ])('refuses %j and names the field', (wrong, field) => {
    expect(() => open(tempDir(undo)).create(wrong)).toThrow(expect.objectContaining({ code: 'STORE_BAD_REQUEST', message: expect.stringContaining(field) as string }));
  });

  it('refuses a folder with a damaged geometry file', () => {
    const dir = tempDir(undo);
    open(dir).create(spec);
    fs.writeFileSync(path.join(dir, 'images', 'rbd%2Fa.json'), '{');
    expect(() => new ImageCatalog(dir)).toThrow(expect.objectContaining({ code: 'STORE_STATE_CORRUPT' }));
  });

  it('says STORE_NO_SUCH_IMAGE', () => {
    expect(() => open(tempDir(undo)).get('rbd/none')).toThrow(expect.objectContaining({ code: 'STORE_NO_SUCH_IMAGE' }));
  });
});

describe('Image.zero', () => {
  it('zeroes exactly its range and writes nothing where a hole is', async () => {
    const files = new GatedFiles();
    const image = open(tempDir(undo), files).create({ ...spec, name: 'z' });
    for (const slba of [9, 10, 12, 13]) await call((done) => image.write(slba, filled(5), done));
    files.pwrites = 0;
    await call((done) => image.zero(10, 3, () => false, done));
    expect(files.pwrites).toBe(1);
    await call((done) => image.zero(64, 192, () => false, done));
    expect(files.pwrites).toBe(1);
    const values = await Promise.all([9, 10, 11, 12, 13].map(async (slba) => (await readBlock(image, slba))[0]));
    expect(values).toEqual([5, 0, 0, 0, 5]);
  });

  it('ends early when told to', async () => {
    const image = open(tempDir(undo)).create({ ...spec, name: 'z' });
    for (const slba of [0, 128]) await call((done) => image.write(slba, filled(5), done));
    let asked = 0;
    // Asked twice for the first piece (before the read and before the write), then refused.
    await call((done) => image.zero(0, 256, () => ++asked > 2, done));
    expect([(await readBlock(image, 0))[0], (await readBlock(image, 128))[0]]).toEqual([0, 5]);
  });
});
