import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JsonRpcClient } from './json-rpc.js';
import { openSpdkStore, saysBlocklisted, type SpdkStore } from './store.js';
import { FakeSpdk } from './testing/fake-spdk.js';

let spdk: FakeSpdk;
let rpc: JsonRpcClient;
let server: Server;
let epoch: number;
let store: SpdkStore | undefined;
beforeEach(async () => {
  spdk = await FakeSpdk.start();
  rpc = new JsonRpcClient(spdk.path);
  epoch = 0;
  writeFileSync(join(spdk.dir, 'rados.log'), '3 client.4106.objecter handle_osd_map decoding full epoch 9\n');
  // The admin socket of the client.
  server = createServer((socket) => socket.once('data', (data) => {
    const { prefix } = JSON.parse(String(data).slice(0, -1)) as { prefix: string };
    const text = Buffer.from(JSON.stringify(prefix === 'help' ? { 'rbd cache flush rbd/img1': '' } : prefix === 'perf dump' ? { objecter: { map_epoch: epoch } } : {}));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(text.length);
    socket.end(Buffer.concat([length, text]));
  }));
  await new Promise<void>((resolve) => server.listen(join(spdk.dir, 'rados.asok'), resolve));
});
afterEach(async () => {
  store?.close();
  store = undefined;
  rpc.close();
  server.close();
  await spdk.end();
});

const open = async (secret: string | undefined = 'c2VjcmV0'): Promise<SpdkStore> => store = await openSpdkStore({
  rpc, dir: spdk.dir, log: () => undefined, images: [{ name: 'img1', blockSize: 512 }, { name: 'img2', blockSize: 4_096 }],
  cluster: { monHosts: ['192.0.2.11:3300', '192.0.2.12:3300'], entity: 'client.nvmeof.gw1', secret, pool: 'rbd' },
});

describe('the images of a gateway on SPDK', () => {
  it('are open by one client, whose address SPDK tells', async () => {
    const opened = await open();
    expect(opened.address).toBe('192.0.2.101:0/77');
    expect([await opened.bdevOf('img1'), await opened.bdevOf('img2')]).toEqual(['rbd_img1', 'rbd_img2']);
    await expect(opened.bdevOf('img3')).rejects.toThrow('was not opened');
    expect(opened.currentEpoch()).toBe(9);
    expect(spdk.of('bdev_rbd_register_cluster')).toEqual([{ name: 'pathproof', user_id: 'nvmeof.gw1', config_file: join(spdk.dir, 'ceph.conf') }]);
    expect(spdk.of('bdev_rbd_create')[1]).toEqual({ name: 'rbd_img2', pool_name: 'rbd', rbd_name: 'img2', block_size: 4_096, cluster_name: 'pathproof', passphrase: [] });
  });

  it.each([
    ['one of ceph-nvmeof that has no passphrase', () => { spdk.withoutPassphrase = true; }],
    ['one of spdk.io', () => spdk.missing.add('bdev_rbd_wait_for_latest_osdmap')],
  ] as const)('are opened by each SPDK in its own way: %s', async (_, make) => {
    make();
    expect(await (await open()).bdevOf('img2')).toBe('rbd_img2');
    expect(spdk.of('bdev_rbd_create').at(-1)).not.toHaveProperty('passphrase');
  });

  it('are used as the entity, with its key, which nobody else may read', async () => {
    await open();
    expect(readFileSync(join(spdk.dir, 'ceph.conf'), 'utf8')).toContain('mon_host = v2:192.0.2.11:3300,v2:192.0.2.12:3300');
    expect(readFileSync(join(spdk.dir, 'keyring'), 'utf8')).toBe('[client.nvmeof.gw1]\n\tkey = c2VjcmV0\n');
    for (const file of ['keyring', 'ceph.conf']) expect(statSync(join(spdk.dir, file)).mode & 0o077).toBe(0);
  });

  it('need no key where the cluster authenticates nobody', async () => {
    await openSpdkStore({ rpc, dir: spdk.dir, log: () => undefined, images: [{ name: 'img1', blockSize: 512 }], cluster: { monHosts: ['192.0.2.11:3300'], entity: 'client.a', secret: undefined, pool: 'rbd' } }).then((opened) => opened.close());
    expect(existsSync(join(spdk.dir, 'keyring'))).toBe(false);
    expect(readFileSync(join(spdk.dir, 'ceph.conf'), 'utf8')).toContain('auth_client_required = none');
  });

  it.each([
    ['no RBD in it', () => spdk.missing.add('bdev_rbd_register_cluster'), /cannot be reached: bdev_rbd_register_cluster: Method not found/],
    ['no such image', () => spdk.missing.add('bdev_rbd_create'), /^rbd\/img1 cannot be opened/],
    // Another SPDK answers with the name; this client does not say its address either.
    ['a client that nobody names', () => { spdk.registered = 'pathproof'; }, /^which RADOS client does the I\/O is not known/],
  ] as const)('with %s are none', async (_, spoil, message) => {
    spoil();
    await expect(open()).rejects.toMatchObject({ code: 'SPDK_RBD', message: expect.stringMatching(message) as string });
  });
});

describe('an osdmap epoch', () => {
  it('is reached when the client says so, and SPDK is told to fetch the newest map', async () => {
    const opened = await open();
    let reached = false;
    const waited = opened.waitForEpoch(12).then(() => { reached = true; });
    await expect.poll(() => spdk.of('bdev_rbd_wait_for_latest_osdmap').length).toBe(1);
    expect(reached).toBe(false);
    epoch = 12;
    await waited;
    expect(opened.currentEpoch()).toBe(12);
    // One that it has already asks for nothing.
    await opened.waitForEpoch(11);
    expect(spdk.of('bdev_rbd_wait_for_latest_osdmap')).toHaveLength(1);
  });

  it('is waited for with an SPDK that cannot be told, too, and no longer than the store is open', async () => {
    spdk.missing.add('bdev_rbd_wait_for_latest_osdmap');
    const opened = await open();
    const waited = opened.waitForEpoch(12);
    await new Promise((resolve) => setTimeout(resolve, 100));
    epoch = 12;
    await waited;
    expect(spdk.of('bdev_rbd_wait_for_latest_osdmap')).toHaveLength(1);
    const never = opened.waitForEpoch(99);
    opened.close();
    await expect(never).rejects.toThrow('closed while waiting for osdmap epoch 99');
  });
});

describe('a client on the blocklist', () => {
  it('is known by what librbd says, once, also to who asks later', async () => {
    const opened = await open();
    let fenced = 0;
    opened.onFenced(() => fenced++);
    appendFileSync(join(spdk.dir, 'rados.log'), 'a line\n-1 librbd::Watcher: 0x7f handle_rewatch: client bl');
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(fenced).toBe(0);
    appendFileSync(join(spdk.dir, 'rados.log'), 'ocklisted\nanother one: client blocklisted\n');
    await expect.poll(() => fenced).toBe(1);
    opened.onFenced(() => fenced++);
    await expect.poll(() => fenced).toBe(2);
  });

  it('is no other trouble', () => {
    expect(saysBlocklisted('librbd::Watcher: 0x7f handle_error: handle=1: (107) Transport endpoint is not connected')).toBe(false);
    expect(saysBlocklisted('rbd: failed: (108) Cannot send after transport endpoint shutdown')).toBe(true);
  });
});
