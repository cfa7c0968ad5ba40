import { isStopped } from '../lab/process-identity.js';
import { gatewayOf, startAgain, whenRunning, type FaultContext, type FaultDriver } from './driver.js';
import { hostLost, processRuns, recovered, waitFor } from './observing.js';

/**
 * SIGSTOP: the zombie gateway. Its process does nothing, not even notice that time passes, while its sockets
 * stay open and take what the host sends; with SIGCONT it goes on in the middle of it.
 */
export function pauseDriver(context: FaultContext): FaultDriver {
  const gateway = gatewayOf(context);
  let pid: number | undefined;
  return {
    inject: async () => {
      await whenRunning(context);
      pid = gateway.pid;
      if (gateway.pause === undefined) throw new Error(`${gateway.name} cannot be paused`);
      await gateway.pause();
      return `SIGSTOP to ${gateway.name} (pid ${pid})`;
    },
    confirm: async () => {
      // The signal is delivered at the process's next moment on a processor.
      if (pid === undefined || !(await waitFor(context, () => isStopped(pid!)))) return null;
      return hostLost(context, `the kernel says that process ${pid} is stopped, and `);
    },
    heal: async () => {
      await gateway.resume?.();
      return `SIGCONT to ${gateway.name} (pid ${pid})`;
    },
    confirmHealed: () => recovered(context, () => {
      if (pid === undefined || isStopped(pid)) return Promise.resolve(null);
      return Promise.resolve({ observer: 'kernel', evidence: `process ${pid} is not stopped any more` });
    }),
  };
}

/** Killed and started again at once, faster than the monitor misses its beacons: nothing is left to heal. */
export function rebootDriver(context: FaultContext): FaultDriver {
  const gateway = gatewayOf(context);
  let before: number | undefined;
  return {
    inject: async () => {
      await whenRunning(context);
      before = gateway.pid;
      await gateway.kill();
      return `SIGKILL to ${gateway.name} (pid ${before}); ${await startAgain(gateway)}`;
    },
    confirm: async () => {
      if (before === undefined || await gateway.alive(before)) return null;
      return hostLost(context, `the kernel has no process ${before} any more but ${gateway.pid}, and `);
    },
    heal: async () => `${await startAgain(gateway)}: nothing else to heal`,
    confirmHealed: () => recovered(context, () => processRuns(context)),
  };
}
