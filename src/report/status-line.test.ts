import { describe, expect, it } from 'vitest';
import { StatusLine, type Status } from './status-line.js';

const status = (more: Partial<Status> = {}): Status => ({
  elapsedMs: 12_440, iops: 5_812.4, mibPerS: 38.12, owners: { '2': 'gw2', '1': 'gw1' }, fault: null, phase: 'load', ...more,
});

class FakeStream {
  isTTY: boolean;
  columns: number;
  text = '';
  constructor(isTTY: boolean, columns = 80) {
    this.isTTY = isTTY;
    this.columns = columns;
  }
  write(text: string): boolean {
    this.text += text;
    return true;
  }
  /** What a terminal would show: lines above, then the live one. */
  screen(): string[] {
    const lines: string[] = [''];
    // eslint-disable-next-line no-control-regex
    for (const token of this.text.match(/\r\x1b\[2K|\x1b\[\d+m|\n|[^\r\n\x1b]+/g) ?? []) {
      if (token === '\n') lines.push('');
      else if (token.startsWith('\r')) lines[lines.length - 1] = '';
      else if (!token.startsWith('\x1b')) lines[lines.length - 1] += token;
    }
    return lines;
  }
}

describe('the status line on a terminal', () => {
  it('shows what fio does, while it does something', () => {
    const stream = new FakeStream(true, 100);
    const line = new StatusLine(stream, {});
    line.update(status({ fioIops: 1_234.5 }));
    expect(stream.screen()).toEqual([' 12.4 s   5,812 IOPS    38.1 MiB/s  fio 1,235 IOPS  owners 1:gw1 2:gw2  load']);
  });

  it('rewrites one line in place, owners in numeric order', () => {
    const stream = new FakeStream(true, 100);
    const line = new StatusLine(stream, {});
    line.update(status());
    line.update(status({ elapsedMs: 12_700, owners: { '10': 'gw3', '2': null, '1': 'gw1' }, fault: 'gateway-kill gw2' }));
    expect(stream.screen()).toEqual([' 12.7 s   5,812 IOPS    38.1 MiB/s  owners 1:gw1 2:– 10:gw3  fault gateway-kill gw2  load']);
    expect(stream.text).not.toContain('\n');
  });

  it('never fills the last column, at any width, and respects a resize', () => {
    for (let columns = 2; columns <= 140; columns++) {
      const stream = new FakeStream(true, columns);
      const line = new StatusLine(stream, {});
      line.update(status({ fault: 'partition store gw1', phase: 'wait for takeover' }));
      expect([...stream.screen()[0]!].length).toBeLessThan(columns);
      if (columns < 60) expect(stream.screen()[0]).toMatch(/…$/);
    }
    const stream = new FakeStream(true, 120);
    const line = new StatusLine(stream, {});
    line.update(status());
    stream.columns = 20;
    line.update(status());
    expect(stream.screen()[0]).toHaveLength(19);
  });

  it('puts notes above the live line', () => {
    const stream = new FakeStream(true);
    const line = new StatusLine(stream, {});
    line.note('before');
    line.update(status());
    line.note('gateway gw1 killed');
    const [first, second, live] = stream.screen();
    expect([first, second]).toEqual(['before', 'gateway gw1 killed']);
    expect(live).toContain('IOPS');
  });

  it('takes the line away at the end and stays quiet then', () => {
    const stream = new FakeStream(true);
    const line = new StatusLine(stream, {});
    line.update(status());
    line.end();
    line.update(status({ elapsedMs: 99_000 }));
    line.end();
    expect(stream.screen()).toEqual(['']);
    line.note('after');
    expect(stream.screen()).toEqual(['after', '']);
  });

  it('does not write the same line twice', () => {
    const stream = new FakeStream(true);
    const line = new StatusLine(stream, {});
    line.update(status());
    const { length } = stream.text;
    line.update(status());
    expect(stream.text).toHaveLength(length);
  });

  it('shows the fault before a long list of owners, and no control characters', () => {
    const stream = new FakeStream(true, 80);
    const owners = Object.fromEntries(Array.from({ length: 16 }, (_, index) => [String(index + 1), `gw${index + 1}`]));
    new StatusLine(stream, {}).update(status({ owners, fault: 'kill\x1b[2J gw1' }));
    expect(stream.screen()[0]).toMatch(/MiB\/s {2}fault kill\ufffd\[2J gw1 {2}owners 1:gw1 2:gw2/);
  });
});

describe('the status line elsewhere', () => {
  it('is a plain line every five seconds of the run', () => {
    const stream = new FakeStream(false);
    const line = new StatusLine(stream, {});
    for (let elapsedMs = 0; elapsedMs <= 16_000; elapsedMs += 100) line.update(status({ elapsedMs }));
    line.note('a note');
    line.end();
    expect(stream.text).not.toMatch(/[\r\x1b]/); // eslint-disable-line no-control-regex
    const lines = stream.text.trimEnd().split('\n');
    expect(lines.map((each) => each.trim().split(' s')[0])).toEqual(['0.0', '5.0', '10.0', '15.0', 'a note']);
    expect(lines[1]).toContain('owners 1:gw1 2:gw2');
  });
});
