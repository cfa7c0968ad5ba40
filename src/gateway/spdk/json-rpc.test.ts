import { existsSync, rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JsonRpcClient } from './json-rpc.js';
import { FakeSpdk } from './testing/fake-spdk.js';

let spdk: FakeSpdk;
let rpc: JsonRpcClient;
beforeEach(async () => {
  spdk = await FakeSpdk.start();
  rpc = new JsonRpcClient(spdk.path);
});
afterEach(async () => {
  rpc.close();
  await spdk.end();
});

describe('a connection to SPDK', () => {
  it('asks one thing after the other, and takes an answer however it comes', async () => {
    spdk.pieceBytes = 3;
    const answers = await Promise.all([rpc.call('spdk_get_version'), rpc.call('nvmf_get_subsystems'), rpc.call('framework_wait_init')]);
    expect(answers[0]).toEqual({ version: 'SPDK v26.01 fake' });
    expect(answers[1]).toEqual([expect.objectContaining({ subtype: 'Discovery' })]);
    expect(answers[2]).toBe(true);
    expect(spdk.calls.map(({ method }) => method)).toEqual(['spdk_get_version', 'nvmf_get_subsystems', 'framework_wait_init']);
  });

  it('says what SPDK refuses, and goes on', async () => {
    await expect(rpc.call('nvmf_subsystem_get_listeners', { nqn: 'nqn.x' })).rejects.toMatchObject({ code: 'SPDK_RPC', rpcCode: -32_602, unknownMethod: false, message: 'nvmf_subsystem_get_listeners: Invalid parameters (-32602)' });
    await expect(rpc.call('no_such_thing')).rejects.toMatchObject({ unknownMethod: true });
    await expect(rpc.call('spdk_get_version')).resolves.toBeDefined();
  });

  it('that is not answered fails all that wait, and is made anew', async () => {
    spdk.silent.add('bdev_rbd_create');
    const late = rpc.call('bdev_rbd_create', { name: 'x' }, 50);
    const behind = rpc.call('spdk_get_version');
    await expect(late).rejects.toThrow('does not answer bdev_rbd_create within 50 ms');
    await expect(behind).rejects.toMatchObject({ code: 'SPDK' });
    expect(spdk.of('spdk_get_version')).toEqual([]);
    await expect(rpc.call('spdk_get_version')).resolves.toBeDefined();
  });

  it('that SPDK ends fails what is under way, and is made anew', async () => {
    spdk.silent.add('bdev_rbd_create');
    const lost = rpc.call('bdev_rbd_create', { name: 'x' });
    await expect.poll(() => spdk.calls.length).toBe(1);
    spdk.drop();
    await expect(lost).rejects.toThrow('the connection to SPDK was closed by SPDK');
    await expect(rpc.call('spdk_get_version')).resolves.toBeDefined();
  });

  it('to nobody, or closed, is an error', async () => {
    expect(existsSync(`${spdk.path}.no`)).toBe(false);
    await expect(new JsonRpcClient(`${spdk.path}.no`).call('spdk_get_version')).rejects.toThrow(/the connection to SPDK .*ENOENT/);
    rmSync(`${spdk.path}.no`, { force: true });
    rpc.close();
    await expect(rpc.call('spdk_get_version')).rejects.toThrow('was closed');
  });
});
