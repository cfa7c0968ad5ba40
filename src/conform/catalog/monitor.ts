import type { Schedule } from '../schedule.js';
import { becomes, holds, kill, lostFirst, pause, settled, start, two, until } from './steps.js';

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
    name: 'monitor-restarts-failed-over', title: 'the monitor is restarted while a gateway holds a dead one’s group, too: it loses that for more than 7 s',
    gateways: two,
    steps: [
      ...settled(two), ...lostFirst('gw2'), { do: 'restart-monitor', downMs: 2_000 }, until({ gateway: 'gw2', group: 1, state: 'STANDBY' }), becomes('gw2', 'AVAILABLE'), holds('gw2', 2), holds('gw2', 1), pause(3),
    ],
  },
  {
    name: 'owner-returns-in-resync', title: 'after a restart of the monitor the holder’s beacon is refused and its next ones are lost, and its group’s owner returns',
    gateways: two,
    steps: [
      ...settled(two), ...lostFirst('gw2'), { do: 'restart-monitor', downMs: 2_000 }, becomes('gw2', 'CREATED'), { do: 'mute', gateway: 'gw2' }, start('gw1'), holds('gw1', 1), pause(10),
    ],
    known: {
      safeguard: 'await-resync',
      reason: 'NVMeofGwMon holds gw2 CREATED with no group, and makes gw1 ACTIVE at once; but gw2 was not told, goes on to serve the group, and is not blocklisted. The model waits for gw2 to report a newer map, and declares it down when it does not',
    },
  },
  {
    name: 'starts-over-restart', title: 'a gateway comes back after a restart of the monitor that it did not live through',
    gateways: two,
    steps: [...settled(two), pause(3), kill('gw1'), { do: 'restart-monitor', downMs: 2_000 }, pause(1), start('gw1'), holds('gw1', 1), holds('gw2', 2), pause(5)],
  },
];
