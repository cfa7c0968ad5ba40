import { describe, expect, it } from 'vitest';
import type { ControlListener, GatewayControl, SocketAddress } from '../control.js';
import { Serving } from './serving.js';

/** A data plane in which the port of a closed listener is taken by somebody else at once. */
class BusyMachine {
  readonly asked: ControlListener[] = [];
  #next = 1_001;

  readonly control = {
    addSubsystem: () => Promise.resolve(), addNamespace: () => Promise.resolve(), removeListener: () => Promise.resolve(), setAnaState: () => Promise.resolve(),
    addListener: (_nqn: string, spec: ControlListener): Promise<SocketAddress> => {
      this.asked.push({ ...spec });
      if (spec.port !== 0 && this.asked.length > 1) return Promise.reject(new Error('EADDRINUSE'));
      return Promise.resolve({ host: spec.host, port: spec.port === 0 ? this.#next++ : spec.port });
    },
  } as unknown as GatewayControl;
}

async function reopened(spec: ControlListener): Promise<{ machine: BusyMachine; again: Promise<void> }> {
  const machine = new BusyMachine();
  const serving = new Serving(machine.control, () => undefined);
  await serving.add({ nqn: 'nqn.a', serial: 's', namespaces: [], listeners: [spec] }, 0);
  await serving.removeListeners();
  return { machine, again: serving.addListeners() };
}

describe('a listener that is opened again', () => {
  it('takes another port when its own was taken and hosts reach it at another address anyway', async () => {
    const { machine, again } = await reopened({ host: 'h', port: 0, advertised: { host: 'h', port: 9 } });
    await again;
    expect(machine.asked.map(({ port }) => port)).toEqual([0, 1_001, 0]);
    expect(machine.asked[2]!.advertised).toEqual({ host: 'h', port: 9 });
  });

  it('says so when hosts know the port, chosen or found', async () => {
    for (const port of [4_420, 0]) {
      const { machine, again } = await reopened({ host: 'h', port });
      await expect(again).rejects.toThrow('EADDRINUSE');
      expect(machine.asked).toHaveLength(2);
    }
  });
});
