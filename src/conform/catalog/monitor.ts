import type { Schedule } from '../schedule.js';
import { becomes, holds, kill, pause, settled, start, two, until } from './steps.js';

/** Restarts of the monitor itself. Each needs a monitor of its own. */
export const monitorRestarts: readonly Schedule[] = [
  {
    name: 'monitor-restarts', title: 'the monitor is killed and is back after three seconds',
    gateways: two,
    steps: [...settled(two), pause(3), { do: 'restart-monitor', downMs: 3_000 }, pause(2), holds('gw1', 1), holds('gw2', 2), pause(6)],
  },
  {
    name: 'monitor-down-long', title: 'the monitor is down for longer than the beacon grace: no gateway may be blamed for it',
    gateways: two,
    steps: [...settled(two), pause(3), { do: 'restart-monitor', downMs: 10_000 }, pause(2), holds('gw1', 1), holds('gw2', 2), pause(10)],
  },
  {
    name: 'dies-while-monitor-down', title: 'a gateway dies while the monitor is down',
    gateways: two,
    steps: [...settled(two), pause(3), kill('gw1'), { do: 'restart-monitor', downMs: 3_000 }, becomes('gw1', 'UNAVAILABLE', 40), holds('gw2', 1), pause(3)],
  },
  {
    name: 'monitor-restarts-in-takeover', title: 'the monitor is restarted while a gateway waits for a blocklist',
    gateways: two,
    steps: [
      ...settled(two), pause(3), { do: 'stall-store', gateway: 'gw2' }, kill('gw1'), until({ gateway: 'gw2', group: 1, state: 'WAIT_BLOCKLIST_CMPL' }), pause(1),
      { do: 'restart-monitor', downMs: 2_000 }, pause(4), { do: 'resume-store', gateway: 'gw2' }, holds('gw2', 2), holds('gw2', 1, 40), pause(3),
    ],
  },
  {
    name: 'starts-over-restart', title: 'a gateway comes back after a restart of the monitor that it did not live through',
    gateways: two,
    steps: [...settled(two), pause(3), kill('gw1'), { do: 'restart-monitor', downMs: 2_000 }, pause(1), start('gw1'), holds('gw1', 1), holds('gw2', 2), pause(5)],
  },
];
