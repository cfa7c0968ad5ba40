import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { catLines } from './line-source.js';
import { NvmeTrace } from './trace.js';
import type { TraceFact } from './trace.js';
import { parseTraceLine } from './trace-lines.js';

// As Linux 7.2 printed them in a guest.
const lines = {
  aen: '    kworker/0:0H-10      [000] .....   352.318378: nvme_async_event: nvme1: NVME_AEN=0x0c0302 [NVME_AER_NOTICE]',
  asked: '    kworker/u8:3-253     [000] .....   352.319740: nvme_setup_cmd: nvme1: qid=0, cmdid=12315, nsid=4294967295, flags=0x0, meta=0x0, cmd=(nvme_admin_get_log_page cdw10=0c 00 03 08 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00)',
  done: '    kworker/0:0H-10      [000] .ls1.   352.323753: nvme_complete_rq: nvme1: qid=0, cmdid=12315, res=0x0, retries=0, flags=0x0, status=0x0',
  keepAlive: '    kworker/1:1H-126     [001] .ls1.   352.901352: nvme_complete_rq: nvme2: qid=0, cmdid=40960, res=0x0, retries=0, flags=0x0, status=0x0',
};

describe('parseTraceLine', () => {
  it('reads what the kernel prints', () => {
    expect(parseTraceLine(lines.aen)).toEqual({ kind: 'aen', tUs: 352_318_378, controller: 'nvme1', result: 0x0c_0302 });
    expect(parseTraceLine(lines.asked)).toEqual({ kind: 'ana-log-asked', tUs: 352_319_740, controller: 'nvme1', cid: 12_315 });
    expect(parseTraceLine(lines.done)).toEqual({ kind: 'admin-done', tUs: 352_323_753, controller: 'nvme1', cid: 12_315, status: 0 });
    expect(parseTraceLine(lines.done.replace('status=0x0', 'status=0x4302'))).toMatchObject({ status: 0x302 });
    expect(parseTraceLine('CPU:1 [LOST 12 EVENTS]')).toEqual({ kind: 'lost', count: 12 });
  });

  it('leaves out other log pages, other queues and other lines', () => {
    for (const line of [
      lines.asked.replace('cdw10=0c', 'cdw10=04'), lines.asked.replace('get_log_page', 'identify'), lines.done.replace('qid=0', 'disk=nvme0n1, qid=1'),
      lines.done.replace('nvme_complete_rq', 'nvme_sq'), '# tracer: nop', '', lines.aen.replace('NVME_AEN', 'AEN'),
    ]) expect(parseTraceLine(line)).toBeUndefined();
  });
});

describe('NvmeTrace', () => {
  let tracing: string;
  beforeEach(() => {
    tracing = mkdtempSync(join(tmpdir(), 'pp-trace-'));
  });
  afterEach(() => rmSync(tracing, { recursive: true, force: true }));

  function trace(): { trace: NvmeTrace; facts: TraceFact[]; problems: string[]; line: (text: string) => void; end: (why: string) => void } {
    const facts: TraceFact[] = [];
    const problems: string[] = [];
    let onLine: (line: string) => void = () => undefined;
    let end: (why: string) => void = () => undefined;
    const made = new NvmeTrace({
      tracing, name: 'host1', onFact: (fact) => facts.push(fact), onProblem: (problem) => problems.push(problem),
      open: (_path, heard) => {
        onLine = heard;
        return { ended: new Promise((resolve) => (end = resolve)), stop: () => end('') };
      },
    });
    return { trace: made, facts, problems, line: (text) => onLine(text), end: (why) => end(why) };
  }
  const instance = (file: string): string => readFileSync(join(tracing, 'instances/host1', file), 'utf8');

  it('sets up an instance and tells events and how long reads of the ANA log took', async () => {
    for (const event of ['nvme_async_event', 'nvme_setup_cmd', 'nvme_complete_rq']) mkdirSync(join(tracing, 'instances/host1/events/nvme', event), { recursive: true });
    const { trace: nvme, facts, line, problems } = trace();
    expect(nvme.start()).toBe(true);
    expect([instance('trace_clock'), instance('events/nvme/nvme_setup_cmd/filter'), instance('events/nvme/nvme_async_event/enable'), instance('tracing_on')]).toEqual(['mono', 'qid == 0 && opcode == 2', '1', '1']);
    for (const text of [lines.aen, lines.asked, lines.keepAlive, lines.done, lines.done]) line(text);
    expect(facts).toEqual([
      { kind: 'aen', ownUs: 352_318_378, controller: 'nvme1', result: 0x0c_0302 },
      { kind: 'ana-log', ownUs: 352_323_753, controller: 'nvme1', tookUs: 4_013, status: 0 },
    ]);
    line('CPU:0 [LOST 3 EVENTS]');
    expect(problems).toEqual(['the trace has lost 3 events']);
    await nvme.stop();
    await nvme.stop();
  });

  it('says so, and no more, where there is no tracefs', async () => {
    const { trace: nvme, problems } = trace();
    expect(nvme.start()).toBe(false);
    expect(problems).toEqual([expect.stringMatching(/^tracefs gives no NVMe events: ENOENT.*events\/nvme\/nvme_async_event/)]);
    await nvme.stop();
  });

  it('says when its reader ends', async () => {
    for (const event of ['nvme_async_event', 'nvme_setup_cmd', 'nvme_complete_rq']) mkdirSync(join(tracing, 'instances/host1/events/nvme', event), { recursive: true });
    const { trace: nvme, problems, end } = trace();
    nvme.start();
    end('cat: trace_pipe: No such device');
    await Promise.resolve().then(() => undefined);
    expect(problems).toEqual(['the trace has lost its reader: cat: trace_pipe: No such device']);
    expect(existsSync(join(tracing, 'instances/host1'))).toBe(true);
  });
});

describe('catLines', () => {
  it('gives the lines of a file and says why it ended', async () => {
    const heard: string[] = [];
    expect(await catLines('/proc/self/comm', (line) => heard.push(line)).ended).toMatch(/ended \(exit code 0\)$/);
    expect(heard).toEqual(['cat']);
    expect(await catLines('/no/such/file', () => undefined).ended).toMatch(/No such file/);
    const endless = catLines('/dev/zero', () => undefined);
    endless.stop();
    expect(await endless.ended).toBe('');
  });
});
