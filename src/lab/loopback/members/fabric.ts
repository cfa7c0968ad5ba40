import { z } from 'zod';
import { applyLinkDefects, linkDefectNames } from '../../link/defects.js';
import { cutModes, linkDirections, LinkFabric } from '../../link/index.js';
import { runMember } from '../../member/member.js';

/** All links of the lab in one process, so that a stalled harness or gateway cannot delay them. */
const configSchema = z.strictObject({
  /** Decides all jitter. */
  seed: z.string().default('0'),
  /** For showing that the harness finds them; see plan/defects.ts. */
  defects: z.array(z.enum(linkDefectNames)).default([]),
});
export type FabricMemberConfig = z.input<typeof configSchema>;

const name = z.string().min(1).max(128);
/** Port 0: no target yet; connections are reset until `setTarget`. */
const target = { targetHost: z.string().min(1), targetPort: z.int().min(0).max(65_535) };
const direction = z.enum(linkDirections).default('both');
const mode = z.enum(cutModes);

const schemas = {
  addLink: z.strictObject({ name, ...target }),
  named: z.strictObject({ name }),
  cut: z.strictObject({ name, mode, direction }),
  delay: z.strictObject({ name, delayMs: z.number(), jitterMs: z.number().default(0), direction }),
  flap: z.strictObject({ name, mode, direction, downMs: z.number(), upMs: z.number(), cycles: z.int().min(1).optional() }),
  heal: z.union([z.strictObject({ name }), z.strictObject({ all: z.literal(true) })]),
  stats: z.strictObject({ name: name.optional() }).nullish(),
};

runMember('fabric', async (rawConfig, _context) => {
  const { seed, defects } = configSchema.parse(rawConfig);
  const fabric = new LinkFabric(seed);
  return {
    info: {},
    handlers: {
      addLink: async (params: unknown) => {
        const link = schemas.addLink.parse(params);
        const added = await fabric.addLink(link.name, { host: link.targetHost, port: link.targetPort });
        applyLinkDefects(fabric.link(link.name), defects);
        return added;
      },
      removeLink: (params: unknown) => fabric.removeLink(schemas.named.parse(params).name),
      setTarget: (params: unknown) => {
        const link = schemas.addLink.parse(params);
        fabric.setTarget(link.name, { host: link.targetHost, port: link.targetPort });
      },
      cut: (params: unknown) => {
        const cut = schemas.cut.parse(params);
        fabric.cut(cut.name, cut.mode, cut.direction);
      },
      delay: (params: unknown) => {
        const delay = schemas.delay.parse(params);
        fabric.delay(delay.name, delay.delayMs, delay.jitterMs, delay.direction);
      },
      flap: (params: unknown) => {
        const { name: link, cycles, ...flap } = schemas.flap.parse(params);
        fabric.flap(link, { ...flap, ...(cycles === undefined ? {} : { cycles }) });
      },
      /** {name}, or {all: true}. */
      heal: (params: unknown) => {
        const heal = schemas.heal.parse(params);
        fabric.heal('name' in heal ? heal.name : undefined);
      },
      /** All links, or {name} alone, as a list. */
      stats: (params: unknown) => {
        const only = schemas.stats.parse(params)?.name;
        return only === undefined ? fabric.stats() : [fabric.link(only).stats()];
      },
    },
    stop: () => fabric.close(),
  };
});
