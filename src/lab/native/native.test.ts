import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { cgroupMount } from '../machine-parts.js';
import { bootstrapCommand, bootstrapConfig, gatewayServiceYaml, serviceName } from './cluster-spec.js';
import { cutRules, linkEnds } from './native-links.js';
import { nativeRecipe, nativeRecipeHash } from './recipe.js';

describe('cut links', () => {
  it('drops the monitor’s ports for one link, all others for the other, in both directions', () => {
    const monitor = cutRules('gw2-monitor', 'both');
    expect(monitor).toContain('ip daddr 192.0.2.10 tcp dport { 3300, 6789 } counter drop');
    expect(monitor).toContain('ip saddr 192.0.2.10 tcp sport { 3300, 6789 } counter drop');
    const store = cutRules('gw2-store', 'both');
    expect(store).toContain('ip daddr 192.0.2.10 tcp dport != { 3300, 6789 } counter drop');
    expect(store.split('\n')[0]).toBe('table ip cut_gw2_store {');
  });

  it('knows which way is forward at either end', () => {
    expect(cutRules('gw1-store', 'forward')).toMatch(/hook output/);
    expect(cutRules('gw1-store', 'forward')).not.toMatch(/hook input/);
    // The host opens the connection, and the rule is at the gateway.
    expect(cutRules('host1-gw1', 'forward')).toMatch(/hook input[^]*ip saddr 192\.0\.2\.201 counter drop/);
    expect(cutRules('host1-gw1', 'forward')).not.toMatch(/hook output/);
    expect(cutRules('host1-gw1', 'backward')).not.toMatch(/hook input/);
  });

  it('refuses names that are no link', () => {
    expect(() => linkEnds('gw1-gw2')).toThrow('no link');
    expect(() => linkEnds('monitor-store')).toThrow('no link');
  });
});

describe('what cephadm is told', () => {
  it('asks no registry, and gives the service our image', () => {
    const config = bootstrapConfig({ mon_nvmeofgw_beacon_grace: '7' });
    expect(config).toMatch(/\[mgr\]\nmgr\/cephadm\/use_repo_digest = false\nmgr\/cephadm\/container_image_nvmeof = localhost\/pathproof-gateway:dev/);
    expect(config).toMatch(/\[mon\][^[]*mon_nvmeofgw_beacon_grace = 7/);
    expect(bootstrapCommand('/c')).toContain('--skip-pull');
  });

  it('names hosts, mounts and the memory that keeps huge pages away; an unmanaged service says so', () => {
    const spec = { pool: 'rbd', group: 'g1' };
    const managed = parse(gatewayServiceYaml(spec, ['gw1', 'gw2'])) as Record<string, unknown>;
    expect(managed).toMatchObject({ service_type: 'nvmeof', service_id: 'rbd.g1', placement: { hosts: ['gw1', 'gw2'] }, spec: { pool: 'rbd', group: 'g1', spdk_mem_size: 1024 } });
    expect(managed['extra_container_args']).toContain('--volume=/run/pathproof:/run/pathproof');
    expect(managed).not.toHaveProperty('unmanaged');
    expect(parse(gatewayServiceYaml(spec, ['gw1'], { unmanaged: true }))).toMatchObject({ unmanaged: true });
    expect(serviceName(spec)).toBe('nvmeof.rbd.g1');
  });
});

describe('recipe', () => {
  it('has another hash for other packages and another suite, not for another order', () => {
    const recipe = nativeRecipe();
    const hash = nativeRecipeHash(recipe);
    expect(nativeRecipeHash({ ...recipe, hostPackages: [...recipe.hostPackages].reverse() })).toBe(hash);
    expect(nativeRecipeHash({ ...recipe, hostPackages: [...recipe.hostPackages, 'tcpdump'] })).not.toBe(hash);
    expect(nativeRecipeHash(nativeRecipe('sid'))).not.toBe(hash);
  });
});

describe('control groups', () => {
  it('are found alone and beside v1', () => {
    expect(cgroupMount('cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n')).toBe('/sys/fs/cgroup');
    expect(cgroupMount('cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n')).toBe('/sys/fs/cgroup/unified');
    expect(cgroupMount('tmpfs /sys/fs/cgroup tmpfs rw 0 0\n')).toBeUndefined();
  });
});
