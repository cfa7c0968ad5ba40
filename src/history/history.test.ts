import { spawn } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nowUs, sleep } from '../util/clock.js';
import type { PathproofError } from '../util/errors.js';
import type { EventBody, HistoryEvent } from './events.js';
import { historyProblemsMax, readHistory } from './reader.js';
import { useTempDirs } from './testing/temp-dir.js';
import { batchMaxBytes, HistoryWriter } from './writer.js';

const tempDir = useTempDirs();
const log = (message: string): EventBody => ({ type: 'log', level: 'info', message });
const coverage = (samples: number): EventBody => ({ type: 'observe.coverage', observer: 'host:host1', fromUs: 0, toUs: 1, samples, maxGapUs: 5 });
const newFile = (): string => path.join(tempDir(), 'history.ndjson');

describe('HistoryWriter', () => {
  it('stamps events and reads back what it wrote', async () => {
    const file = newFile();
    const writer = HistoryWriter.open(file);
    const before = nowUs();
    const here = writer.append(log('ä "quoted"\nline'))!;
    writer.append({ ...log('there'), tUs: before + 5_000 }, { node: 'gw1', offUs: 1_000, errUs: 20 });
    writer.close();
    const { events, problems } = await readHistory(file);
    expect(problems).toEqual([]);
    expect(events[0]).toEqual(here);
    expect(here).toMatchObject({ seq: 1, node: 'harness', offUs: 0, errUs: 0, type: 'log', message: 'ä "quoted"\nline' });
    expect(here.tUs).toBeGreaterThanOrEqual(before);
    expect(Math.abs(here.wallMs - Date.now())).toBeLessThan(60_000);
    expect(events[1]).toMatchObject({ seq: 2, tUs: before + 4_000, node: 'gw1', offUs: 1_000, errUs: 20, message: 'there' });
  });

  it('has facts in the file at once, with everything that came before them', () => {
    const file = newFile();
    const writer = HistoryWriter.open(file);
    writer.append(coverage(1));
    expect(readFileSync(file, 'utf8')).toBe('');
    writer.append({ type: 'fault', id: 'f1', fault: 'gateway-kill', target: 'gw1', phase: 'injecting' });
    expect(readFileSync(file, 'utf8').trim().split('\n').map((line) => (JSON.parse(line) as HistoryEvent).type)).toEqual(['observe.coverage', 'fault']);
    writer.close();
  });

  it('writes batched events by itself, and early when there are many', async () => {
    const file = newFile();
    const writer = HistoryWriter.open(file);
    writer.append(coverage(1));
    while (readFileSync(file, 'utf8') === '') await sleep(5);
    const count = Math.ceil(batchMaxBytes / 100);
    for (let i = 0; i < count; i++) writer.append(coverage(i));
    expect(readFileSync(file).length).toBeGreaterThan(batchMaxBytes / 2);
    writer.close();
    expect((await readHistory(file)).events).toHaveLength(count + 1);
  });

  it('tells live listeners until they leave', () => {
    const writer = HistoryWriter.open(newFile());
    const heard: number[] = [];
    const off = writer.on((event) => heard.push(event.seq));
    writer.append(log('a'));
    writer.append(coverage(1));
    off();
    writer.append(log('b'));
    expect(heard).toEqual([1, 2]);
    writer.close();
    expect(writer.append(log('late'))).toBeUndefined();
    writer.close();
  });

  it('tells of a full disk once, with a stable code, and keeps what was written', async () => {
    const file = newFile();
    const errors: PathproofError[] = [];
    let calls = 0;
    const writer = HistoryWriter.open(file, {
      onError: (error) => errors.push(error),
      writeSync: (_fd, data, offset, length) => {
        if (++calls > 2) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
        appendFileSync(file, data.subarray(offset, offset + length));
        return length;
      },
    });
    for (let i = 0; i < 5; i++) writer.append(log(`message ${i}`));
    writer.close();
    expect(errors.map((error) => [error.code, error.exitCode])).toEqual([['DISK_FULL', 3]]);
    expect((await readHistory(file)).events).toHaveLength(2);
  });

  it('completes short writes', async () => {
    const file = newFile();
    const writer = HistoryWriter.open(file, {
      writeSync: (_fd, data, offset, length) => {
        const some = Math.min(7, length);
        appendFileSync(file, data.subarray(offset, offset + some));
        return some;
      },
    });
    writer.append(log('a message that takes many short writes'));
    writer.close();
    expect(await readHistory(file)).toMatchObject({ problems: [], events: [{ message: 'a message that takes many short writes' }] });
  });

  it('never writes over an earlier history, and names a folder that is not there', () => {
    const file = newFile();
    HistoryWriter.open(file).close();
    expect(() => HistoryWriter.open(file)).toThrow(expect.objectContaining({ code: 'FILE_EXISTS', exitCode: 3 }));
    expect(() => HistoryWriter.open(path.join(file, 'no', 'folder'))).toThrow(expect.objectContaining({ code: 'FILE_OPEN_FAILED' }));
  });

  it('loses no fact to a SIGKILL', async () => {
    const file = newFile();
    const fixture = fileURLToPath(new URL('./testing/history-child.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', fixture, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    let told = '';
    child.stdout.setEncoding('utf8');
    const exited = new Promise((resolve) => child.once('exit', resolve));
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (text: string) => {
        told += text;
        if (told.length > 2_000) resolve();
      });
    });
    child.kill('SIGKILL');
    await exited;
    const appended = told.split('\n').slice(0, -1).map(Number);
    const { events, problems } = await readHistory(file);
    expect(appended.length).toBeGreaterThan(100);
    expect(new Set(events.map((event) => event.seq))).toEqual(new Set(Array.from({ length: events.length }, (_, i) => i + 1)));
    expect(events.length).toBeGreaterThanOrEqual(appended.at(-1)!);
    expect(problems).toEqual([]);
  });
});

describe('readHistory', () => {
  const stored = (...messages: string[]): { file: string; lines: string[] } => {
    const file = newFile();
    const writer = HistoryWriter.open(file);
    for (const message of messages) writer.append(log(message));
    writer.close();
    return { file, lines: readFileSync(file, 'utf8').split('\n').slice(0, -1) };
  };

  it('reads every event before the place where the file was cut, wherever that is', async () => {
    const { file, lines } = stored('one', 'two – drei', 'three');
    const whole = readFileSync(file);
    await fc.assert(
      fc.asyncProperty(fc.nat({ max: whole.length }), async (cut) => {
        writeFileSync(file, whole.subarray(0, cut));
        const { events, problems } = await readHistory(file);
        let complete = 0;
        for (let at = 0; complete < lines.length; complete++) {
          const end = at + Buffer.byteLength(lines[complete]!);
          if (end > cut) break;
          at = end + 1;
        }
        expect(events).toHaveLength(complete);
        const tail = whole.subarray(0, cut).toString('utf8').split('\n').at(-1)!;
        expect(problems).toHaveLength(tail === '' || tail === lines[complete - 1] ? 0 : 1);
        if (problems.length > 0) expect(problems[0]).toMatch(/last line .* torn/);
      }),
    );
  });

  it('names missing, repeated and unreadable lines, and reads on', async () => {
    const { file, lines } = stored('1', '2', '3', '4', '5');
    writeFileSync(file, [lines[0], lines[3], 'no json', '{"seq":"x"}', '', lines[3], lines[4], ''].join('\n'));
    const { events, problems } = await readHistory(file);
    expect(events.map((event) => event.seq)).toEqual([1, 4, 4, 5]);
    expect(problems).toEqual([
      '2 events missing before line 2: seq goes from 1 to 4',
      'line 3 is no event: no json',
      'line 4 is no event: {"seq":"x"}',
      'line 5 is empty',
      'line 6 has seq 4 after 4: events repeated or out of order',
    ]);
  });

  it('keeps events of types that it does not know', async () => {
    const { file } = stored('1');
    appendFileSync(file, '{"seq":2,"tUs":5,"wallMs":1,"node":"x","offUs":0,"errUs":0,"type":"from.the.future","more":[1]}\n');
    const { events, problems } = await readHistory(file);
    expect(problems).toEqual([]);
    expect(events[1]).toMatchObject({ type: 'from.the.future', more: [1] });
  });

  it('reads lines that span its reads', async () => {
    const { file } = stored('x'.repeat(3_000_000), 'short', 'y'.repeat(1_048_576));
    const { events, problems } = await readHistory(file);
    expect(problems).toEqual([]);
    expect(events.map((event) => event.type === 'log' && event.message.length)).toEqual([3_000_000, 5, 1_048_576]);
  });

  it('tells a bounded number of problems', async () => {
    const file = newFile();
    writeFileSync(file, 'bad\n'.repeat(historyProblemsMax + 50));
    const { problems } = await readHistory(file);
    expect(problems).toHaveLength(historyProblemsMax + 1);
    expect(problems.at(-1)).toBe('and 50 more problems');
  });

  it('gives an empty history for an empty file and rejects for a missing one', async () => {
    const file = newFile();
    writeFileSync(file, '');
    expect(await readHistory(file)).toEqual({ events: [], problems: [] });
    await expect(readHistory(`${file}.not-there`)).rejects.toThrow(/ENOENT/);
  });
});
