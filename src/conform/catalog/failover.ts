import type { Schedule } from '../schedule.js';
import { becomes, four, holds, home, kill, lostFirst, pastRedeploy, pause, settled, start, three, two, until } from './steps.js';

/** Gateways that die, and who takes over from them. */
export const failover: readonly Schedule[] = [
  {
    name: 'kill-and-return', title: 'the owner of a group is killed and comes back much later',
    gateways: two,
    steps: [...settled(two), ...lostFirst('gw2'), start('gw1'), holds('gw1', 1), pause(3)],
  },
  {
    name: 'cut-and-heal', title: 'a gateway is cut off from the monitor, and goes on as if nothing had happened when the cut is healed',
    gateways: two,
    steps: [...settled(two), { do: 'cut', gateway: 'gw1' }, holds('gw2', 1), { do: 'heal', gateway: 'gw1' }, pause(6), pastRedeploy, start('gw1'), holds('gw1', 1), pause(2)],
  },
  {
    name: 'short-cut', title: 'a gateway is cut off for less than the beacon grace',
    gateways: two,
    steps: [...settled(two), { do: 'cut', gateway: 'gw1' }, pause(5), { do: 'heal', gateway: 'gw1' }, pause(10)],
  },
  {
    name: 'mute', title: 'beacons of a gateway are lost, and it is told by a map that it was failed over',
    gateways: two,
    steps: [...settled(two), pastRedeploy, { do: 'mute', gateway: 'gw1' }, holds('gw2', 1), pause(3), start('gw1'), holds('gw1', 1), pause(2)],
  },
  {
    name: 'last-one-dies', title: 'both gateways are killed, and one comes back',
    gateways: two,
    steps: [...settled(two), kill('gw1'), holds('gw2', 1), kill('gw2'), becomes('gw2', 'UNAVAILABLE'), pause(17), start('gw2'), holds('gw2', 2), holds('gw2', 1), pause(2)],
  },
  {
    name: 'owner-of-two-dies', title: 'a gateway that holds two groups is killed: the only candidate takes them one after the other',
    gateways: three,
    steps: [...settled(three), kill('gw1'), holds('gw2', 1), pause(2), kill('gw2'), holds('gw3', 1), holds('gw3', 2), pause(3)],
  },
  {
    name: 'taker-already-dead', title: 'a gateway is killed, and shortly after it the one that will be chosen to take over',
    gateways: three,
    steps: [...settled(three), kill('gw1'), pause(1.5), kill('gw2'), holds('gw3', 1), holds('gw3', 2), pause(3)],
  },
  {
    name: 'holder-dies-all-busy', title: 'the holder of another’s group dies while the only candidate is busy with a third one’s',
    gateways: four,
    steps: [
      ...settled(four), kill('gw1'), holds('gw2', 1), { do: 'stall-store', gateway: 'gw3' }, kill('gw4'), until({ gateway: 'gw3', group: 4, state: 'WAIT_BLOCKLIST_CMPL' }),
      kill('gw2'), becomes('gw2', 'UNAVAILABLE'), pause(5), { do: 'resume-store', gateway: 'gw3' }, holds('gw3', 4), holds('gw3', 1), holds('gw3', 2), pause(3),
    ],
    known: {
      safeguard: 'fence-last-holder',
      reason: 'NVMeofGwMon gives gw1’s group to gw3 at once, for it has blocklisted gw1 long ago; that gw2 held it since, and is not blocklisted, it does not consider. The model blocklists gw2 first',
    },
  },
  {
    name: 'least-loaded', title: 'of several candidates the one with the fewest groups takes over',
    gateways: four,
    steps: [...settled(four), kill('gw1'), holds('gw2', 1), pause(2), kill('gw3'), holds('gw4', 3), pause(3)],
  },
  {
    name: 'same-location-first', title: 'a candidate of the same location is preferred',
    gateways: three,
    steps: [
      { do: 'locate', gateway: 'gw1', location: 'a' }, { do: 'locate', gateway: 'gw2', location: 'b' }, { do: 'locate', gateway: 'gw3', location: 'a' },
      { do: 'locate', gateway: 'gw3', location: 'a' }, ...settled(three), kill('gw1'), holds('gw3', 1), pause(3),
    ],
  },
  {
    name: 'location-all-dead', title: 'nobody is left in the location of the dead gateway',
    gateways: three,
    steps: [{ do: 'locate', gateway: 'gw1', location: 'a' }, ...settled(three), kill('gw1'), holds('gw2', 1), pause(3)],
  },
  {
    name: 'location-busy', title: 'the only candidate of the location is busy: no other location is considered',
    gateways: four,
    steps: [
      { do: 'locate', gateway: 'gw1', location: 'a' }, { do: 'locate', gateway: 'gw3', location: 'a' }, { do: 'locate', gateway: 'gw4', location: 'a' }, ...settled(four),
      { do: 'stall-store', gateway: 'gw3' }, kill('gw4'), until({ gateway: 'gw1', group: 4, state: 'ACTIVE' }), pause(2), kill('gw1'),
      until({ gateway: 'gw3', group: 1, state: 'WAIT_BLOCKLIST_CMPL' }), pause(5), { do: 'resume-store', gateway: 'gw3' }, holds('gw3', 1), holds('gw3', 4), pause(3),
    ],
  },
];

/** What is blocklisted, and who waits for it. */
export const blocklist: readonly Schedule[] = [
  {
    name: 'two-die-at-once', title: 'two gateways are declared down at the same moment, and one of those that take over cannot reach the blocklist’s epoch',
    gateways: four, alone: true,
    steps: [
      // Their beacons keep coming at the same time, so that no check of the monitor falls in between.
      start('gw1'), start('gw3'), pause(0.3), start('gw2'), start('gw4'), ...home(four), { do: 'stall-store', gateway: 'gw4' }, kill('gw1'), kill('gw3'),
      becomes('gw3', 'UNAVAILABLE'), holds('gw2', 1), pause(4), { do: 'resume-store', gateway: 'gw4' }, holds('gw4', 3), pause(3),
    ],
    known: {
      safeguard: 'await-own-blocklist',
      reason: 'the osdmap is being changed for the first takeover when NVMeofGwMon decides the second one, so that it does not know the epoch of the second blocklist: gw4 is told to wait for epoch 0, and is ACTIVE with its next beacon although its store has not seen the blocklist. The model waits for it',
    },
  },
  {
    name: 'no-nonces', title: 'a gateway that reported no namespace dies: nothing can be blocklisted',
    gateways: two,
    steps: [start('gw1', { nonces: 'none' }), start('gw2'), ...home(two), kill('gw1'), holds('gw2', 1), pause(3)],
  },
  {
    name: 'unparsable-nonce', title: 'a gateway dies whose nonce is no address',
    gateways: two,
    steps: [start('gw1', { nonces: 'unparsable' }), start('gw2'), ...home(two), kill('gw1'), holds('gw2', 1), pause(3)],
  },
  {
    name: 'wait-expires', title: 'the gateway that takes over never reports the blocklist’s epoch, and is declared down itself',
    gateways: three,
    steps: [
      ...settled(three), { do: 'stall-store', gateway: 'gw2' }, kill('gw1'), until({ gateway: 'gw2', group: 1, state: 'WAIT_BLOCKLIST_CMPL' }),
      becomes('gw2', 'UNAVAILABLE', 40), holds('gw3', 1), holds('gw3', 2), pause(3),
    ],
  },
  {
    name: 'wait-expires-alone', title: 'the last gateway never reports the blocklist’s epoch; both start anew',
    gateways: two,
    steps: [
      ...settled(two), { do: 'stall-store', gateway: 'gw2' }, kill('gw1'), until({ gateway: 'gw2', group: 1, state: 'WAIT_BLOCKLIST_CMPL' }),
      becomes('gw2', 'UNAVAILABLE', 40), pause(4), start('gw2'), holds('gw2', 2), holds('gw2', 1), pause(2), start('gw1'), holds('gw1', 1), pause(2),
    ],
  },
  {
    name: 'slow-store', title: 'the gateway that takes over reports the blocklist’s epoch after ten seconds',
    gateways: two,
    steps: [...settled(two), { do: 'stall-store', gateway: 'gw2' }, kill('gw1'), until({ gateway: 'gw2', group: 1, state: 'WAIT_BLOCKLIST_CMPL' }), pause(10), { do: 'resume-store', gateway: 'gw2' }, holds('gw2', 1), pause(3)],
  },
  {
    name: 'taker-dies-waiting', title: 'the gateway that takes over dies while it waits for the blocklist',
    gateways: three,
    steps: [
      ...settled(three), { do: 'stall-store', gateway: 'gw2' }, kill('gw1'), until({ gateway: 'gw2', group: 1, state: 'WAIT_BLOCKLIST_CMPL' }), pause(1), kill('gw2'),
      holds('gw3', 1), holds('gw3', 2), pause(3),
    ],
  },
  {
    name: 'owner-returns-to-waiting', title: 'the owner is back while its group’s new holder still waits for the blocklist',
    gateways: two,
    steps: [
      ...settled(two), { do: 'stall-store', gateway: 'gw2' }, kill('gw1'), until({ gateway: 'gw2', group: 1, state: 'WAIT_BLOCKLIST_CMPL' }), pause(1), start('gw1'), becomes('gw1', 'AVAILABLE'), pause(5),
      { do: 'resume-store', gateway: 'gw2' }, holds('gw2', 1), holds('gw1', 1), pause(3),
    ],
  },
];
