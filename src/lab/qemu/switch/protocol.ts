import { z } from 'zod';
import { ruleSchema } from './rules.js';

/** The control channel of the switch process: one JSON object per line, each request answered by one with its id. */
export const switchConfigSchema = z.strictObject({
  /** The folder of its sockets; short, since a unix socket's path has at most 107 characters. */
  dir: z.string(),
  seed: z.string(),
  fabrics: z.array(z.strictObject({ name: z.string().regex(/^[a-z0-9]{1,16}$/i), nodes: z.array(z.string().regex(/^[a-z0-9-]{1,24}$/i)) })),
});
export type SwitchConfig = z.output<typeof switchConfigSchema>;

const captureSchema = z.strictObject({ file: z.string(), fabric: z.string(), node: z.string().optional() });
export const switchRequestSchema = z.discriminatedUnion('method', [
  z.strictObject({ id: z.number(), method: z.literal('addRule'), rule: ruleSchema }),
  z.strictObject({ id: z.number(), method: z.literal('removeRule'), rule: z.number() }),
  z.strictObject({ id: z.number(), method: z.literal('removeAllRules') }),
  z.strictObject({ id: z.number(), method: z.literal('state') }),
  z.strictObject({ id: z.number(), method: z.literal('startCapture'), capture: captureSchema }),
  z.strictObject({ id: z.number(), method: z.literal('stopCapture'), file: z.string() }),
]);
export type SwitchRequest = z.output<typeof switchRequestSchema>;
export type Capture = z.output<typeof captureSchema>;
export type SwitchReply = { id: number; result: unknown } | { id: number; error: string };

/** The longest path that fits into `sun_path` with its closing zero (unix(7)). */
export const socketPathMaxChars = 107;

export function portSocketPath(dir: string, fabric: string, node: string): string {
  return `${dir}/${fabric}-${node}.sock`;
}

export function controlSocketPath(dir: string): string {
  return `${dir}/switch.ctl`;
}
