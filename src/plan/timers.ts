import type { LabTimers } from './types.js';

/**
 * The defaults of Ceph (NVMeofGwMon, NVMeofGwMonitorClient), of the Linux host and of SPDK's target, in
 * milliseconds, as a production cluster runs them. Sources: ceph src/common/options/mon.yaml.in and
 * src/mon/NVMeofGwMap.cc; linux drivers/nvme/host/{core,fabrics}.c; SPDK lib/nvmf/subsystem.c.
 */
export const productionTimers: LabTimers = {
  scale: 1,
  beaconMs: 1_000,
  beaconGraceMs: 7_000,
  monTickMs: 5_000,
  skipFailoversMs: 16_000,
  deleteSuppressMs: 5_000,
  failbackMs: 3_000,
  blocklistWaitMs: 30_000,
  deleteGraceMs: 900_000,
  connectPanicMs: 30_000,
  disconnectPanicMs: 100_000,
  katoMs: 5_000,
  ioTimeoutMs: 30_000,
  adminTimeoutMs: 60_000,
  reconnectDelayMs: 10_000,
  ctrlLossTmoMs: 600_000,
  fastIoFailTmoMs: -1,
  anattMs: 10_000,
};

/**
 * What labs of virtual machines set differently from the defaults, all of it by settings that the real parts have.
 * A host retries a lost gateway and gives up a silent one sooner, so that a scenario takes a minute and not ten; the
 * gateway's own end when the monitor is silent comes before the fencing would have to be relied upon for minutes.
 */
export const virtualMachineTimers: Partial<LabTimers> = { reconnectDelayMs: 2_000, ioTimeoutMs: 15_000, disconnectPanicMs: 20_000 };

/**
 * Default scale of the loopback lab. At a quarter the whole smoke scenario fits into half a minute, and
 * the beacon grace (1.75 s) is still several times what a busy two-core machine may stall a process.
 */
export const loopbackTimeScale = 0.25;

/** All timers multiplied by `scale` (0.05–10). "Off" values (−1) stay; ANATT stays a whole number of seconds, as on the wire. */
export function scaleTimers(scale: number, overrides: Partial<LabTimers> = {}): LabTimers {
  const scaled = Object.fromEntries(
    Object.entries(productionTimers).map(([name, ms]) => [name, ms < 0 ? ms : Math.round(ms * scale)]),
  ) as unknown as LabTimers;
  return {
    ...scaled,
    scale,
    anattMs: Math.max(1_000, Math.ceil(scaled.anattMs / 1_000) * 1_000),
    ...overrides,
  };
}
