import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { LabMachine } from '../machine.js';
import { linkEnds } from '../qemu/lab/link-ends.js';
import { cutRules, GuestLinks, warmUp } from './guest-links.js';
import { parseSshConfig } from './ssh-config.js';
import { parseUpLine } from './up-progress.js';
import { checkoutDir } from './vagrant-machines.js';
import { wantedBox } from './wanted-box.js';

const shape = { fabrics: 2, mons: 3 };

describe('parseSshConfig', () => {
  const text = `Host ceph
  HostName 192.168.213.35
  User vagrant
  Port 22
  UserKnownHostsFile /dev/null
  IdentityFile "/tmp/a room/insecure_private_key"
  IdentityFile /tmp/other
  LogLevel FATAL

Host gw1
  HostName 192.168.213.99
  User vagrant
  Port 2222
  IdentityFile /tmp/key
`;

  it('has a machine for each section, with its first key', () => {
    expect(parseSshConfig(text)).toEqual([
      { node: 'ceph', host: '192.168.213.35', port: 22, user: 'vagrant', keyFile: '/tmp/a room/insecure_private_key' },
      { node: 'gw1', host: '192.168.213.99', port: 2222, user: 'vagrant', keyFile: '/tmp/key' },
    ]);
    expect(parseSshConfig('The provider is not ready\n')).toEqual([]);
  });

  it('refuses a section that does not say how to get in', () => {
    expect(() => parseSshConfig(text.replace('  Port 2222\n', ''))).toThrow('no Port for gw1');
    expect(() => parseSshConfig(text.replace('Port 2222', 'Port ssh'))).toThrow('ssh is no port');
  });
});

describe('linkEnds', () => {
  it('knows who is at the ends of a link, and in which direction', () => {
    expect(linkEnds('gw2-store', 'forward', shape)).toEqual([{ fabric: 'a', node: 'gw2', peer: '192.0.2.31', direction: 'from' }]);
    expect(linkEnds('gw1-monitor', 'both', shape).map(({ peer }) => peer)).toEqual(['192.0.2.11', '192.0.2.12', '192.0.2.13']);
    expect(linkEnds('host1-gw2', 'backward', shape)).toEqual([
      { fabric: 'a', node: 'host1', peer: '192.0.2.102', direction: 'to' }, { fabric: 'b', node: 'host1', peer: '198.51.100.102', direction: 'to' },
    ]);
    expect(linkEnds('host1-gw2-b', 'both', shape)).toHaveLength(1);
  });

  it('refuses what is no link of this lab', () => {
    for (const link of ['gw1-gw2', 'monitor-store', 'host1-gw1-c']) expect(() => linkEnds(link, 'both', shape)).toThrow(`no link is named ${link}`);
    expect(() => linkEnds('host1-gw1-b', 'both', { fabrics: 1, mons: 1 })).toThrow('no link');
  });
});

describe('cutRules', () => {
  it('drops what comes and goes, or one of both', () => {
    const rules = (direction: 'both' | 'forward' | 'backward'): string => cutRules('gw1-store', linkEnds('gw1-store', direction, shape));
    expect(rules('both')).toBe(`table ip pathproof_gw1_store {
  chain output {
    type filter hook output priority -300; policy accept;
    oifname "fab-a" ip daddr 192.0.2.31 counter drop
  }
  chain input {
    type filter hook input priority -300; policy accept;
    iifname "fab-a" ip saddr 192.0.2.31 counter drop
  }
}
`);
    expect(rules('forward')).not.toContain('chain input');
    expect(rules('backward')).not.toContain('chain output');
  });
});

describe('GuestLinks', () => {
  const machineOf = (commands: string[], on = true): LabMachine => ({
    identity: on ? { name: 'gw1', pid: 1, startTime: '1' } : undefined,
    ssh: { exec: (command: string, options?: { input?: string }) => {
      commands.push(options?.input ?? command);
      return Promise.resolve({ stdout: '[{"operstate":"UP","stats64":{"rx":{"bytes":5},"tx":{"bytes":7}}}]', stderr: '', exitCode: 0, ms: 1 });
    } },
  } as unknown as LabMachine);

  it('cuts once, says so, and heals', async () => {
    const commands: string[] = [];
    const links = new GuestLinks(() => machineOf(commands), shape);
    await links.cut('gw1-store', 'drop', 'both');
    expect(commands).toEqual([expect.stringContaining('table ip pathproof_gw1_store {')]);
    await expect(links.cut('gw1-store', 'drop', 'both')).rejects.toThrow('cut already');
    expect(await links.stats('gw1-store')).toEqual({ name: 'gw1-store', cut: { mode: 'drop', direction: 'both' }, connections: 1, bytesForward: 7, bytesBackward: 5 });
    await links.heal('gw1-store');
    expect(commands.at(-1)).toContain('nft delete table ip pathproof_gw1_store');
    expect((await links.stats('gw1-store')).cut).toBeNull();
    const before = commands.length;
    await links.heal('gw1-store');
    expect(commands).toHaveLength(before);
  });

  it('tries a cut out on nobody', async () => {
    const commands: string[] = [];
    await warmUp(machineOf(commands), 1_000);
    expect(commands).toEqual([expect.stringContaining('ip daddr 192.0.2.254')]);
  });

  it('cannot reset connections, and asks nothing of a machine that is off', async () => {
    const commands: string[] = [];
    let on = true;
    const links = new GuestLinks(() => machineOf(commands, on), shape);
    await expect(links.cut('gw1-store', 'reset', 'both')).rejects.toThrow('does not reset');
    await links.cut('gw1-store', 'drop', 'forward');
    on = false;
    await links.heal('gw1-store');
    expect(commands).toHaveLength(1);
  });
});

describe('parseUpLine', () => {
  it('tells steps of provisioning, of machines and of the box, and nothing else', () => {
    expect(parseUpLine('    gw1: [pathproof] gw1: changed   gateway program (3.2 s)')).toEqual({ node: 'gw1', step: 'gateway program (3.2 s)' });
    expect(parseUpLine('==> host1: Running provisioner: lab (shell)...')).toEqual({ node: 'host1', step: 'Running provisioner: lab' });
    expect(parseUpLine('[   42 s] Debian packages (mmdebstrap)')).toEqual({ node: '', step: 'Debian packages (mmdebstrap)' });
    for (const line of ['==> gw1:  -- Memory:            768M', '    gw1: [pathproof] gw1: 12 steps, 3 changed (8.0 s)', '']) expect(parseUpLine(line)).toBeUndefined();
  });
});

describe('wantedBox', () => {
  it('is what lab.yaml says, unless LAB_BOX says otherwise', () => {
    const dir = mkdtempSync(join(tmpdir(), 'pathproof-box-'));
    mkdirSync(join(dir, 'vagrant'));
    writeFileSync(join(dir, 'vagrant/lab.yaml'), 'box: debian/testing64\n');
    expect([wantedBox(dir, {}), wantedBox(dir, { LAB_BOX: 'local' }), wantedBox(dir, { LAB_BOX: '' })]).toEqual(['debian/testing64', 'local', 'debian/testing64']);
    rmSync(dir, { recursive: true });
    expect(wantedBox(checkoutDir(), {})).toBe('local');
  });
});
