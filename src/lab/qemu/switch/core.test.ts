import { describe, expect, it } from 'vitest';
import { SwitchCore, type PortState } from './core.js';
import { toRecord } from './frame.js';
import type { RuleSpec } from './rules.js';
import { ethernet, tcpPacket } from './switch.test.kit.js';

const broadcast = 'ff:ff:ff:ff:ff:ff';
const addresses: Record<string, string> = { gw1: '02:00:00:00:00:01', gw2: '02:00:00:00:00:02', host1: '02:00:00:00:00:03' };

/** Fabrics a and b with three nodes each; `sent` collects what the nodes get. */
function fabric(full: () => boolean = () => false) {
  const sent: { fabric: string; node: string; tag: string }[] = [];
  const names: { fabric: string; node: string }[] = [];
  const core = new SwitchCore({
    seed: 'test',
    output: (port, record) => {
      if (full()) return false;
      sent.push({ ...names[port]!, tag: record.subarray(18).toString('latin1').replace(/\0+$/, '') });
      return true;
    },
  });
  for (const name of ['a', 'b']) for (const node of Object.keys(addresses)) names[core.addPort(name, node)] = { fabric: name, node };
  let now = 0;
  return {
    core, sent,
    at(ms: number) {
      now = ms;
    },
    frame(from: string, to: string, tag: string, name = 'a') {
      core.receive(core.portIndex(name, from), toRecord(ethernet(to === 'all' ? broadcast : addresses[to]!, addresses[from]!, Buffer.from(tag.padEnd(46, '\0')))), now);
    },
    /** Lets the switch see every address. */
    learn(this: void) {
      for (const node of Object.keys(addresses)) core.receive(core.portIndex('a', node), toRecord(ethernet(broadcast, addresses[node]!, Buffer.alloc(46))), now);
      sent.length = 0;
    },
    rule: (spec: Partial<RuleSpec> & Pick<RuleSpec, 'action'>) => core.addRule({ fabric: 'a', node: 'gw1', direction: 'both', ...spec }, now),
    port: (node: string, name = 'a'): PortState => core.state().find((p) => p.fabric === name && p.node === node)!,
    release(ms: number) {
      now = ms;
      core.release(ms);
    },
    tags: () => sent.splice(0).map((s) => `${s.node}:${s.tag}`),
  };
}

describe('learning', () => {
  it('floods what it does not know, then sends to one port only', () => {
    const f = fabric();
    f.frame('gw1', 'host1', 'first');
    expect(f.tags()).toEqual(['gw2:first', 'host1:first']);
    f.frame('host1', 'gw1', 'answer');
    expect(f.tags()).toEqual(['gw1:answer']);
    f.frame('gw1', 'host1', 'second');
    expect(f.tags()).toEqual(['host1:second']);
  });

  it('keeps fabrics apart, also for the same address', () => {
    const f = fabric();
    f.learn();
    f.frame('gw1', 'all', 'x', 'b');
    expect(f.sent.every((s) => s.fabric === 'b')).toBe(true);
    expect(f.sent).toHaveLength(2);
  });

  it('follows an address that moves to another port', () => {
    const f = fabric();
    f.learn();
    f.core.receive(f.core.portIndex('a', 'gw2'), toRecord(ethernet(broadcast, addresses['gw1']!, Buffer.alloc(46))), 0);
    f.sent.length = 0;
    f.frame('host1', 'gw1', 'moved');
    expect(f.tags()).toEqual(['gw2:moved']);
  });

  it('counts frames and bytes without the length prefix', () => {
    const f = fabric();
    f.learn();
    const before = f.port('gw1');
    f.frame('gw1', 'host1', 'x');
    expect(f.port('gw1').fromFrames - before.fromFrames).toBe(1);
    expect(f.port('gw1').fromBytes - before.fromBytes).toBe(60);
    expect(f.port('host1').toFrames).toBeGreaterThan(0);
  });
});

describe('cut', () => {
  it.each(['from', 'to', 'both'] as const)('direction %s', (direction) => {
    const f = fabric();
    f.learn();
    const id = f.rule({ direction, action: { kind: 'cut' } });
    f.frame('gw1', 'host1', 'out');
    f.frame('host1', 'gw1', 'in');
    expect(f.tags()).toEqual([...(direction === 'to' ? ['host1:out'] : []), ...(direction === 'from' ? ['gw1:in'] : [])]);
    expect(f.port('gw1').cutFrames).toBe(direction === 'both' ? 2 : 1);
    expect(f.port('gw1').rules[0]!.hits).toBe(f.port('gw1').cutFrames);
    expect(f.core.removeRule(id)).toBe(true);
    expect(f.core.removeRule(id)).toBe(false);
    f.frame('gw1', 'host1', 'out');
    f.frame('host1', 'gw1', 'in');
    expect(f.tags()).toEqual(['host1:out', 'gw1:in']);
  });

  it('does not touch others', () => {
    const f = fabric();
    f.learn();
    f.rule({ action: { kind: 'cut' } });
    f.frame('gw2', 'host1', 'x');
    f.frame('host1', 'all', 'y');
    expect(f.tags()).toEqual(['host1:x', 'gw2:y']);
  });

  it('does not learn from a frame that never entered', () => {
    const f = fabric();
    f.rule({ direction: 'from', action: { kind: 'cut' } });
    f.frame('gw1', 'all', 'lost');
    f.frame('host1', 'gw1', 'flooded');
    expect(f.tags()).toEqual(['gw1:flooded', 'gw2:flooded']);
  });

  it('can be narrowed to a peer node', () => {
    const f = fabric();
    f.learn();
    f.rule({ match: { node: 'host1' }, action: { kind: 'cut' } });
    f.frame('gw1', 'host1', 'x');
    f.frame('host1', 'gw1', 'x');
    f.frame('gw1', 'gw2', 'y');
    f.frame('gw2', 'gw1', 'z');
    expect(f.tags()).toEqual(['gw2:y', 'gw1:z']);
  });

  it('can be narrowed to a peer address and to ports, in both directions', () => {
    const f = fabric();
    f.learn();
    f.rule({ match: { ipv4: '192.0.2.31' }, action: { kind: 'cut' } });
    const send = (from: string, to: string, source: string, destination: string, sourcePort = 1_000, destinationPort = 6_800): void => {
      f.core.receive(f.core.portIndex('a', from), toRecord(tcpPacket({ source, destination, sourcePort, destinationPort, to: addresses[to]!, from: addresses[from]! })), 0);
    };
    send('gw1', 'gw2', '192.0.2.101', '192.0.2.31');
    send('gw2', 'gw1', '192.0.2.31', '192.0.2.101');
    expect(f.sent).toHaveLength(0);
    send('gw1', 'gw2', '192.0.2.101', '192.0.2.11');
    send('gw2', 'gw1', '192.0.2.11', '192.0.2.101');
    expect(f.sent).toHaveLength(2);
    f.core.removeAllRules();
    f.sent.length = 0;
    f.rule({ match: { portFirst: 3_300, portLast: 6_789 }, action: { kind: 'cut' } });
    send('gw1', 'gw2', '192.0.2.101', '192.0.2.11', 1_000, 3_300);
    send('gw2', 'gw1', '192.0.2.11', '192.0.2.101', 6_789, 1_000);
    expect(f.sent).toHaveLength(0);
    send('gw1', 'gw2', '192.0.2.101', '192.0.2.11', 3_300, 6_800);
    expect(f.sent).toHaveLength(1);
  });
});

describe('delay', () => {
  it('keeps frames for its time and in order, also after the heal', () => {
    const f = fabric();
    f.learn();
    const id = f.rule({ direction: 'from', action: { kind: 'delay', delayMs: 100 } });
    f.frame('gw1', 'host1', '1');
    f.at(50);
    f.core.removeRule(id);
    f.frame('gw1', 'host1', '2');
    expect(f.core.nextReleaseMs).toBe(100);
    f.release(99);
    expect(f.tags()).toEqual([]);
    f.release(100);
    expect(f.tags()).toEqual(['host1:1', 'host1:2']);
    expect(f.core.nextReleaseMs).toBeUndefined();
    f.frame('gw1', 'host1', '3');
    expect(f.tags()).toEqual(['host1:3']);
  });

  it('never lets jitter reorder one pair, and does not hold up another', () => {
    const f = fabric();
    f.learn();
    f.rule({ direction: 'from', action: { kind: 'delay', delayMs: 10, jitterMs: 1_000 } });
    const tags = Array.from({ length: 50 }, (_, i) => `${i}`);
    tags.forEach((tag, i) => {
      f.at(i);
      f.frame('gw1', 'host1', tag);
    });
    f.frame('gw2', 'host1', 'other');
    expect(f.tags()).toEqual(['host1:other']);
    f.release(5_000);
    expect(f.tags()).toEqual(tags.map((t) => `host1:${t}`));
    expect(f.port('host1').delayedFrames).toBe(50);
  });

  it('sums the rules of both ends', () => {
    const f = fabric();
    f.learn();
    f.rule({ direction: 'from', action: { kind: 'delay', delayMs: 100 } });
    f.rule({ node: 'host1', direction: 'to', action: { kind: 'delay', delayMs: 30 } });
    f.frame('gw1', 'host1', 'x');
    expect(f.core.nextReleaseMs).toBe(130);
  });
});

describe('drop and flap', () => {
  it('drops about the wanted part, the same frames for the same seed', () => {
    const run = (): string[] => {
      const f = fabric();
      f.learn();
      f.rule({ direction: 'from', action: { kind: 'drop', percent: 30 } });
      for (let i = 0; i < 1_000; i++) f.frame('gw1', 'host1', `${i}`);
      expect(f.port('gw1').droppedFrames + f.sent.length).toBe(1_000);
      return f.tags();
    };
    const first = run();
    expect(first.length).toBeGreaterThan(640);
    expect(first.length).toBeLessThan(760);
    expect(run()).toEqual(first);
  });

  it('flaps: up, down, up', () => {
    const f = fabric();
    f.learn();
    f.at(1_000);
    f.rule({ action: { kind: 'flap', upMs: 100, downMs: 50 } });
    for (const ms of [0, 99, 100, 149, 150, 249, 250]) {
      f.at(1_000 + ms);
      f.frame('gw1', 'host1', `${ms}`);
    }
    expect(f.tags()).toEqual(['host1:0', 'host1:99', 'host1:150', 'host1:249']);
    expect(f.port('gw1').cutFrames).toBe(3);
  });
});

describe('trouble', () => {
  it('loses and counts what a full port cannot take', () => {
    const f = fabric(() => true);
    f.frame('gw1', 'all', 'x');
    expect(f.port('host1')).toMatchObject({ overflowFrames: 1, toFrames: 0 });
  });

  it('refuses rules for what is not there and malformed ones', () => {
    const f = fabric();
    expect(() => f.rule({ node: 'gw9', action: { kind: 'cut' } })).toThrow('no port for gw9');
    expect(() => f.rule({ action: { kind: 'delay', delayMs: 0 } })).toThrow();
    expect(() => f.rule({ action: { kind: 'drop', percent: 101 } })).toThrow();
    expect(() => f.rule({ match: { ipv4: 'x' }, action: { kind: 'cut' } })).toThrow();
    expect(() => f.core.addPort('a', 'gw1')).toThrow('already');
    expect(f.core.state().every((p) => p.rules.length === 0)).toBe(true);
  });

  it('taps what is sent, before the rules, and what arrives', () => {
    const f = fabric();
    f.learn();
    const seen: string[] = [];
    f.core.tap = (port, direction) => seen.push(`${f.core.state()[port]!.node} ${direction}`);
    f.rule({ node: 'host1', direction: 'to', action: { kind: 'cut' } });
    f.frame('gw1', 'host1', 'x');
    f.frame('gw1', 'gw2', 'x');
    expect(seen).toEqual(['gw1 from', 'gw1 from', 'gw2 to']);
  });
});
