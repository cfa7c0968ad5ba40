import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { LatencyHistogram } from '../histogram/histogram.js';
import { explainExit } from '../messages/exit.js';
import { fioBinary, fioTitle, fioVersion, runFio, workDirectory } from '../testing/fio.js';
import { isAtLeast } from '../version.js';
import { parseFioJson, wholeReport } from './report.js';

const MATRIX = ['--rw=read', '--rw=randwrite', '--rw=randrw', '--rw=randrw --fsync=4', '--rw=readwrite --bs=4k,8k', '--rw=write --ioengine=libaio --iodepth=8', '--rw=randtrim --ioengine=null', '--rw=read --ioengine=mmap', '--rw=randread --numjobs=3', '--rw=randread --numjobs=3 --group_reporting'];
const REPORTING = ['', '--lat_percentiles=1', '--clat_percentiles=0', '--unified_rw_reporting=mixed', '--unified_rw_reporting=both', '--percentile_list=50:99.999'];

describe.skipIf(fioVersion === undefined)(`json of the real fio ${fioTitle}`, () => {
  let directory: Awaited<ReturnType<typeof workDirectory>>;
  // Each option once: fio lists a repeated one twice.
  const fio = (...args: string[]) => {
    const defaults = ['--filename=data', '--size=256k', '--ioengine=psync'].filter((option) => !args.some((arg) => arg.startsWith(option.slice(0, option.indexOf('=') + 1))));
    return runFio(directory.path, '--name=one', ...defaults, ...args);
  };
  beforeAll(async () => {
    directory = await workDirectory();
  });
  afterAll(() => directory.remove());

  for (const workload of MATRIX) {
    it(`${workload}: json and json+`, async () => {
      for (const format of ['json', 'json+']) {
        // Every kind of reporting for one workload, and two for the rest: fio takes a third of a second to start.
        for (const reporting of workload === '--rw=randrw' ? REPORTING : format === 'json' ? [''] : ['', '--lat_percentiles=1']) {
          const run = await fio(`--output-format=${format}`, ...workload.split(' '), ...reporting.split(' ').filter(Boolean));
          expect(run.code, run.stderr).toBe(0);
          const { reports, problems } = parseFioJson(run.stdout);
          expect(problems, `${workload} ${reporting}`).toEqual([]);
          const report = reports[0]!;
          expect(report).toMatchObject({ complete: true, version: fioVersion });
          // Nothing else reads it as anything else.
          expect(JSON.parse(JSON.stringify(report.raw))).toEqual(JSON.parse(run.stdout));
          expect(Math.abs(report.timestampMs - Date.now())).toBeLessThan(600_000);
          for (const job of report.jobs) {
            const directions = [job.read, job.write, job.trim, job.mixed].filter((stats) => stats !== undefined);
            expect(directions.length).toBe(reporting.endsWith('mixed') ? 1 : reporting.endsWith('both') ? 4 : 3);
            for (const stats of directions) {
              for (const latency of [stats.completion, stats.total]) {
                if (latency.samples > 0) expect(latency.minNs).toBeLessThanOrEqual(latency.maxNs);
                if (latency.histogram === undefined) continue;
                expect(latency.histogram.total).toBe(latency.samples);
                // The percentiles of the bins are those that fio calculated.
                for (const { percent, ns } of latency.percentiles) expect(latency.histogram.percentileNs(percent)).toBe(ns);
              }
              const wanted = reporting.includes('clat_percentiles=0') ? 0 : reporting.includes('percentile_list') ? 2 : 17;
              if (stats.completion.samples > 0) expect(stats.completion.percentiles.length).toBe(wanted);
              if (stats.total.samples > 0) expect(stats.total.percentiles.length).toBe(reporting === '--lat_percentiles=1' ? 17 : 0);
            }
          }
        }
      }
    });
  }

  it('bins of several jobs merge into those of the group', async () => {
    const run = await fio('--output-format=json+', '--rw=randread', '--numjobs=4', '--randrepeat=0');
    const jobs = wholeReport(run.stdout).jobs;
    const parts = jobs.map(({ read }) => read!.completion.histogram!);
    const merged = new LatencyHistogram().merge(...parts);
    expect(merged.total).toBe(jobs.reduce((sum, { read }) => sum + read!.completion.samples, 0));
    expect(merged.maxNs).toBe(Math.max(...parts.map((part) => part.maxNs!)));
  });

  it('has the options of the job and the optional parts', async () => {
    const run = await fio('--output-format=json', '--rw=randread', '--description=a "quoted" \\ text', '--continue_on_error=all', '--latency_target=10s', '--latency_window=1s', '--latency_percentile=99', '--time_based', '--runtime=3', '--rate_iops=200', '--ss=iops:30%', '--ss_dur=2');
    const { reports, problems } = parseFioJson(run.stdout);
    expect(problems).toEqual([]);
    const job = reports[0]!.jobs[0]!;
    expect(job.description).toBe('a "quoted" \\ text');
    expect(job.options).toMatchObject({ rw: 'randread', ioengine: 'psync', rate_iops: '200' });
    expect(job).toMatchObject({ totalErrors: 0, firstError: 0, steadyState: { durationS: 2 } });
    expect(job.steadyState!.criterion).toMatch(/^iops:30/);
    expect(job.steadyState!.iops.length).toBeGreaterThan(0);
    if (isAtLeast(fioVersion!, 3, 41)) expect(Math.abs(job.jobStartMs! - Date.now())).toBeLessThan(600_000);
  });

  it('has the latencies of each priority', async ({ skip }) => {
    const run = await fio('--output-format=json+', '--rw=randread', '--bs=4k', '--ioengine=libaio', '--direct=1', '--iodepth=4', '--cmdprio_percentage=50', '--cmdprio_class=1', '--cmdprio=3', '--size=1m');
    skip(run.code !== 0, `no O_DIRECT or no realtime class here: ${run.stderr.slice(0, 200)}`);
    const { priorities } = parseFioJson(run.stdout).reports[0]!.jobs[0]!.read!;
    expect(priorities.map(({ priorityClass, level }) => [priorityClass, level]).sort()).toEqual([[0, 0], [1, 3]]);
    expect(priorities.reduce((sum, { latency }) => sum + latency.samples, 0)).toBe(256);
    for (const { of, latency } of priorities) {
      expect(of).toBe('completion');
      expect(latency.histogram!.total).toBe(latency.samples);
    }
  });

  it('--status-interval prints one report after the other', async () => {
    const run = await fio('--output-format=json', '--rw=read', '--time_based', '--runtime=3', '--rate_iops=100', '--status-interval=1');
    const { reports, problems } = parseFioJson(run.stdout);
    expect(problems).toEqual([]);
    expect(reports.length).toBeGreaterThanOrEqual(2);
    const bytes = reports.map(({ jobs }) => jobs[0]!.read!.ioBytes);
    expect([...bytes].sort((a, b) => a - b)).toEqual(bytes);
  });

  it('SIGINT leaves a message and a whole report, SIGKILL leaves nothing', async () => {
    for (const signal of ['SIGINT', 'SIGKILL'] as const) {
      const child = spawn(fioBinary, ['--name=one', '--filename=data', '--size=256k', '--ioengine=psync', '--rw=read', '--time_based', '--runtime=30', '--rate_iops=100', '--output-format=json', '--eta=never', '--thread'], { cwd: directory.path, stdio: ['ignore', 'pipe', 'inherit'] });
      let stdout = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
      const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>;
      await new Promise((resolve) => setTimeout(resolve, 1500));
      // With --thread: a job that is a process of its own has a session of its own, too, and would survive SIGKILL.
      child.kill(signal);
      const [code, by] = await closed;
      const { reports, messages, problems } = parseFioJson(stdout);
      const { meaning } = explainExit({ code, signal: by }, reports);
      if (signal === 'SIGINT') {
        expect(messages).toMatchObject([{ kind: 'terminated', signal: 2 }]);
        expect(reports).toMatchObject([{ complete: true }]);
        expect([meaning, problems]).toEqual(['interrupted', []]);
      } else {
        expect([meaning, problems.map(({ code: reason }) => reason)]).toEqual(['killed', ['NO_REPORT']]);
      }
    }
  });

  it('terse and json in one output are both found', async () => {
    const run = await fio('--output-format=terse,json', '--rw=read');
    const { reports } = parseFioJson(run.stdout);
    expect(reports).toMatchObject([{ complete: true, jobs: [{ name: 'one' }] }]);
  });

  it('a job that cannot start still has its report, with nan in other formats', async () => {
    const run = await runFio(directory.path, '--name=bad', '--rw=read', '--ioengine=null', '--output-format=json');
    expect(run.code).toBe(1);
    const { reports, messages } = parseFioJson(run.stderr + run.stdout);
    expect(reports[0]!.jobs[0]).toMatchObject({ name: 'bad', error: 22 });
    expect(messages.map(({ kind }) => kind)).toEqual(['option', 'job-error']);
    expect(explainExit(run, reports).meaning).toBe('failed');
  });

  it('of a client and a server', async () => {
    const port = await freePort();
    const server = spawn(fioBinary, [`--server=127.0.0.1,${port}`], { cwd: directory.path, stdio: 'ignore' });
    try {
      await writeFile(join(directory.path, 'client.fio'), '[a]\nfilename=data\nsize=64k\nrw=read\nioengine=psync\n[b]\nfilename=data\nsize=64k\nrw=read\nioengine=psync\n');
      let run = await runFio(directory.path, `--client=127.0.0.1,${port}`, 'client.fio', '--output-format=json');
      // The server may not listen yet.
      for (let tries = 0; tries < 50 && !run.stdout.includes('client_stats'); tries += 1) {
        await new Promise((resolve) => setTimeout(resolve, 200));
        run = await runFio(directory.path, `--client=127.0.0.1,${port}`, 'client.fio', '--output-format=json');
      }
      const { reports, problems } = parseFioJson(run.stdout);
      expect(problems.filter(({ severity }) => severity === 'error')).toEqual([]);
      const report = reports.find(({ client }) => client)!;
      expect(report.jobs.map(({ name }) => name)).toEqual(['a', 'b', 'All clients']);
      expect(report.jobs[0]).toMatchObject({ hostname: '127.0.0.1', port, read: { totalIos: 16 } });
    } finally {
      server.kill('SIGKILL');
    }
  });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
