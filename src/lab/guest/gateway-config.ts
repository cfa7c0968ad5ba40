import { z } from 'zod';
import type { LabTimers } from '../../plan/types.js';

const addressSchema = z.strictObject({ host: z.string().min(1), port: z.int().min(1).max(65_535) });

/** What a gateway's process in a guest is told (`gateway.ts`, `spdk-gateway.ts`), as JSON in a file. */
const configSchema = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9-]*$/),
  pool: z.string().min(1),
  group: z.string(),
  nqn: z.string().regex(/^nqn\.\S+$/).max(223),
  serial: z.string().min(1).max(20),
  namespaces: z.array(z.strictObject({
    nsid: z.int().min(1), uuid: z.uuid(), nguid: z.string().regex(/^[0-9a-fA-F]{32}$/), anaGroup: z.int().min(1).max(128), image: z.string().regex(/^[^\s/@]+$/),
  })).min(1),
  /** The monitors' msgr2 addresses, `ADDRESS:PORT`. */
  monHosts: z.array(z.string().regex(/^\S+:\d+$/)).min(1),
  auth: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('none') }),
    z.strictObject({ kind: z.literal('cephx'), entity: z.string().startsWith('client.'), secret: z.base64().min(1) }),
  ]),
  listeners: z.array(addressSchema).min(1),
  /** The planner has checked them. */
  timers: z.custom<LabTimers>((value) => typeof value === 'object' && value !== null && 'beaconMs' in value, 'the timers'),
  onFenced: z.enum(['end', 'stay']),
  /** SPDK's target and its own options, for spdk-gateway. */
  spdk: z.strictObject({ target: z.string().startsWith('/'), arguments: z.array(z.string()) }).optional(),
});
export type GuestGatewayConfig = z.infer<typeof configSchema>;

/**
 * The text of the config's file. Throws a ZodError for what a gateway cannot be told. It is checked here, where it
 * is made, because the library takes an emulated CPU most of a second to load.
 */
export function gatewayConfigText(config: unknown): string {
  return JSON.stringify(configSchema.parse(config));
}
