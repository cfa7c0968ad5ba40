import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import type { EventOf, NodeEvent } from '../history/events.js';
import { sleep } from '../util/clock.js';
import { notMeasured, ResourceWatch } from './resources.js';
import type { WatchedProcess } from './resources.js';

type Watch = EventOf<'self.watch'>;
const children: ChildProcess[] = [];
const watches: ResourceWatch[] = [];

function start(script: string): Promise<{ child: ChildProcess; pid: number }> {
  const child = spawn(process.execPath, ['-e', `process.stdout.write('up'); ${script}`], { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return new Promise((resolve) => child.stdout.once('data', () => resolve({ child, pid: child.pid! })));
}
const idle = 'setInterval(() => {}, 1000)';

function watch(processes: () => readonly WatchedProcess[], onError?: (error: Error) => void): { events: Watch[]; watch: ResourceWatch } {
  const events: Watch[] = [];
  const made = new ResourceWatch({
    processes, emit: (event: NodeEvent) => events.push(event as Watch), periodMs: 60_000, ...(onError === undefined ? {} : { onError }),
  });
  watches.push(made);
  return { events, watch: made };
}

afterEach(async () => {
  for (const each of watches.splice(0)) await each.stop();
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

describe('ResourceWatch', () => {
  it('tells memory and CPU of other processes, under a name apart from their own reports', async () => {
    const busy = await start('for (;;);');
    const quiet = await start(idle);
    const { events, watch: w } = watch(() => [{ name: 'gw1', pid: busy.pid }, { name: 'gw2', pid: quiet.pid }]);
    await w.look();
    expect(events).toEqual([]);
    // The kernel counts CPU in ticks of 10 ms.
    await sleep(300);
    await w.look();
    const of = (name: string): Watch => events.find((event) => event.process === name)!;
    expect(of('ps:gw1')).toMatchObject({ type: 'self.watch', pid: busy.pid, loopDelayMaxUs: notMeasured, loopDelayP99Us: notMeasured });
    expect(of('ps:gw1').toUs - of('ps:gw1').fromUs).toBeGreaterThan(250_000);
    expect(of('ps:gw1').cpuPercent).toBeGreaterThan(of('ps:gw2').cpuPercent);
    expect(of('ps:gw2').rssBytes).toBeGreaterThan(5_000_000);
  });

  it('goes on when a process ends, when all have ended, and when a name gets a new pid', async () => {
    const first = await start(idle);
    const second = await start(idle);
    let list: WatchedProcess[] = [{ name: 'gw1', pid: first.pid }, { name: 'gw2', pid: second.pid }];
    const errors: Error[] = [];
    const { events, watch: w } = watch(() => list, (error) => errors.push(error));
    await w.look();
    await w.look();
    expect(events.map((event) => event.process).sort()).toEqual(['ps:gw1', 'ps:gw2']);
    const gone = (child: ChildProcess): Promise<unknown> => new Promise((resolve) => child.once('exit', resolve));
    const firstGone = gone(first.child);
    first.child.kill('SIGKILL');
    await firstGone;
    events.length = 0;
    await w.look();
    expect(events.map((event) => event.process)).toEqual(['ps:gw2']);
    const secondGone = gone(second.child);
    second.child.kill('SIGKILL');
    await secondGone;
    events.length = 0;
    await w.look();
    expect(events).toEqual([]);
    const again = await start(idle);
    list = [{ name: 'gw1', pid: again.pid }];
    await w.look();
    // Its CPU time is no continuation of the old process's.
    expect(events).toEqual([]);
    await w.look();
    expect(events.map((event) => [event.process, event.pid])).toEqual([['ps:gw1', again.pid]]);
    expect(errors).toEqual([]);
  });

  it('leaves out its own process and an empty list, and emits nothing after stop', async () => {
    const other = await start(idle);
    let list: WatchedProcess[] = [{ name: 'harness', pid: process.pid }];
    const { events, watch: w } = watch(() => list);
    await w.look();
    await w.look();
    list = [{ name: 'gw1', pid: other.pid }];
    await w.look();
    await w.stop();
    await w.look();
    expect(events).toEqual([]);
  });

  it('looks by itself every period', async () => {
    const other = await start(idle);
    const events: NodeEvent[] = [];
    const w = new ResourceWatch({ processes: () => [{ name: 'gw1', pid: other.pid }], emit: (event) => events.push(event), periodMs: 20 });
    watches.push(w);
    while (events.length < 2) await sleep(5);
    expect(events[1]).toMatchObject({ process: 'ps:gw1', fromUs: (events[0] as Watch).toUs });
  });
});
