import { describe, expect, it } from 'vitest';
import { KernelLog } from './kernel-log.js';
import type { KernelLogEvent, KernelLogOptions } from './kernel-log.js';
import { classify, parseKernelRecord } from './kernel-log-facts.js';

describe('parseKernelRecord', () => {
  it('reads level, sequence, time and text', () => {
    expect(parseKernelRecord('6,1234,393912927,-;nvme nvme1: starting error recovery')).toEqual({ level: 'info', sequence: 1234, logUs: 393_912_927, message: 'nvme nvme1: starting error recovery' });
    expect(parseKernelRecord('15,5,7,-,caller=T12;a;b\\x0ac')).toEqual({ level: 'debug', sequence: 5, logUs: 7, message: 'a;b\nc' });
    for (const line of [' SUBSYSTEM=nvme', '', 'text', '6,x,1,-;text']) expect(parseKernelRecord(line)).toBeUndefined();
  });
});

describe('classify', () => {
  // As Linux 7.2 printed them in a guest, but for those marked with the kernels that print them so.
  it.each([
    ['nvme nvme1: starting error recovery', 'error-recovery', 'nvme1'],
    ['nvme nvme2: ANATT timeout, resetting controller.', 'error-recovery', 'nvme2'],
    ['nvme nvme1: Reconnecting in 1 seconds...', 'reconnect', 'nvme1'],
    ['nvme nvme1: Failed reconnect attempt 4/60', 'reconnect', 'nvme1'],
    ['nvme nvme1: Successfully reconnected (attempt 5/60)', 'reconnected', 'nvme1'],
    ['nvme nvme1: Successfully reconnected (1 attempt)', 'reconnected', 'nvme1'], // 6.1
    ['nvme nvme1: Removing controller (-111)...', 'removed', 'nvme1'],
    ['nvme nvme1: Removing controller...', 'removed', 'nvme1'], // 6.1
    ['nvme nvme2: Removing ctrl: NQN "nqn.2026-01.io.pathproof:dev"', 'removed', 'nvme2'],
    ['nvme nvme10: new ctrl: NQN "nqn.x", addr 127.0.0.1:4420, hostnqn: nqn.y', 'created', 'nvme10'],
    ['nvme nvme0: failed nvme_keep_alive_end_io error=10', 'keep-alive', 'nvme0'],
    ['nvme nvme0: long keepalive RTT (5120 ms)', 'keep-alive', 'nvme0'],
    ['nvme nvme0: I/O tag 1 (2001) type 4 opcode 0x18 (Admin Cmd) QID 0 timeout', 'timeout', 'nvme0'],
    ['nvme nvme0: queue 0: timeout request 0x1 type 4', 'timeout', 'nvme0'], // 6.1
    ['nvme nvme1: failed to connect socket: -110', 'connect-failed', 'nvme1'],
    ['nvme nvme0: failed to connect queue: 0 ret=16770', 'connect-failed', 'nvme0'],
    ['nvme nvme0: Connect Invalid Data Parameter, subsysnqn "nqn.wrong"', 'connect-failed', 'nvme0'],
    ['nvme nvme3: Property Set error: 880, offset 0x14', 'connect-failed', 'nvme3'],
    ['nvme nvme3: failed to send request -32', 'connect-failed', 'nvme3'],
    ['nvme nvme3: failfast expired', 'failfast', 'nvme3'],
    ['nvme nvme3: Failed to get ANA log: 12', 'ana', 'nvme3'],
    ['nvme nvme3: disabling ANA support.', 'ana', 'nvme3'],
    ['nvme nvme3: ANA group 1: optimized.', 'ana', 'nvme3'],
    ['nvme nvme0: rescanning namespaces.', 'namespaces', 'nvme0'],
    ['block nvme0n1: no usable path - requeuing I/O', 'no-path', 'nvme0n1'],
    ['block nvme0n1: no available path - failing I/O', 'no-path', 'nvme0n1'],
    ['nvme0c1n1: Write(0x1) @ LBA 88, 8 blocks, Asymmetric Access Inaccessible (sct 0x3 / sc 0x2) ', 'io-error', 'nvme0c1n1'],
    ['I/O error, dev nvme0c1n1, sector 704 op 0x1:(WRITE) flags 0x8800 phys_seg 1 prio class 2', 'io-error', undefined],
    ['Buffer I/O error on dev nvme0n1, logical block 3, lost async page write', 'io-error', undefined],
    ['nvmet: ctrl 1 keep-alive timer (2 seconds) expired!', 'target', undefined],
    ['nvmet_tcp: failed cmd 00000000861ddfe4 id 41065 opcode 1, data_len: 4096, status: 4604', 'target', undefined],
  ])('knows %s', (message, topic, device) => {
    expect(classify({ level: 'info', message })).toEqual(device === undefined ? { topic } : { topic, device });
  });

  it('leaves out what does not matter, but no warning', () => {
    const message = 'nvme nvme0: mapped 2/0/0 default/read/poll queues.';
    expect(classify({ level: 'info', message })).toBeUndefined();
    expect(classify({ level: 'err', message: 'Out of memory: Killed process 7 (node)' })).toEqual({ topic: 'other' });
  });
});

describe('KernelLog', () => {
  /** A log whose clock is 5 s behind the machine's own; lines come when the test says so. */
  function follow(change: Partial<KernelLogOptions> = {}): { log: KernelLog; line: (text: string) => void; events: KernelLogEvent[]; problems: string[]; marks: string[]; end: (why: string) => void; opened: () => number } {
    const events: KernelLogEvent[] = [];
    const problems: string[] = [];
    const marks: string[] = [];
    let onLine: (line: string) => void = () => undefined;
    let end: (why: string) => void = () => undefined;
    let opened = 0;
    let clockUs = 9_000_000;
    const log = new KernelLog({
      dev: '/dev', now: () => (clockUs += 100), onEvent: (event) => events.push(event), onProblem: (problem) => problems.push(problem),
      write: (_path, text) => marks.push(text.replace(/^<15>/, '')),
      open: (_path, heard) => {
        opened++;
        onLine = heard;
        return { ended: new Promise((resolve) => (end = resolve)), stop: () => end('') };
      },
      ...change,
    });
    log.start();
    return { log, line: (text) => onLine(text), events, problems, marks, end: (why) => end(why), opened: () => opened };
  }

  it('begins at its mark and puts times on the machine’s clock, with their error', () => {
    const { log, line, events, marks } = follow();
    line('6,10,3000000,-;nvme nvme1: starting error recovery');
    line(`15,11,4000150,-;${marks[0]}`);
    line('6,12,4100150,-;nvme nvme1: Reconnecting in 1 seconds...');
    line(' SUBSYSTEM=nvme');
    line('6,13,4100200,-;nvme nvme1: mapped 2/0/0 default/read/poll queues.');
    expect(events).toEqual([{ type: 'kernel.log', level: 'info', message: 'nvme nvme1: Reconnecting in 1 seconds...', topic: 'reconnect', device: 'nvme1', clockErrUs: 50, ownUs: 9_100_150 }]);
    log.stop();
  });

  it('follows a drift by later marks, and ignores those of others', () => {
    const { log, line, events, marks } = follow();
    line(`15,1,4000150,-;${marks[0]}`);
    line('15,2,4000200,-;pathproof clock mark 1-other 1');
    log.mark();
    expect(marks[1]).not.toBe(marks[0]);
    line(`15,3,4000300,-;${marks[1]}`);
    line('4,4,4000400,-;anything at all');
    expect(events).toMatchObject([{ topic: 'other', level: 'warning', ownUs: 9_000_450 }]);
    log.stop();
  });

  it('says when lines were lost', () => {
    const { log, line, events, marks } = follow();
    line(`15,1,4000150,-;${marks[0]}`);
    line('6,9,4000200,-;nvmet: ctrl 1 fatal error occurred!');
    expect(events.map(({ topic, message }) => [topic, message])).toEqual([['lost', '7 lines of the kernel\'s log were overwritten before they were read'], ['target', 'nvmet: ctrl 1 fatal error occurred!']]);
    log.stop();
  });

  it('begins again where its reader ended, without repeating itself', async () => {
    const { log, line, events, problems, marks, end, opened } = follow();
    line(`15,1,4000150,-;${marks[0]}`);
    line('6,2,4000200,-;nvmet: ctrl 1 fatal error occurred!');
    end('cat: /dev/kmsg: Broken pipe');
    await new Promise((resolve) => setTimeout(resolve, 1_200));
    expect(problems).toEqual(['following /dev/kmsg ended and begins again: cat: /dev/kmsg: Broken pipe']);
    expect(opened()).toBe(2);
    line('6,2,4000200,-;nvmet: ctrl 1 fatal error occurred!');
    line('6,3,4000300,-;nvmet: ctrl 2 fatal error occurred!');
    expect(events).toHaveLength(2);
    log.stop();
  });

  it('says that it may not write', () => {
    const { log, problems } = follow({ write: () => { throw new Error('EACCES: permission denied'); } });
    expect(problems).toEqual(['no mark can be written to /dev/kmsg: EACCES: permission denied']);
    log.stop();
  });
});
