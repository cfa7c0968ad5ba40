import type { Schedule } from '../schedule.js';
import { becomes, four, holds, kill, lostFirst, pause, reboot, settled, start, three, two, until } from './steps.js';

/** Starting, and starting anew. */
export const starts: readonly Schedule[] = [
  {
    name: 'late-starter', title: 'a gateway is started long after it was created: until then its group is the other’s',
    gateways: two,
    steps: [start('gw1'), holds('gw1', 1), holds('gw1', 2), pause(2), start('gw2'), holds('gw2', 2), pause(3)],
  },
  {
    name: 'no-listeners-at-start', title: 'a gateway starts without a listener',
    gateways: two,
    steps: [start('gw1'), start('gw2', { listeners: false }), holds('gw1', 1), holds('gw1', 2), pause(10)],
  },
  {
    name: 'returns-without-listeners', title: 'a dead gateway is started again without a listener, and gets one later',
    gateways: two,
    steps: [...settled(two), ...lostFirst('gw2'), start('gw1', { listeners: false }), becomes('gw1', 'CREATED'), pause(4), start('gw1'), holds('gw1', 1), pause(3)],
  },
  {
    name: 'fast-reboot', title: 'a gateway is killed and started again within the beacon grace',
    gateways: two,
    steps: [...settled(two), kill('gw1'), pause(2), ...reboot('gw1'), holds('gw1', 1), pause(3)],
  },
  {
    name: 'fast-reboot-then-kill', title: 'after a fast reboot of one gateway the other one dies: the refused beacon of the first has cut the suppression of 16 s to 7 s',
    gateways: two,
    steps: [...settled(two), ...reboot('gw1'), holds('gw1', 1), kill('gw2'), holds('gw1', 2, 40), pause(3)],
  },
  {
    name: 'fast-reboot-of-holder', title: 'a gateway that holds another’s group, too, is started anew within the beacon grace',
    gateways: two,
    steps: [...settled(two), ...lostFirst('gw2'), ...reboot('gw2'), holds('gw2', 2), holds('gw2', 1, 40), pause(3)],
  },
  {
    name: 'taker-reboots', title: 'the gateway that takes over is started anew while it waits for the blocklist',
    gateways: two,
    steps: [
      ...settled(two), { do: 'stall-store', gateway: 'gw2' }, kill('gw1'), until({ gateway: 'gw2', group: 1, state: 'WAIT_BLOCKLIST_CMPL' }), pause(1), ...reboot('gw2'), holds('gw2', 2), holds('gw2', 1, 40), pause(3),
    ],
  },
];

/** Listeners and subsystems that come and go while the gateway lives. */
export const listeners: readonly Schedule[] = [
  {
    name: 'listeners-close', title: 'a gateway loses all its listeners and gets them back',
    gateways: two,
    steps: [...settled(two), { do: 'close-listeners', gateway: 'gw1' }, holds('gw2', 1), pause(3), { do: 'open-listeners', gateway: 'gw1' }, holds('gw1', 1), pause(3)],
  },
  {
    name: 'one-subsystem-closes', title: 'one of two subsystems loses its listeners: no reason for a failover',
    gateways: two,
    steps: [...settled(two, { subsystems: 2 }), { do: 'close-listeners', gateway: 'gw1', subsystem: 1 }, pause(8), { do: 'close-listeners', gateway: 'gw1', subsystem: 2 }, holds('gw2', 1), pause(3)],
  },
  {
    name: 'listenerless-dies', title: 'a gateway dies whose listeners were gone already',
    gateways: two,
    steps: [...settled(two), { do: 'close-listeners', gateway: 'gw1' }, holds('gw2', 1), kill('gw1'), pause(12), start('gw1'), holds('gw1', 1), pause(3)],
  },
  {
    name: 'taker-closes-listeners', title: 'the gateway that takes over loses its listeners while it waits for the blocklist',
    gateways: three,
    steps: [
      ...settled(three), { do: 'stall-store', gateway: 'gw2' }, kill('gw1'), until({ gateway: 'gw2', group: 1, state: 'WAIT_BLOCKLIST_CMPL' }), pause(1), { do: 'close-listeners', gateway: 'gw2' },
      holds('gw3', 1), holds('gw3', 2), pause(3),
    ],
  },
];

/** UNAVAILABLE beacons. */
export const unavailable: readonly Schedule[] = [
  {
    name: 'data-plane-dies', title: 'a gateway’s data plane does not answer any more, and its beacons say so',
    gateways: two,
    steps: [...settled(two), { do: 'sick', gateway: 'gw1', list: 'kept' }, holds('gw2', 1), pause(3), kill('gw1'), pause(14), start('gw1'), holds('gw1', 1), pause(3)],
  },
  {
    name: 'data-plane-dies-emptied', title: 'the same, but with the list of subsystems emptied: the beacons pass for CREATED',
    gateways: two,
    steps: [...settled(two), { do: 'sick', gateway: 'gw1', list: 'emptied' }, holds('gw2', 1), pause(3), { do: 'well', gateway: 'gw1' }, holds('gw1', 1), pause(3)],
  },
  {
    name: 'data-plane-dies-changed', title: 'the same, but the first such beacon changes the list: it passes for AVAILABLE, the second one counts',
    gateways: two,
    steps: [...settled(two, { subsystems: 2 }), { do: 'sick', gateway: 'gw1', list: 'changed' }, holds('gw2', 1), pause(3)],
  },
];

/** Monitor commands. */
export const administration: readonly Schedule[] = [
  {
    name: 'delete-and-create', title: 'a gateway is removed as cephadm does it, and created again under its name',
    gateways: two,
    steps: [...settled(two), { do: 'delete', gateway: 'gw1' }, pause(1), kill('gw1'), holds('gw2', 1), pause(3), { do: 'create', gateway: 'gw1' }, pause(2), start('gw1'), holds('gw1', 1), pause(3)],
  },
  {
    name: 'delete-and-restart', title: 'a deleted gateway’s daemon is started again at once',
    gateways: two,
    steps: [...settled(two), { do: 'delete', gateway: 'gw1' }, pause(1), start('gw1'), holds('gw2', 1, 40), pause(3)],
  },
  {
    name: 'delete-and-heir', title: 'a gateway is deleted and another one created in its place, which inherits its group',
    gateways: two,
    steps: [...settled(two), { do: 'delete', gateway: 'gw1' }, pause(0.5), kill('gw1'), { do: 'create', gateway: 'gw1b' }, pause(1), start('gw1b'), holds('gw1b', 1), pause(5)],
  },
  {
    name: 'delete-and-late-heir', title: 'the heir of a deleted gateway is created after the takeover, and never started for a while',
    gateways: two,
    steps: [...settled(two), { do: 'delete', gateway: 'gw1' }, kill('gw1'), holds('gw2', 1), pause(2), { do: 'create', gateway: 'gw1b' }, pause(6), start('gw1b'), holds('gw1b', 1), pause(3)],
  },
  {
    name: 'delete-and-drain', title: 'the namespaces leave a deleted gateway’s group, and the record goes',
    gateways: three,
    steps: [
      ...settled(three), { do: 'delete', gateway: 'gw3' }, pause(1), kill('gw3'), holds('gw1', 3), pause(2), { do: 'namespaces', gateway: 'gw1', groups: [1, 2] }, { do: 'namespaces', gateway: 'gw2', groups: [1, 2] }, pause(6),
      // Long enough for a tick, which gives its group to another one until it starts.
      { do: 'create', gateway: 'gw4' }, pause(6), start('gw4'), holds('gw4', 3), pause(3),
    ],
  },
  {
    name: 'delete-both', title: 'both gateways are deleted: nobody is left to say that namespaces remain',
    gateways: two,
    steps: [...settled(two), { do: 'delete', gateway: 'gw1' }, pause(1), kill('gw1'), holds('gw2', 1), { do: 'delete', gateway: 'gw2' }, pause(1), kill('gw2'), pause(4)],
  },
  {
    name: 'delete-holder', title: 'a gateway is deleted that holds another’s group, too',
    gateways: three,
    steps: [...settled(three), ...lostFirst('gw2'), { do: 'delete', gateway: 'gw2' }, pause(1), kill('gw2'), holds('gw3', 2), holds('gw3', 1), pause(3)],
    known: {
      safeguard: 'fence-last-holder',
      reason: 'gw1’s group is taken over on behalf of gw1, its owner, which was blocklisted long ago: NVMeofGwMon gives it away at once, in the same commit in which it asks for the blocklist of gw2, the deleted holder. The model waits for that blocklist',
    },
  },
  {
    name: 'delete-dead', title: 'a gateway is deleted that died before',
    gateways: two,
    steps: [...settled(two), ...lostFirst('gw2'), { do: 'delete', gateway: 'gw1' }, pause(8), { do: 'namespaces', gateway: 'gw2', groups: [2] }, pause(6)],
  },
  {
    name: 'disable-and-enable', title: 'a gateway is disabled, its daemon restarts, and it is enabled again',
    gateways: two,
    steps: [...settled(two), { do: 'disable', gateway: 'gw1' }, kill('gw1'), holds('gw2', 1), pause(2), start('gw1'), becomes('gw1', 'CREATED'), pause(6), { do: 'enable', gateway: 'gw1' }, holds('gw1', 1), pause(3)],
  },
  {
    name: 'disable-and-return', title: 'the daemon of a disabled gateway is back after twelve seconds: the monitor counts from when it was missed, and suppresses a failover',
    gateways: two,
    steps: [...settled(two), { do: 'disable', gateway: 'gw1' }, kill('gw1'), holds('gw2', 1), { do: 'enable', gateway: 'gw1' }, pause(6), start('gw1'), holds('gw1', 1), kill('gw2'), holds('gw1', 2, 40), pause(3)],
  },
  {
    name: 'create-while-suppressed', title: 'a gateway that is created while failovers are suppressed is not covered: its group goes to another one at the next tick',
    gateways: two,
    steps: [...settled(two), ...reboot('gw1'), { do: 'create', gateway: 'gw3' }, pause(8), start('gw3'), holds('gw3', 3), pause(3)],
  },
  {
    name: 'unknown-gateway', title: 'commands name a gateway that nobody created, and one that is there already',
    gateways: two,
    steps: [
      { do: 'create', gateway: 'gw1' }, { do: 'delete', gateway: 'ghost' }, { do: 'enable', gateway: 'ghost' }, { do: 'disable', gateway: 'ghost' }, { do: 'locate', gateway: 'ghost', location: 'a' },
      { do: 'enable', gateway: 'gw1' }, start('ghost'), pause(4),
    ],
  },
  {
    name: 'full-group', title: 'a seventeenth gateway is created, and one more after one of them was deleted',
    gateways: Array.from({ length: 16 }, (_, i) => `gw${String(i + 1).padStart(2, '0')}`),
    steps: [{ do: 'create', gateway: 'gw17' }, start('gw01'), holds('gw01', 1), pause(5), { do: 'delete', gateway: 'gw05' }, { do: 'create', gateway: 'gw18' }, pause(3)],
  },
  {
    name: 'four-join', title: 'four gateways start, and two of them die at once',
    gateways: four,
    steps: [...settled(four), kill('gw1'), pause(1.5), kill('gw3'), becomes('gw3', 'UNAVAILABLE'), holds('gw2', 1), pause(8)],
  },
];
