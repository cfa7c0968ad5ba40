import { z } from 'zod';

/** A daemon as `ceph orch ps --format json` shows it. */
const daemonSchema = z.looseObject({
  daemon_type: z.string(), daemon_id: z.string(), hostname: z.string(),
  container_id: z.string().optional(), status: z.number().optional(), status_desc: z.string().optional(), started: z.string().optional(),
});

/** `status`: 1 runs, 0 stopped, -1 failed, undefined not looked at yet (src/python-common, DaemonDescriptionStatus). */
export interface OrchDaemon { name: string; host: string; containerId: string | undefined; status: number | undefined; statusText: string }

/** Throws for what is no such list. */
export function parseOrchPs(text: string): OrchDaemon[] {
  return z.array(daemonSchema).parse(JSON.parse(text)).map((d) => ({
    name: `${d.daemon_type}.${d.daemon_id}`, host: d.hostname, containerId: d.container_id, status: d.status, statusText: d.status_desc ?? 'unknown',
  }));
}

/** The id under which a daemon's gateway is known to the monitor: its cephx entity. */
export function gatewayIdOf(daemon: string): string {
  return `client.${daemon}`;
}
