import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memberFiles } from '../guest/supervisor.js';
import { GatewayLab, gatewayNames, nqn, until, type GatewayName, type TestGateway } from './gateway.lab.test.kit.js';
import { monAddress, osdAddress } from './provision/ceph.js';
import { connectHost, readPaths } from './provision/host.js';

const wanted = process.env['PATHPROOF_QEMU'] === '1';
if (!wanted) console.log('skipped: virtual machines are started only with PATHPROOF_QEMU=1');

/** NVMeofGwMon's own times (7 s grace, 5 s tick, 3 s failback, 16 s without failovers after a quick restart), and what emulation adds. */
const failoverMaxMs = 60_000;
const minuteMs = 60_000;

/** fio on both namespaces: writes, and reads back and checks what it has written, at a rate that leaves the emulated CPU time for the cluster. */
async function startLoad(lab: GatewayLab, seconds: number): Promise<() => Promise<string>> {
  const job = (device: string): string => `fio --name=${device} --filename=/dev/${device} --size=16M --rw=randwrite --bs=4k --iodepth=2 --ioengine=libaio --direct=1 `
    + `--time_based --runtime=${seconds} --rate_iops=40 --verify=crc32c --verify_backlog=16 --verify_fatal=1 --output-format=terse --terse-version=3`;
  for (const device of ['nvme0n1', 'nvme0n2']) await lab.ssh('ceph').exec(`rm -f /root/${device}.*; setsid sh -c '${job(device)} >/root/${device}.out 2>&1; echo $? >/root/${device}.rc' </dev/null >/dev/null 2>&1 &`);
  return async () => {
    let out = '';
    await until('fio has ended', async () => {
      out = (await lab.ssh('ceph').exec('cat /root/nvme0n1.rc /root/nvme0n2.rc 2>/dev/null; true')).stdout;
      return out.split('\n').length === 3;
    }, (seconds + 90) * 1_000);
    if (out !== '0\n0\n') out += (await lab.ssh('ceph').exec('cat /root/nvme0n*.out; dmesg | tail -n 20')).stdout;
    return out;
  };
}

describe.skipIf(!wanted)('two kernel gateways of a real cluster, auth none', () => {
  let lab: GatewayLab;
  let members: Record<GatewayName, TestGateway>;
  const kill = (name: GatewayName): Promise<{ stdout: string }> => lab.ssh(name).exec([
    `read pid <${memberFiles(name).pid}; read a x </proc/uptime; kill -KILL $pid`,
    // Only what the shell does by itself: to start a program takes as long as what is measured.
    `while set -- /sys/kernel/config/nvmet/ports/*/subsystems/*; [ -e "$1" ]; do :; done; read b x </proc/uptime; echo $a $b`,
  ].join('\n'));
  const restart = async (name: GatewayName): Promise<void> => {
    const before = members[name].info.storeAddress;
    members[name].close();
    members[name] = await lab.start(name);
    expect(members[name].info.storeAddress).not.toBe(before);
  };

  beforeAll(async () => {
    lab = await GatewayLab.up('none');
  }, 30 * minuteMs);
  afterAll(() => lab?.down(), minuteMs);

  it('join the monitor and are ACTIVE for a group each', async () => {
    const [gw1, gw2] = await Promise.all(gatewayNames.map((name) => lab.start(name)));
    members = { gw1: gw1!, gw2: gw2! };
    await lab.untilActive(['gw1', 'gw2']);
    const show = await lab.show();
    expect(show.gateways.map(({ id, availability, listeners }) => [id, availability, listeners])).toEqual([['gw1', 'AVAILABLE', 2], ['gw2', 'AVAILABLE', 2]]);
    await expect.poll(() => members.gw1.state, { timeout: 10_000 }).toMatchObject({
      gateway: 'gw1', serving: true, namespaces: 2, listeners: ['192.0.2.101:4420', '198.51.100.101:4420'],
      ana: { 1: 'optimized', 2: 'inaccessible' }, storeAddress: expect.stringMatching(/^192\.0\.2\.101:0\/\d+$/) as unknown,
    });
    await expect.poll(() => members.gw2.state?.ana, { timeout: 10_000 }).toEqual({ 1: 'inaccessible', 2: 'optimized' });
    expect(await members.gw2.request('info')).toEqual(members.gw2.info);
  }, 3 * minuteMs);

  it('report their state without a hole', async () => {
    const from = members.gw1.events.length;
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    const times = members.gw1.events.slice(from).filter(({ type }) => type === 'gw.state').map(({ tUs }) => tUs);
    const gaps = times.slice(1).map((tUs, at) => (tUs - times[at]!) / 1_000);
    console.log(`  ${times.length} states in 5 s, longest gap ${Math.max(...gaps).toFixed(0)} ms`);
    expect(times.length).toBeGreaterThan(20);
  }, minuteMs);

  it('serve a Linux host over eight paths, one optimized address a fabric for each namespace', async () => {
    const { paths } = await connectHost(lab.ssh('ceph'), {
      nqn, hostNqn: 'nqn.2014-08.org.nvmexpress:uuid:11111111-1111-4111-8111-111111111111', hostId: '11111111-1111-4111-8111-111111111111',
      gateways: gatewayNames, fabrics: ['a', 'b'], keepAliveSeconds: 5, reconnectDelaySeconds: 2, controllerLossSeconds: 600, policy: 'numa',
    }, (node, step) => console.log(`  ${node}: ${step}`));
    expect(paths).toHaveLength(8);
    const optimized = paths.filter(({ anaState }) => anaState === 'optimized').map(({ nsid, address }) => `${nsid} ${/traddr=([\d.]+)/.exec(address)![1]}`).sort();
    expect(optimized).toEqual(['1 192.0.2.101', '1 198.51.100.101', '2 192.0.2.102', '2 198.51.100.102']);
  }, 2 * minuteMs);

  it('a killed one is cut off at once, blocklisted, taken over from, and gets its group back when it is started again', async () => {
    const { storeAddress } = members.gw1.info;
    const loaded = await startLoad(lab, 40);
    const [killed, shut] = (await kill('gw1')).stdout.trim().split(' ').map(Number);
    console.log(`  ${((shut! - killed!) * 1_000).toFixed(0)} ms from SIGKILL until every link to a port is gone`);
    expect(await lab.exitOf('gw1')).toBe('SIGKILL');
    await lab.untilActive(['gw2', 'gw2'], failoverMaxMs);
    expect(await lab.blocklist()).toContain(storeAddress);
    expect(members.gw2.state?.ana).toEqual({ 1: 'optimized', 2: 'optimized' });
    await restart('gw1');
    await lab.untilActive(['gw1', 'gw2'], failoverMaxMs);
    expect(await loaded()).toBe('0\n0\n');
  }, 5 * minuteMs);

  it('one whose listeners are removed is taken over from without a blocklist', async () => {
    const before = await lab.blocklist();
    await members.gw1.request('listenerDel');
    expect(await members.gw1.request('state')).toMatchObject({ listeners: [], serving: false, namespaces: 2 });
    await lab.untilActive(['gw2', 'gw2'], failoverMaxMs);
    expect(await lab.blocklist()).toBe(before);
    await members.gw1.request('listenerAdd');
    await lab.untilActive(['gw1', 'gw2'], failoverMaxMs);
    expect((await readPaths(lab.ssh('ceph'))).filter(({ anaState, nsid, controllerState }) => nsid === 1 && controllerState === 'live' && anaState === 'optimized').length).toBeGreaterThan(0);
  }, 5 * minuteMs);

  it('one that is cut off from the monitor alone holds what the OSD refuses, and ends fenced: no I/O error reaches the host', async () => {
    const { storeAddress } = members.gw1.info;
    // Linux logs every error that it hands to an application.
    const errors = async (): Promise<string> => (await lab.ssh('ceph').exec(`dmesg | grep -c 'I/O error' || true`)).stdout;
    const before = await errors();
    const loaded = await startLoad(lab, 45);
    const heal = await lab.cut('gw1', monAddress);
    await lab.untilActive(['gw2', 'gw2'], failoverMaxMs);
    expect(await lab.exitOf('gw1')).toBe(12);
    expect(await lab.blocklist()).toContain(storeAddress);
    const { stdout } = await lab.ssh('gw1').exec(`grep -c 'result -108' ${memberFiles('gw1').log} || true; dmesg | grep -c 'result -108' || true`);
    console.log(`  refused by the OSD: ${stdout.trim().split('\n')[1]} lines in the kernel's log`);
    expect(await loaded()).toBe('0\n0\n');
    expect(await errors()).toBe(before);
    await heal();
    await restart('gw1');
    await lab.untilActive(['gw1', 'gw2'], failoverMaxMs);
  }, 6 * minuteMs);

  it('one that is killed while the OSD does not answer is cut off, too, and comes back when the OSD does', async () => {
    const loaded = await startLoad(lab, 40);
    const heal = await lab.cut('gw1', osdAddress);
    await until('commands wait for the OSD', async () => (await lab.ssh('gw1').exec('cat /sys/block/dm-0/inflight')).stdout.trim() !== '0        0', 20_000);
    const [killed, shut] = (await kill('gw1')).stdout.trim().split(' ').map(Number);
    console.log(`  ${((shut! - killed!) * 1_000).toFixed(0)} ms from SIGKILL until every link to a port is gone, the OSD being out of reach`);
    await lab.untilActive(['gw2', 'gw2'], failoverMaxMs);
    const { exit, clean } = memberFiles('gw1');
    expect((await lab.ssh('gw1').exec(`ls ${exit} ${clean} 2>&1 || true`)).stdout).toContain(`cannot access '${clean}'`);
    members.gw1.close();
    await lab.launch('gw1');
    expect(await loaded()).toBe('0\n0\n');
    await heal();
    // TCP asks again after as long as it has been without an answer.
    members.gw1 = await lab.attach('gw1', 3 * minuteMs);
    await lab.untilActive(['gw1', 'gw2'], failoverMaxMs);
  }, 8 * minuteMs);

  it('one that is told to stop ends with 0 and leaves nothing in the kernel', async () => {
    await members.gw1.request('shutdown').catch(() => undefined);
    expect(await lab.exitOf('gw1')).toBe(0);
    await until('gw1 is clean', async () => (await lab.ssh('gw1').exec(`[ -e ${memberFiles('gw1').clean} ] && echo yes || true`)).stdout !== '', minuteMs);
    const { stdout } = await lab.ssh('gw1').exec('ls /sys/kernel/config/nvmet/ports /sys/kernel/config/nvmet/subsystems /sys/bus/rbd/devices; dmsetup ls');
    expect(stdout.split('\n').filter((line) => line !== '' && !line.endsWith(':'))).toEqual(['No devices found']);
  }, 2 * minuteMs);
});

describe.skipIf(!wanted)('two kernel gateways of a real cluster, cephx', () => {
  let lab: GatewayLab;
  beforeAll(async () => {
    lab = await GatewayLab.up('cephx');
  }, 30 * minuteMs);
  afterAll(() => lab?.down(), minuteMs);

  it('join as their own entities, and one takes over from the other', async () => {
    const [gw1, gw2] = await Promise.all(gatewayNames.map((name) => lab.start(name)));
    await lab.untilActive(['gw1', 'gw2']);
    expect((await lab.ssh('gw1').exec('cat /sys/kernel/debug/ceph/*/client_options')).stdout).toContain('name=nvmeof.gw1,secret=<hidden>');
    await lab.ssh('gw1').exec(`kill -KILL $(cat ${memberFiles('gw1').pid})`);
    await lab.untilActive(['gw2', 'gw2'], failoverMaxMs);
    expect(await lab.blocklist()).toContain(gw1!.info.storeAddress);
    expect(gw2!.state).toMatchObject({ ana: { 1: 'optimized', 2: 'optimized' }, serving: true });
    // Nobody's secret is in a log.
    const secrets = [...lab.cluster.entities.values()].map(({ secret }) => secret);
    const { stdout } = await lab.ssh('gw1').exec(`cat ${memberFiles('gw1').log}; dmesg`);
    expect(secrets.filter((secret) => stdout.includes(secret))).toEqual([]);
    gw1!.close();
    gw2!.close();
  }, 4 * minuteMs);
});
