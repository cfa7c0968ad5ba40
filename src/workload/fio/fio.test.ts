import fc from 'fast-check';
import { parseJobFile } from 'fio-parser';
import { describe, expect, it } from 'vitest';
import { buildPhase } from './build.js';
import { detectCapabilities, parseCmdHelp } from './capabilities.js';
import { anchorLog } from './clock.js';
import { EtaStream } from './eta-stream.js';
import { testJobs } from './testing/fixture.js';

const help333 = `filename                : File(s) to use for the workload
  lockfile              : Lock file when doing IO to it
rw                      : IO direction
  serialize_overlap     : Wait for in-flight IOs that collide to complete
nice                    : Set job CPU priority
log_unix_epoch          : Use Unix time in log files
log_alternate_epoch     : Use alternate epoch time in log files. Uses the same epoch
log_alternate_epoch_clock_id: If log_alternate_epoch or log_unix_epoch is true, this
`;
const fio333 = detectCapabilities('fio-3.33\n', help333);
const fio343 = detectCapabilities('fio-3.43\n', `${help333}verify_write_sequence   : Verify header write sequence number\nverify_header_seed      : Verify the seed\n`);
const devices = new Map([[1, '/dev/nvme0n1'], [2, '/dev/nvme0n2'], [3, '/dev/nvme0n3']]);

/** The options of a phase's job file as fio reads them, by section. */
function optionsOf(...args: Parameters<typeof buildPhase>): Record<string, Record<string, string>> {
  const sections: Record<string, Record<string, string>> = {};
  let open: Record<string, string> = {};
  for (const line of parseJobFile(buildPhase(...args).jobFile).file.lines) {
    if (line.kind === 'section') open = sections[line.name] = {};
    if (line.kind === 'option') open[line.name] = line.value ?? '1';
  }
  return sections;
}

describe('capabilities', () => {
  it('are what --cmdhelp lists, long names and sub-options too', () => {
    expect([...parseCmdHelp(help333)]).toEqual(['filename', 'lockfile', 'rw', 'serialize_overlap', 'nice', 'log_unix_epoch', 'log_alternate_epoch', 'log_alternate_epoch_clock_id']);
  });
  it.each([
    ['fio-3.16', false], ['fio-3.41', false], ['fio-3.42-28-g1d7a', false], ['fio-3.43', true], ['fio-4.0', true], ['something else', false],
  ])('%s leaves errored writes out of the verification: %s', (version, expected) => {
    expect(detectCapabilities(version, '').skipsErroredWrites).toBe(expected);
  });
  it('choose the clock of the logs by the options', () => {
    expect(fio333.logClock).toBe('monotonic');
    expect(detectCapabilities('fio-3.20', 'log_unix_epoch : x').logClock).toBe('realtime');
    expect(detectCapabilities('fio-2.0', 'rw : x').logClock).toBe('start');
  });
});

describe('buildPhase', () => {
  const [job] = testJobs([{ name: 'mix', mode: 'randwrite', rateIops: 100, queueDepth: 8 }]);

  it('main: verifies while it runs, stops at the first corrupt block, and two writes to one block never overlap', () => {
    const { global, ns1, ns2 } = optionsOf(job!, 'main', devices, fio333);
    expect(global).toMatchObject({
      direct: '1', thread: '1', rw: 'randwrite', iodepth: '8', serialize_overlap: '1', loops: '1000000', runtime: '86400s', rate_iops: '100', continue_on_error: 'none',
      verify: 'crc32c', verify_interval: '4096', do_verify: '1', verify_backlog: '256', verify_fatal: '1', verify_state_save: '1', log_offset: '1', log_alternate_epoch_clock_id: '1',
    });
    // With it fio would not find a block that holds an older write.
    expect(global).not.toHaveProperty('time_based');
    expect(ns1).toEqual({ filename: '/dev/nvme0n1', offset: '1048576', size: '7340032' });
    expect(ns2!['filename']).toBe('/dev/nvme0n2');
  });

  it('verify: reads everything with the block size of the writes, lists every bad block, may not write', () => {
    expect(buildPhase(job!, 'verify', devices, fio333).args).toContain('--readonly');
    const { global } = optionsOf(job!, 'verify', devices, fio333);
    expect(global).toMatchObject({ rw: 'read', bs: '4096', verify: 'crc32c', verify_interval: '4096', do_verify: '1', verify_fatal: '0', continue_on_error: 'verify', verify_state_save: '0' });
    expect(global).not.toHaveProperty('time_based');
    expect(global).not.toHaveProperty('verify_write_sequence');
    expect(optionsOf(job!, 'verify', devices, fio343)['global']).toMatchObject({ verify_write_sequence: '0', verify_header_seed: '0' });
  });

  it('prefill: writes headers of the same size in large I/Os that fill the region to its end', () => {
    const { global } = optionsOf(job!, 'prefill', devices, fio333);
    const heldBack = (rateIops: number) => optionsOf(testJobs([{ name: 'p', rateIops }])[0]!, 'prefill', devices, fio333)['global']!['rate'];
    expect([heldBack(0), heldBack(10), heldBack(1_000)]).toEqual([undefined, '524288', '4096000']);
    expect(global).toMatchObject({ rw: 'write', bs: '131072', verify: 'crc32c', verify_interval: '4096', do_verify: '0', verify_state_save: '0' });
    expect(7_340_032 % Number(global!['bs'])).toBe(0);
  });

  it('passes: each is verified by the process that wrote it, whole', () => {
    const { global } = optionsOf(testJobs([{ name: 'p', mode: 'randwrite', passes: 3 }])[0]!, 'main', devices, fio333);
    expect(global).toMatchObject({ loops: '3', do_verify: '1' });
    expect(global).not.toHaveProperty('verify_backlog');
    expect(global).not.toHaveProperty('time_based');
  });

  it('a reader does not verify in its main phase: it would end after one pass', () => {
    const { global } = optionsOf(testJobs([{ name: 'r', mode: 'randread', runtimeMs: 1_500 }])[0]!, 'main', devices, fio333);
    expect(global).toMatchObject({ rw: 'randread', runtime: '1500ms', time_based: '1' });
    expect(global).not.toHaveProperty('verify');
  });

  it('has no overlap to serialize at depth 1', () => {
    expect(optionsOf(testJobs([{ name: 'd', queueDepth: 1 }])[0]!, 'main', devices, fio333)['global']).not.toHaveProperty('serialize_overlap');
  });

  it('warns where errored writes are tolerated by a fio that calls them corrupt', () => {
    const [tolerant] = testJobs([{ name: 't', onIoError: 'continue' }]);
    expect(buildPhase(tolerant!, 'main', devices, fio333).warnings).toEqual([expect.stringMatching(/fio-3\.33 reports blocks whose write ended in an error as corrupt/)]);
    expect(buildPhase(tolerant!, 'main', devices, fio343).warnings).toEqual([]);
    expect(optionsOf(tolerant!, 'main', devices, fio333)['global']).toMatchObject({ continue_on_error: 'io' });
  });

  it('takes further options, but none that this fio does not have', () => {
    expect(optionsOf(testJobs([{ name: 'o', options: { nice: 5 } }])[0]!, 'main', devices, fio333)['global']).toMatchObject({ nice: '5' });
    expect(() => buildPhase(testJobs([{ name: 'o', options: { fdp: true } }])[0]!, 'main', devices, fio333)).toThrow(/fio-3\.33 has no option fdp/);
  });

  it('refuses the hidden device of one path', () => {
    expect(() => buildPhase(job!, 'main', new Map([[1, '/dev/nvme0c1n1'], [2, '/dev/nvme0n2']]), fio333)).toThrow(/one path of namespace 1, not its multipath head/);
    expect(() => buildPhase(job!, 'main', new Map(), fio333)).toThrow(/no device for namespace 1/);
  });
});

describe('anchorLog', () => {
  it('a log in monotonic time is off by the offset of the node, and by half the drift', () => {
    const before = { monotonicOffUs: 1_000_000, realtimeOffUs: 0, errUs: 300 };
    expect(anchorLog('monotonic', before, { startedUs: 0, heardUs: 0 })).toEqual({ clock: 'monotonic', zeroUs: -1_000_000, zeroErrUs: 1_300 });
    expect(anchorLog('monotonic', before, { startedUs: 0, heardUs: 0 }, { ...before, monotonicOffUs: 1_000_400, errUs: 200 })).toEqual({ clock: 'monotonic', zeroUs: -1_000_200, zeroErrUs: 1_500 });
  });
  it('a wall clock that was set in between is an error as large as the step', () => {
    const before = { monotonicOffUs: 0, realtimeOffUs: 1_000_000_000, errUs: 500 };
    expect(anchorLog('realtime', before, { startedUs: 0, heardUs: 0 }, { ...before, realtimeOffUs: 1_060_000_000 }).zeroErrUs).toBeGreaterThan(30_000_000);
  });
  it('a log that counts from its start begins between the start and the first word', () => {
    expect(anchorLog('start', { monotonicOffUs: 0, realtimeOffUs: 0, errUs: 0 }, { startedUs: 1_000_000, heardUs: 1_200_000 })).toEqual({ clock: 'start', zeroUs: 1_100_000, zeroErrUs: 101_000 });
  });
});

describe('EtaStream', () => {
  const feed = (text: string, cuts: number[]): { writes: number[]; other: string } => {
    const writes: number[] = [];
    let other = '';
    const stream = new EtaStream(({ writeIops }) => writes.push(writeIops), (part) => (other += part));
    const bytes = Buffer.from(text);
    let from = 0;
    for (const cut of [...cuts.map((each) => each % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]) {
      stream.write(bytes.subarray(from, cut));
      from = cut;
    }
    stream.end();
    return { writes, other };
  };

  it('tells progress and the rest apart, wherever the chunks are cut', () => {
    const text = 'fio: pid=7, err=5/file:x.c:1, func=ü\nJobs: 2 (f=2)\rJobs: 2 (f=2): [w(2)][20.0%][w=79KiB/s][w=19 IOPS][eta 00m:12s]\r\nnoise\nJobs: 1 (f=1): [w(1)][90.0%][w=4KiB/s][w=1 IOPS][eta 00m:01s]';
    fc.assert(fc.property(fc.array(fc.nat(), { maxLength: 12 }), (cuts) => {
      expect(feed(text, cuts)).toEqual({ writes: [0, 19, 1], other: 'fio: pid=7, err=5/file:x.c:1, func=ü\nnoise\n' });
    }));
  });
  it('keeps a line without an end, and one that is far too long', () => {
    expect(feed('cut of', [])).toEqual({ writes: [], other: 'cut of' });
    expect(feed('x'.repeat(200_000), [70_000]).other.length).toBe(200_000);
  });
  it('loses nothing but ends of lines and empty ones', () => {
    fc.assert(fc.property(fc.array(fc.constantFrom('\r', '\n', 'Jobs', ': 1', '  "a" : 1', 'x', 'ß')), fc.array(fc.nat(), { maxLength: 5 }), (parts, cuts) => {
      const text = parts.join('');
      expect(feed(text, cuts).other.replaceAll('\n', '')).toBe(text.split(/[\r\n]/).filter((line) => line.trim() !== '').join(''));
    }));
  });
});
