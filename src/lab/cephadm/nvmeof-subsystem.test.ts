import { describe, expect, it } from 'vitest';
import { isListed, nvmeofObjects, nvmeofStatus, whenGroupsAreKnown, type NvmeofSubsystem } from './nvmeof-subsystem.js';

const wanted: NvmeofSubsystem = {
  nqn: 'nqn.2026-01.io.example:a', pool: 'rbd', group: 'g', listeners: [{ host: 'gw1', address: '192.0.2.101', port: 4_420 }],
  namespaces: [{ image: 'img1', anaGroup: 2, identity: { nsid: 7, uuid: '11111111-2222-4333-8444-555555555555' } }, { image: 'img2', anaGroup: 1 }],
};

describe('the subsystem of real gateways', () => {
  it('is told to the manager for the whole group, and to a gateway in its own words', () => {
    const added = (dialect: 'manager' | 'gateway'): string[] => nvmeofObjects(wanted, dialect).map(({ add }) => add.join(' '));
    expect(added('manager')).toEqual([
      'subsystem add --nqn nqn.2026-01.io.example:a --no-group-append=true --gw-group g',
      'listener add --nqn nqn.2026-01.io.example:a --host-name gw1 --traddr 192.0.2.101 --trsvcid 4420 --gw-group g',
      'host add --nqn nqn.2026-01.io.example:a --host-nqn * --gw-group g',
      'namespace add --nqn nqn.2026-01.io.example:a --rbd-pool rbd --rbd-image-name img1 --load-balancing-group 2 --nsid 7 --uuid 11111111-2222-4333-8444-555555555555 --gw-group g',
      'namespace add --nqn nqn.2026-01.io.example:a --rbd-pool rbd --rbd-image-name img2 --load-balancing-group 1 --gw-group g',
    ]);
    expect(added('gateway')[0]).toBe('subsystem add --subsystem nqn.2026-01.io.example:a --no-group-append');
    expect(added('gateway').at(-1)).toBe('namespace add --subsystem nqn.2026-01.io.example:a --rbd-pool rbd --rbd-image img2 --load-balancing-group 1');
  });

  it('is found in lists by values, not by parts of them', () => {
    expect(isListed('warning\n{"namespaces":[{"rbd_image_name":"img1"}]}', 'img1')).toBe(true);
    expect(isListed('{"namespaces":[{"rbd_image_name":"img10"}]}', 'img1')).toBe(false);
    expect(isListed('{"allow_any_host":false,"hosts":[]}', 'allow_any_host')).toBe(false);
    expect(isListed('{"allow_any_host":true,"hosts":[]}', 'allow_any_host')).toBe(true);
    expect(isListed('nothing', 'img1')).toBe(false);
  });

  it('is made once the gateways know of the group, and any other refusal is one at once', async () => {
    let asked = 0;
    const add = (problem: string, times: number) => (): Promise<string> => (++asked <= times ? Promise.reject(new Error(problem)) : Promise.resolve('made'));
    expect(await whenGroupsAreKnown(add('Load balancing group 2 doesn\'t exist', 1), 5_000)).toBe('made');
    expect(asked).toBe(2);
    asked = 0;
    await expect(whenGroupsAreKnown(add('image is already used', 1), 5_000)).rejects.toThrow('image is already used');
    expect(asked).toBe(1);
    await expect(whenGroupsAreKnown(add('Load balancing group 9 doesn\'t exist', 99), 5)).rejects.toThrow(/doesn't exist/);
  });

  it('was refused where the answer says so', () => {
    expect(nvmeofStatus('Enable server auth\n{"status": 17, "error_message": "is owned by gateway x"}')).toBe(17);
    expect(nvmeofStatus('{"status": 0}')).toBe(0);
    expect(nvmeofStatus('no JSON')).toBe(0);
  });
});
