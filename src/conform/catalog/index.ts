import type { Schedule } from '../schedule.js';
import { failback } from './failback.js';
import { blocklist, failover } from './failover.js';
import { administration, listeners, starts, unavailable } from './lifecycle.js';
import { monitorRestarts } from './monitor.js';

/** Every schedule that `pathproof conform` knows. They run at the same time, each in a gateway group of its own. */
export const catalog: readonly Schedule[] = [
  ...starts, ...failover, ...blocklist, ...failback, ...listeners, ...unavailable, ...administration, ...monitorRestarts,
];
