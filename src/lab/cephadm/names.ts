import { z } from 'zod';

/** Plan's names of gateways, and cephadm's of the hosts that they are on. */
export interface HostNames {
  /** cephadm's name of a gateway's host. */
  hostOf: (gateway: string) => string;
  /** The plan's name of the gateway on that host; undefined: the host is none of the plan's. */
  gatewayOn: (host: string) => string | undefined;
}

/** Every gateway has the name of its host. */
export const sameNames: HostNames = { hostOf: (gateway) => gateway, gatewayOn: (host) => host };

const shownSchema = z.looseObject({ 'Created Gateways:': z.array(z.looseObject({ 'gw-id': z.string(), 'Availability': z.string() })) });

/** The host on which cephadm has put a gateway, from its id `client.nvmeof.POOL.GROUP.HOST.SUFFIX`; undefined: not one of the service's. */
export function hostOfGatewayId(id: string, service: string): string | undefined {
  const rest = id.startsWith(`client.${service}.`) ? id.slice(`client.${service}.`.length) : undefined;
  return rest === undefined ? undefined : /^(.+)\.[a-z]+$/.exec(rest)?.[1];
}

/**
 * The answer of `nvme-gw show` with the plan's names in place of cephadm's ids. A gateway that is being deleted keeps its id
 * when another one of its host is there, as after a replacement. An answer of another form stays as it is.
 */
export function withPlanNames(text: string, service: string, { gatewayOn }: HostNames = sameNames): string {
  let shown: z.output<typeof shownSchema>;
  try {
    shown = shownSchema.parse(JSON.parse(text));
  } catch {
    return text;
  }
  const gateways = shown['Created Gateways:'];
  const byName = new Map<string, typeof gateways>();
  for (const gateway of gateways) {
    const host = hostOfGatewayId(gateway['gw-id'], service);
    const name = host === undefined ? undefined : gatewayOn(host);
    if (name !== undefined) byName.set(name, [...(byName.get(name) ?? []), gateway]);
  }
  for (const [name, own] of byName) {
    const present = own.find(({ Availability }) => Availability.toUpperCase() !== 'DELETING') ?? own[0]!;
    present['gw-id'] = name;
  }
  return JSON.stringify(shown);
}
