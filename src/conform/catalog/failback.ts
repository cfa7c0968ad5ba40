import type { Schedule } from '../schedule.js';
import { becomes, holds, kill, lostFirst, pause, reboot, settled, start, three, two, until } from './steps.js';

const failbackBegins = until({ gateway: 'gw1', group: 1, state: 'OWNER_FAILBACK_PREPARED' });

/** A failback, and what may come into its three seconds. */
export const failback: readonly Schedule[] = [
  {
    name: 'two-failbacks', title: 'two owners come back to the gateway that holds all three groups',
    gateways: three,
    steps: [
      ...settled(three), kill('gw1'), holds('gw2', 1), pause(2), kill('gw2'), holds('gw3', 1), holds('gw3', 2), pause(17),
      start('gw1'), pause(0.5), start('gw2'), holds('gw1', 1), holds('gw2', 2), pause(3),
    ],
  },
  {
    name: 'redeploy', title: 'a gateway is back so soon that the monitor takes it for a redeployment, and spares the next one its failover',
    gateways: three,
    steps: [...settled(three), kill('gw1'), holds('gw2', 1), start('gw1'), becomes('gw1', 'AVAILABLE'), kill('gw3'), holds('gw1', 1), holds('gw1', 3, 40), pause(3)],
  },
  {
    name: 'owner-dies-early', title: 'the owner dies right after the failback has begun, before it has reported that it knows',
    gateways: two,
    steps: [...settled(two), ...lostFirst('gw2'), start('gw1'), failbackBegins, kill('gw1'), becomes('gw1', 'UNAVAILABLE'), holds('gw2', 1), pause(3)],
    known: {
      safeguard: 'failback-seen',
      reason: 'NVMeofGwMon takes the beacon that began the failback for a report of it, and after 3 s makes the dead owner ACTIVE; the model waits for a report that never comes',
    },
  },
  {
    name: 'owner-dies-late', title: 'the owner dies in the failback after it has reported that it knows',
    gateways: two,
    steps: [...settled(two), ...lostFirst('gw2'), start('gw1'), failbackBegins, pause(2), kill('gw1'), becomes('gw1', 'UNAVAILABLE'), holds('gw2', 1), pause(3)],
  },
  {
    name: 'holder-dies-late', title: 'the holder dies in the failback after it has reported that it knows',
    gateways: two,
    steps: [...settled(two), ...lostFirst('gw2'), start('gw1'), failbackBegins, pause(2), kill('gw2'), becomes('gw2', 'UNAVAILABLE'), holds('gw1', 2), pause(3)],
  },
  {
    name: 'holder-cut-off', title: 'the holder is cut off from the monitor before its group’s owner returns: it cannot know that it has to stop',
    gateways: two,
    steps: [...settled(two), ...lostFirst('gw2'), { do: 'cut', gateway: 'gw2' }, pause(1.5), start('gw1'), failbackBegins, becomes('gw2', 'UNAVAILABLE'), holds('gw1', 1), holds('gw1', 2), pause(3)],
    known: {
      safeguard: 'failback-seen',
      reason: 'NVMeofGwMon takes the holder’s last beacon, from before the failback, for a report of it, and after 3 s makes the owner ACTIVE: two gateways are told to serve the group and nobody is blocklisted. The model waits for a report, and declares the holder down when none comes',
    },
  },
  {
    name: 'holder-declared-down', title: 'the holder is declared down in the middle of the failback',
    gateways: two,
    steps: [...settled(two), ...lostFirst('gw2'), kill('gw2'), pause(5), start('gw1'), failbackBegins, becomes('gw2', 'UNAVAILABLE'), holds('gw1', 1), holds('gw1', 2), pause(3)],
  },
  {
    name: 'first-holder-declared-down', title: 'the holder, whose own group comes first, is declared down in the middle of the failback',
    gateways: two,
    steps: [
      ...settled(two), kill('gw2'), holds('gw1', 2), pause(17), kill('gw1'), pause(5), start('gw2'), until({ gateway: 'gw2', group: 2, state: 'OWNER_FAILBACK_PREPARED' }),
      becomes('gw1', 'UNAVAILABLE'), holds('gw2', 1), holds('gw2', 2), pause(3),
    ],
  },
  {
    name: 'owner-reboots', title: 'the owner is started anew in the middle of the failback',
    gateways: two,
    steps: [...settled(two), ...lostFirst('gw2'), start('gw1'), failbackBegins, pause(1.5), ...reboot('gw1'), holds('gw1', 1), pause(3)],
  },
  {
    name: 'holder-reboots', title: 'the holder is started anew in the middle of the failback',
    gateways: two,
    steps: [...settled(two), ...lostFirst('gw2'), start('gw1'), failbackBegins, pause(1.5), ...reboot('gw2'), holds('gw1', 1), holds('gw2', 2), pause(3)],
  },
  {
    name: 'holder-closes-listeners', title: 'the holder loses its listeners in the middle of the failback',
    gateways: two,
    steps: [...settled(two), ...lostFirst('gw2'), start('gw1'), failbackBegins, pause(0.5), { do: 'close-listeners', gateway: 'gw2' }, becomes('gw2', 'CREATED'), holds('gw1', 1), holds('gw1', 2), pause(3)],
  },
  {
    name: 'owner-deleted', title: 'the owner is deleted in the middle of the failback',
    gateways: two,
    steps: [...settled(two), ...lostFirst('gw2'), start('gw1'), failbackBegins, pause(1), { do: 'delete', gateway: 'gw1' }, kill('gw1'), holds('gw2', 1), pause(3)],
  },
];
